"""What cannot be gone on with is refused in one message with exit code 2, and nothing is written."""

import os

import pytest

from lightune import compose, resume, train
from lightune.errors import ConfigError
from lightune.reporting.curves import read_curves
from lightune.reporting.fits import read_fit
from lightune.reporting.result import read_result
from lightune.run import InterruptedRun
from lightune.training.resumption import resumed_config
from lightune.training.run_owner import only_owner

SHORT = ["trainer=cpu", "trainer.max_epochs=2", "model.units=16", "metrics.bootstrap=50", "data.batch_size=100"]


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    return train(compose([*SHORT, f"output_root={tmp_path_factory.mktemp('finished')}"]))


@pytest.fixture
def refusal(cli, tmp_path):
    """Ask for a run to be gone on with; return the refusal, which has left nothing."""

    def ask(folder, *overrides):
        before = sorted(tmp_path.rglob("*"))
        code, out, err = cli(f"resume={folder}", *overrides)
        assert code == 2, out + err
        assert err.startswith("lightune: 1 problem, nothing was started\n")
        assert "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return ask


def test_a_folder_that_is_not_there(refusal, tmp_path):
    assert "resume  must be the folder of a run: there is no such folder" in refusal(tmp_path / "gone")


def test_a_file(refusal, tmp_path):
    (tmp_path / "file").write_text("")
    assert "must be the folder of a run: it is a file" in refusal(tmp_path / "file")


def test_a_folder_of_something_else(refusal, tmp_path):
    (tmp_path / "other").mkdir()
    assert "it has no .hydra/config.yaml (it has nothing)" in refusal(tmp_path / "other")
    (tmp_path / "other" / "notes.txt").write_text("")
    assert "(it has notes.txt)" in refusal(tmp_path / "other")


def test_a_sweep(refusal, tmp_path):
    (tmp_path / "multirun.yaml").write_text("")
    assert "it is a sweep; its runs are in trials/" in refusal(tmp_path)


def test_a_multirun_that_goes_on_with_a_run(cli, finished_run):
    code, _, err = cli("-m", f"resume={finished_run.run_dir}", "seed=0,1")
    assert code == 2
    assert "goes on with one run, not with a multirun" in err


@pytest.mark.parametrize(
    "overrides", [[], ["trainer.max_epochs=2"], ["trainer.max_epochs=1"], ["trainer=auto"]], ids=str
)
def test_a_finished_run_that_nothing_lengthens(refusal, finished_run, contents, overrides):
    before = contents(finished_run.run_dir)
    said = refusal(finished_run.run_dir, *overrides)
    assert "is finished (completed); lengthen it with a larger trainer.max_epochs" in said
    assert contents(finished_run.run_dir) == before


@pytest.mark.parametrize(
    ("override", "key", "difference"),
    [
        ("optimizer.lr=0.5", "optimizer.lr", "the run has 0.001, got 0.5"),
        ("seed=7", "seed", "the run has 0, got 7"),
        ("model=cnn", "model", "the run has MLP, got CNN"),
        ("data=wine", "data", "the run has Digits, got Wine"),
        ("validation=kfold", "validation", "the run has Holdout, got CrossValidation"),
        ("~callbacks.early_stopping", "callbacks.early_stopping", "the run has EarlyStopping, got null"),
        ("callbacks=none", "callbacks", "the run has early_stopping, checkpoint, lr_monitor, got nothing"),
        ("model.connections=dense", "model.connections", "got dense"),
    ],
    ids=lambda value: value if "=" in value else "",
)
def test_an_override_that_would_make_it_another_run(refusal, finished_run, contents, override, key, difference):
    before = contents(finished_run.run_dir)
    said = refusal(finished_run.run_dir, "trainer.max_epochs=3", override)
    assert f"  {key}  " in said
    assert difference in said
    assert contents(finished_run.run_dir) == before


def test_patience_does_not_lengthen_what_ran_to_its_end(refusal, finished_run):
    said = refusal(finished_run.run_dir, "callbacks.early_stopping.patience=99")
    assert "is finished (completed); lengthen it with a larger trainer.max_epochs" in said


def test_a_wrong_value_for_what_may_be_changed(refusal, finished_run):
    assert "trainer.max_epochs" in refusal(finished_run.run_dir, "trainer.max_epochs=many")


@pytest.mark.parametrize("removed", [False, True], ids=["locked", "its lock removed"])
def test_a_run_that_another_process_is_at_work_in(refusal, finished_run, start_child, contents, removed):
    run_dir = finished_run.run_dir
    reading, writing = os.pipe()

    def work():
        with only_owner(run_dir):
            os.write(writing, b"!")
            signal_never = os.pipe()[0]
            os.read(signal_never, 1)

    start_child(work)
    os.read(reading, 1)
    if removed:
        (run_dir / ".lock").unlink()
    before = contents(run_dir)
    assert "is at work in another process" in refusal(run_dir, "trainer.max_epochs=3")
    with pytest.raises(ConfigError, match="is at work in another process"):
        resume(run_dir, ["trainer.max_epochs=3"])
    assert contents(run_dir) == before


def test_in_python_a_run_is_gone_on_with_by_a_function_of_its_own(finished_run):
    with pytest.raises(ConfigError, match=r"call lightune\.resume\(RUN\)"):
        train(compose([f"resume={finished_run.run_dir}"]))


FOLDS = ("validation=kfold", "validation.k=3")


def lengthened(result):
    return {entry.epochs for entry in result.folds} or {result.epochs}


@pytest.mark.parametrize(
    "overrides", [(), pytest.param(FOLDS, marks=pytest.mark.long)], ids=["one fit", "three fits"]
)
def test_a_finished_run_is_lengthened_as_if_it_had_been_that_long(
    overrides, whole, cli, tmp_path, contents, assert_same
):
    first = train(compose([*SHORT, *overrides]))
    frozen = contents(first.run_dir / ".hydra")
    code, _, err = cli(f"resume={first.run_dir}", "trainer.max_epochs=4")
    assert code == 0, err
    assert_same(read_result(first.run_dir), whole(*overrides))
    assert contents(first.run_dir / ".hydra") == frozen
    code, _, err = cli(f"resume={first.run_dir}")
    assert code == 2
    assert "is finished" in err
    assert lengthened(resume(first.run_dir, ["trainer.max_epochs=5"])) == {5}


@pytest.mark.parametrize("steps", [26, 20])
@pytest.mark.parametrize("execution", [1, "auto"])
def test_a_run_is_lengthened_by_steps_as_if_it_had_been_that_long(steps, execution, whole, assert_same):
    overrides = ["trainer.max_epochs=8", "scheduler=plateau", "scheduler.patience=0"]
    longer = [*overrides, "+trainer.max_steps=47"]
    first = train(
        compose([*SHORT, *overrides, f"+trainer.max_steps={steps}", f"trainer.steps_per_execution={execution}"])
    )
    assert (first.status, first.steps) == ("completed", steps)
    with pytest.raises(ConfigError, match=r"is finished .* a larger trainer\.max_steps"):
        resume(first.run_dir)
    with pytest.raises(ConfigError, match=r"is finished .* a larger trainer\.max_steps"):
        resume(first.run_dir, ["trainer.max_epochs=9"])  # of which it would not see a step
    again = resume(first.run_dir, ["+trainer.max_steps=47"])
    assert_same(again, whole(*longer), curves=steps % 13 == 0)


@pytest.mark.long
def test_a_lengthening_that_was_stopped_goes_on_in_every_fit(signal_after, whole, assert_same):
    first = train(compose([*SHORT, *FOLDS]))
    cfg = resumed_config(first.run_dir, ["trainer.max_epochs=4"], compose(["trainer.max_epochs=4"]))
    with pytest.raises(InterruptedRun):
        train(cfg, run_dir=first.run_dir, resume=True, watchers=[signal_after(27, fit=1)])
    assert_same(resume(first.run_dir), whole(*FOLDS))


@pytest.mark.parametrize(
    "overrides", [(), pytest.param(FOLDS, marks=pytest.mark.long)], ids=["one fit", "three fits"]
)
def test_a_lengthening_that_was_killed_goes_on(overrides, in_child, signal_after, whole, assert_same):
    first = train(compose([*SHORT, *overrides]))
    cfg = resumed_config(first.run_dir, ["trainer.max_epochs=4"], compose(["trainer.max_epochs=4"]))
    watchers = [signal_after(30 if not overrides else 27, 9, fit=0)]
    assert in_child(lambda: train(cfg, run_dir=first.run_dir, resume=True, watchers=watchers)) == -9
    assert_same(resume(first.run_dir), whole(*overrides))


@pytest.mark.parametrize("scheduler", ["cosine", "polynomial", "one_cycle"])
@pytest.mark.parametrize("fits", [(), ("repeats=2",)], ids=["one fit", "one program"])
def test_a_lengthened_run_follows_the_schedule_of_its_new_length(scheduler, fits, monkeypatch):
    words = [*SHORT, *fits, f"scheduler={scheduler}", "logger=csv"]
    rates = []
    for after in ([], ["trainer.max_epochs=4"]):
        first = train(compose([*words, f"trainer.max_epochs={2 if after else 4}"]))
        run = resume(first.run_dir, after) if after else first
        folder = next(run.run_dir.rglob("curves.csv")).parent
        rates.append(read_curves(folder)["train/lr"])
    whole, longer = rates
    assert longer[2:] == whole[2:]
    assert longer[:2] != whole[:2]


def test_a_run_that_stopped_early_is_lengthened_by_its_patience(whole):
    overrides = ["callbacks.early_stopping.patience=1", "optimizer.lr=0.02", "trainer.max_epochs=30"]
    first = train(compose([*SHORT, *overrides]))
    assert first.status == "early_stopped"
    with pytest.raises(
        ConfigError, match=r"is finished \(early_stopped\); .* callbacks\.early_stopping\.patience"
    ):
        resume(first.run_dir)
    again = resume(first.run_dir, ["callbacks.early_stopping.patience=3"])
    assert again.epochs > first.epochs
    assert again.objective == whole(*overrides, "callbacks.early_stopping.patience=3").objective


def test_a_run_that_stopped_early_is_not_lengthened_by_epochs_alone(refusal):
    first = train(
        compose([*SHORT, "callbacks.early_stopping.patience=1", "optimizer.lr=0.02", "trainer.max_epochs=30"])
    )
    assert "callbacks.early_stopping.patience" in refusal(first.run_dir, "trainer.max_epochs=60")
    assert "callbacks.early_stopping.patience" in refusal(first.run_dir, "+trainer.max_steps=100000")


@pytest.mark.long
def test_a_run_of_several_fits_that_was_cut_off_is_lengthened_in_all_of_them(signal_after, whole, assert_same):
    with pytest.raises(InterruptedRun) as stopped:
        train(compose([*SHORT, *FOLDS]), watchers=[signal_after(5, fit=2)])
    left = stopped.value.result
    assert [fold.epochs for fold in left.folds] == [2, 2]
    assert_same(resume(left.run_dir, ["trainer.max_epochs=4"]), whole(*FOLDS))


def test_a_run_is_not_made_shorter(cut, refusal):
    run_dir = cut(after=30)
    assert "cannot be less than the run has, which is 4, got 2" in refusal(run_dir, "trainer.max_epochs=2")
    assert not (run_dir / "resumed.yaml").exists()


@pytest.mark.long
def test_folds_of_which_one_stopped_early_are_lengthened_by_epochs(tmp_path):
    settings = ["callbacks.early_stopping.patience=1", "optimizer.lr=0.02", "trainer.max_epochs=5"]
    first = train(compose([*SHORT, *FOLDS, *settings]))
    endings = {read_fit(first.run_dir / "fits" / str(index)).status for index in range(3)}
    assert endings == {"early_stopped", "completed"}
    again = resume(first.run_dir, ["trainer.max_epochs=8"])
    assert max(fold.epochs for fold in again.folds) > 5

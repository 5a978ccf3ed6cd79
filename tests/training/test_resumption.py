"""What a run must have left to be resumed, and what may change; how refusals look is in tests/faults."""

import copy
from dataclasses import replace
from functools import cache

import pytest
from finished_fits import OBJECTIVE, SECONDS, finish_fit
from omegaconf import OmegaConf

from lightune import compose
from lightune.errors import ConfigError
from lightune.reporting.fits import read_fit
from lightune.reporting.result import Result, read_result, write_result
from lightune.training.resumption import keep_config, load_run_config, reopen, resumed_config, run_of

SHORT = ["trainer=cpu", "trainer.max_epochs=2", "model.units=16", "data.batch_size=100"]
PATIENCE = "callbacks.early_stopping.patience"


@cache
def composed_once(*overrides):
    return compose(list(overrides))


def composed(*overrides):
    return copy.deepcopy(composed_once(*overrides))


@pytest.fixture
def kept(tmp_path):
    """Make the folder of a run that ended as is told; a run that was cut off has no status, and no result."""

    def make(*overrides, status=None):
        (tmp_path / ".hydra").mkdir()
        OmegaConf.save(composed(*SHORT, *overrides), tmp_path / ".hydra" / "config.yaml", resolve=False)
        if status is not None:
            write_result(Result(tmp_path, "run", status, OBJECTIVE, {}, 0, 2, 26, SECONDS, 100.0, None))
        return tmp_path

    return make


def resumed(run_dir, *overrides):
    return resumed_config(run_dir, overrides, composed(*overrides))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda folder: folder.rmdir(), "there is no such folder"),
        (lambda folder: (folder.rmdir(), folder.write_text("")), "it is a file"),
        (lambda folder: (folder / "multirun.yaml").touch(), "it is a sweep; its runs are in trials/"),
        (lambda folder: None, r"it has no .hydra/config.yaml \(it has nothing\)"),
        (lambda folder: (folder / "notes.txt").touch(), r"\(it has notes.txt\)"),
    ],
    ids=["none", "a file", "a sweep", "an empty folder", "another folder"],
)
def test_what_is_no_run_is_said_to_be_what_it_is(tmp_path, made, said):
    made(tmp_path)
    with pytest.raises(ConfigError, match=rf"{tmp_path} +is no run: .*{said}"):
        load_run_config(tmp_path)


@pytest.mark.parametrize("status", [None, "completed", "interrupted"])
def test_a_trial_is_left_to_its_study(kept, status):
    run_dir = kept(status=status)
    (run_dir.parent / "study.json").touch()
    before = sorted(run_dir.rglob("*"))
    rule = rf"{run_dir} is a trial of the study .*; go on with the study, or with a copy: cp -r {run_dir} "
    with pytest.raises(ConfigError, match=rule):
        resumed(run_dir, f"resume={run_dir}", "trainer.max_epochs=9")
    assert sorted(run_dir.rglob("*")) == before
    (run_dir.parent / "study.json").unlink()
    assert resumed(run_dir, "trainer.max_epochs=9").trainer.max_epochs == 9


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "cannot be read: "), ("[1, 2]", "must be a mapping of the configuration's keys")],
    ids=["no YAML", "a list"],
)
@pytest.mark.parametrize("name", [".hydra/config.yaml", "resumed.yaml"])
def test_a_configuration_that_cannot_be_read_is_named(kept, name, text, said):
    file = kept() / name
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"{file} +{said}") as refusal:
        load_run_config(file.parents[name.count("/")])
    assert "\n" not in refusal.value.problems[0].message


def test_what_a_run_is_resumed_with_is_kept_beside_what_it_began_with(kept):
    run_dir = kept("output_root=${oc.env:HOME}/out")
    file = run_dir / ".hydra" / "config.yaml"
    began = file.read_text()
    keep_config(run_dir, load_run_config(run_dir))
    assert not (run_dir / "resumed.yaml").exists()
    keep_config(run_dir, resumed(run_dir, "trainer.max_epochs=3"))
    assert file.read_text() == began
    assert load_run_config(run_dir).trainer.max_epochs == 3
    assert "${oc.env:HOME}/out" in (run_dir / "resumed.yaml").read_text()  # values of the environment are not kept


@pytest.mark.parametrize(
    ("override", "is_longer"),
    [("trainer.max_epochs=3", True), (f"{PATIENCE}=99", True), ("trainer=auto", False)],
)
def test_all_fits_of_a_run_that_is_made_longer_are_open_again(kept, override, is_longer):
    run_dir = kept()
    finish_fit(run_dir, 0)
    keep_config(run_dir, resumed(run_dir, override))
    assert (read_fit(run_dir / "fits" / "0") is None) == is_longer


@pytest.mark.parametrize("status", ["completed", "early_stopped", "pruned"])
def test_a_run_that_is_reopened_counts_as_cut_off(kept, status):
    run_dir = kept(status=status)
    finish_fit(run_dir, 0)
    before = read_result(run_dir)
    reopen(run_dir)
    assert read_result(run_dir) == replace(before, status="interrupted")
    assert read_fit(run_dir / "fits" / "0") is None


@pytest.mark.parametrize("status", ["interrupted", "failed", None])
def test_what_was_cut_off_keeps_its_finished_fits_and_is_rid_of_what_a_kill_left(kept, status):
    run_dir = kept(status=status)
    finish_fit(run_dir, 0)
    (run_dir / "fits" / "0" / ".fit.json.0123456789abcdef.tmp").touch()
    reopen(run_dir)
    assert status is None or (read_result(run_dir).status, read_result(run_dir).error) == ("interrupted", None)
    assert [path.name for path in (run_dir / "fits" / "0").iterdir()] == ["fit.json"]


def test_an_experiment_that_is_another_run_is_refused(kept):
    with pytest.raises(ConfigError, match="cannot change when a run is resumed"):
        resumed(kept(), "trainer.max_epochs=3", "experiment=digits_cnn")


def test_all_that_would_make_it_another_run_is_said_at_once(kept):
    with pytest.raises(ConfigError) as refusal:
        resumed(kept(status="completed"), "optimizer.lr=0.5", "model=cnn", "trainer.max_epochs=1")
    assert [(problem.key, problem.message.rpartition(": ")[2]) for problem in refusal.value.problems] == [
        ("optimizer.lr", "the run has 0.001, got 0.5"),
        ("model", "the run has MLP, got CNN"),
        ("trainer.max_epochs", "cannot be less than the run has, which is 2, got 1; a shorter run is a new one"),
    ]


def test_an_override_that_changes_nothing_is_let_by(kept):
    overrides = ["trainer.max_epochs=3", "optimizer.lr=1e-3", "model=mlp", "model.units=16"]
    assert resumed(kept(status="completed"), *overrides).trainer.max_epochs == 3


def test_what_moves_a_run_may_be_changed(kept):
    cfg = resumed(kept(status="completed"), "trainer=auto", "trainer.max_epochs=3", f"{PATIENCE}=99")
    assert (cfg.trainer.accelerator, cfg.trainer.max_epochs) == ("auto", 3)
    assert cfg.callbacks.early_stopping.patience == 99
    assert cfg.model.units == 16


@pytest.mark.parametrize("order", [1, -1], ids=["group first", "group last"])
def test_where_a_run_goes_on_says_nothing_of_how_it_trains(kept, order):
    run_dir = kept("+trainer.limit_train_batches=3")
    cfg = resumed(run_dir, *["trainer=ddp_cpu", "trainer.max_epochs=3"][::order])
    assert (cfg.trainer.devices, cfg.trainer.strategy, cfg.trainer.max_epochs) == (2, "ddp", 3)
    assert cfg.trainer.limit_train_batches == 3
    keep_config(run_dir, cfg)
    cfg = resumed(run_dir, "trainer=cpu", "trainer.max_epochs=4")  # the place as in the first command
    assert (cfg.trainer.devices, cfg.trainer.get("strategy"), cfg.trainer.max_epochs) == (1, None, 4)
    assert cfg.trainer.limit_train_batches == 3


def test_the_first_command_typed_again_leaves_a_run_as_long_as_it_was_made(kept):
    run_dir = kept()
    (run_dir / ".hydra" / "overrides.yaml").write_text("- trainer.max_epochs=2\n")
    keep_config(run_dir, resumed(run_dir, "trainer.max_epochs=3"))
    assert resumed(run_dir, "trainer.max_epochs=2").trainer.max_epochs == 3


def test_a_run_is_not_made_shorter(kept):
    with pytest.raises(ConfigError, match="cannot be less than the run has, which is 2, got 1; a shorter run is"):
        resumed(kept(), "trainer.max_epochs=1")


@pytest.mark.parametrize(("steps", "longer"), [(40, True), (-1, True), (5, False)])
def test_no_limit_of_steps_is_more_than_any(kept, steps, longer):
    run_dir = kept("trainer.max_epochs=9", "+trainer.max_steps=26", status="completed")
    if longer:
        assert resumed(run_dir, f"+trainer.max_steps={steps}").trainer.max_steps == steps
    else:
        with pytest.raises(ConfigError, match=r"lengthen it with a larger trainer\.max_steps$"):
            resumed(run_dir, f"+trainer.max_steps={steps}")


STEPS, EPOCHS = "trainer.max_steps", "trainer.max_epochs"
MADE = {  # of a run, or of its fits, that trained 2 epochs and 26 steps
    "by epochs": ([], [EPOCHS]),
    "by steps": ([f"{EPOCHS}=9", "+trainer.max_steps=26"], [STEPS]),
    "by both": (["+trainer.max_steps=26"], [EPOCHS, STEPS]),
    "by something else": ([f"{EPOCHS}=9", "+trainer.max_steps=99"], []),
}


@pytest.mark.parametrize("fits", [0, 2])
@pytest.mark.parametrize("longer", [[EPOCHS], [STEPS], [EPOCHS, STEPS]], ids=" and ".join)
@pytest.mark.parametrize(("overrides", "used_up"), MADE.values(), ids=MADE)
def test_a_run_goes_on_with_more_of_the_length_that_ended_it(kept, overrides, used_up, longer, fits):
    run_dir = kept(*overrides, status="completed")
    for index in range(fits):
        finish_fit(run_dir, index)
    more = [f"++{key}=999" for key in longer]
    limits_steps = any(STEPS in override for override in overrides)
    has_more = set(used_up) <= set(longer) and (bool(used_up) or EPOCHS in longer or limits_steps)
    if has_more:
        resumed(run_dir, *more)
    else:
        with pytest.raises(ConfigError, match=f"lengthen it with a larger {' and '.join(used_up)}$"):
            resumed(run_dir, *more)


@pytest.mark.parametrize(
    ("status", "fits", "overrides", "advice"),
    [
        ("completed", [], ["trainer.max_epochs=3"], None),
        ("completed", [], ["+trainer.max_steps=1000"], "trainer.max_epochs"),  # which still ends it
        ("completed", [], [f"{PATIENCE}=99"], "trainer.max_epochs"),
        ("completed", [], ["trainer=auto"], "trainer.max_epochs"),
        ("early_stopped", [], [f"{PATIENCE}=99"], None),
        ("early_stopped", [], ["trainer.max_epochs=3"], PATIENCE),
        ("early_stopped", ["early_stopped", "completed"], ["trainer.max_epochs=3"], None),
        ("early_stopped", ["early_stopped", "early_stopped"], ["trainer.max_epochs=3"], PATIENCE),
        ("pruned", [], [], "trainer.max_epochs"),
        ("interrupted", [], [], None),
        ("failed", [], [], None),
    ],
)
def test_what_has_ended_goes_on_if_it_is_given_more_of_what_it_ran_out_of(kept, status, fits, overrides, advice):
    run_dir = kept(status=status)
    for index, ending in enumerate(fits):
        finish_fit(run_dir, index, ending)
    if advice is None:
        resumed(run_dir, *overrides)
        return
    with pytest.raises(ConfigError, match=rf"is finished \({status}\); lengthen it with a larger {advice}$"):
        resumed(run_dir, *overrides)


def test_a_folder_is_of_a_run_or_of_one_of_its_fits(kept):
    run_dir = kept()
    assert run_of(run_dir) == run_of(run_dir / "fits" / "1") == run_dir
    assert run_of(run_dir / "other") == run_dir / "other"

"""Every fault that a study must survive, injected for real."""

import hashlib
import os
import resource
import signal

import pytest

pytestmark = pytest.mark.long

SPACE = ["x=interval(0,5)", "y=1,2,3", "hydra.sweeper.n_trials=6"]


def digest(folder):
    """Return path → hash of all files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def finished(app):
    """Return the folders of the trials that have a result."""
    return sorted((path.parent for path in app.study.glob("*/result.json")), key=lambda path: int(path.name))


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_killed_driver_goes_on_where_it_was(app, tmp_path_factory, whole_group):
    process = app.start(*SPACE, "sleep=0.3", start_new_session=True)
    app.wait_for(lambda: len(finished(app)) == 2 and (app.study / "2" / "beat.txt").exists())
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    else:
        app.kill(process)
    done = finished(app)
    before = {folder: digest(folder) for folder in done}

    said = app.run(*SPACE, "sleep=0.3")
    assert "goes on" in said
    assert app.column("number") == list("012345")
    assert app.states() == ["COMPLETE"] * 6
    assert {folder: digest(folder) for folder in done} == before
    assert [len(app.starts(number)) for number in range(6)] == [1, 1, 2, 1, 1, 1]
    uncut = type(app)(tmp_path_factory.mktemp("uncut"))
    uncut.run(*SPACE, "sleep=0")
    assert (app.column("x"), app.column("y")) == (uncut.column("x"), uncut.column("y"))


def test_a_worker_ends_with_its_driver(app):
    process = app.start("x=1,2", "sleep=60")
    app.wait_for(lambda: (app.study / "0" / "beat.txt").exists())
    worker = int(app.starts(0)[0].split()[0])
    app.kill(process)
    app.wait_for(lambda: not os.path.exists(f"/proc/{worker}"), seconds=3)


def test_a_result_that_was_not_told_is_not_run_again(app):
    app.run("x=1,2,3")
    before = digest(app.study / "2")
    journal = app.study / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    *kept, last = lines
    assert b'"op_code":6' in last  # the last trial's end
    journal.write_bytes(b"".join(kept))
    assert app.states()[-1] == "RUNNING"

    app.run("x=1,2,3")
    assert app.states() == ["COMPLETE"] * 3
    assert digest(app.study / "2") == before


def test_a_driver_killed_before_it_hears_of_a_result_does_not_run_it_again(app):
    process = app.start("x=1,2,3", "sleep=0.5")
    app.wait_for(lambda: (app.study / "1" / "beat.txt").exists())
    process.send_signal(signal.SIGSTOP)
    app.wait_for(lambda: (app.study / "1" / "result.json").exists())
    app.kill(process)
    assert app.states() == ["COMPLETE", "RUNNING"]
    before = digest(app.study / "1")

    app.run("x=1,2,3", "sleep=0.5")
    assert app.states() == ["COMPLETE"] * 3
    assert digest(app.study / "1") == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_study_in_one_process_goes_on_too(app, number, code):
    arguments = ["x=1,2,3", "sleep=0.5", "hydra/launcher=basic"]
    process = app.start(*arguments)
    app.wait_for(lambda: (app.study / "1" / "beat.txt").exists())
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert app.states() == ["COMPLETE", "RUNNING"]
    assert code == -9 or "stopped; the same command goes on from here" in said
    app.run(*arguments)
    assert app.states() == ["COMPLETE"] * 3
    assert [len(app.starts(trial)) for trial in range(3)] == [1, 2, 1]


def test_a_finished_study_stays_as_it_is_and_can_be_extended(app):
    first = app.run("x=interval(0,5)", "hydra.sweeper.n_trials=3")
    again = app.run("x=interval(0,5)", "hydra.sweeper.n_trials=3")
    assert (
        "is finished (3 of 3 trials): give a larger hydra.sweeper.n_trials on the command line to extend it"
        in again
    )
    assert "start another with hydra.sweep.dir=FOLDER" in again
    best = [line for line in first.splitlines() if line.startswith("best:")]
    assert best == [line for line in again.splitlines() if line.startswith("best:")]
    more = app.run("x=interval(0,5)", "hydra.sweeper.n_trials=5")
    assert "5 of 5 trials finished" in more
    assert [len(app.starts(number)) for number in range(5)] == [1] * 5


def test_other_overrides_are_refused_with_the_difference(app):
    app.run("x=1,2", "y=0")
    before = digest(app.study)
    for other in (["x=1,2", "y=5"], ["x=1,2,3", "y=0"], ["x=1,2", "y=0", "hydra.sweeper.mode=max"]):
        said = app.run(*other, code=2)
        assert "began with other overrides" in said
        assert other[-1] in said or other[0] in said
        assert "Traceback" not in said
    assert digest(app.study) == before
    assert "is finished" in app.run("y=0", "x=1,2")


def test_an_edited_configuration_changes_nothing(app):
    process = app.start("x=1,2,3", "sleep=0.5")
    app.wait_for(lambda: (app.study / "0" / "beat.txt").exists())
    file = app.folder / "conf" / "config.yaml"
    file.write_text(file.read_text().replace("do: return", "do: raise"))
    process.communicate()
    assert process.returncode == 0
    assert "configuration files were edited since the study began (config.yaml)" in app.run("x=1,2,3", "sleep=0.5")
    assert app.states() == ["COMPLETE"] * 3


def test_two_sweepers_share_a_study(app):
    arguments = ["x=interval(0,5)", "hydra.sweeper.n_trials=8", "sleep=0.3"]
    two = [app.start(*arguments), app.start(*arguments)]
    said = [process.communicate(timeout=120)[0] for process in two]
    assert [process.returncode for process in two] == [0, 0], said
    assert app.states() == ["COMPLETE"] * 8
    assert [len(app.starts(number)) for number in range(8)] == [1] * 8
    assert len({start.split()[0] for number in range(8) for start in app.starts(number)}) == 2


def test_the_living_take_over_from_the_dead(app):
    arguments = ["x=interval(0,5)", "hydra.sweeper.n_trials=6", "sleep=0.4"]
    first = app.start(*arguments)
    app.wait_for(lambda: (app.study / "0" / "beat.txt").exists())
    second = app.start(*arguments)
    app.wait_for(lambda: (app.study / "1" / "beat.txt").exists())
    app.kill(first)
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert app.states() == ["COMPLETE"] * 6


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_study_says_so_and_goes_on(app, number, code):
    process = app.start("x=1,2,3", "sleep=1")
    app.wait_for(lambda: (app.study / "1" / "beat.txt").exists())
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "stopped; the same command goes on from here" in said
    assert app.column("state") == ["completed", "interrupted"]
    app.run("x=1,2,3", "sleep=1")
    assert app.column("state") == ["completed"] * 3
    assert [len(app.starts(trial)) for trial in range(3)] == [1, 2, 1]


def test_each_end_of_a_trial_is_told_as_what_it_is(app):
    said = app.run("do=raise,segv,exit,value,prune,return", "value=nan", "hydra.sweeper.max_failures=4")
    assert app.column("state") == ["failed", "failed", "failed", "failed", "pruned", "completed"]
    assert app.states() == ["FAIL"] * 4 + ["PRUNED", "COMPLETE"]
    errors = app.column("error")
    assert errors[0] == "ValueError: told to"
    assert 'raise ValueError("told to")' in (app.study / "0" / "traceback.txt").read_text()
    assert errors[1] == "its process was ended by SIGSEGV"
    assert errors[2] == "the task called sys.exit(3)"
    assert "finite number, got nan" in errors[3]
    assert "best: trial 5" in said
    assert "Fatal Python error: Segmentation fault" in (app.study / "1" / "console.log").read_text()


def test_infinity_is_never_the_best(app):
    app.run("do=value", "value=-inf,inf,1.5", "hydra.sweeper.max_failures=2")
    assert app.column("state") == ["failed", "failed", "completed"]


def test_nothing_returned_is_a_failure_of_a_search(app):
    said = app.run("do=value", "x=interval(0,1)", "hydra.sweeper.n_trials=2", code=1)
    assert "finite number, got None" in said


def test_too_many_failures_stop_the_study(app):
    said = app.run("do=raise", "x=range(0,10)", "hydra.sweeper.max_failures=2", code=1)
    assert len(app.rows()) == 3
    assert "3 trials failed, more than hydra.sweeper.max_failures=2 allows" in said
    assert "told to" in said


def test_all_trials_failing_is_said_in_one_line(app):
    said = app.run("do=exit", "x=1,2", "hydra.sweeper.max_failures=9", code=1)
    assert "failed: no trial has a result (2 failed)" in said
    assert (app.study / "trials.csv").exists()


def test_a_failed_trial_is_tried_again_and_its_first_start_is_kept(app):
    app.run("do=flaky", "x=1", "hydra.sweeper.retries=1")
    assert app.column("state") == ["completed"]
    assert (app.study / "0" / "attempts" / "1" / "result.json").is_file()
    assert (app.study / "0" / "result.json").is_file()


@pytest.mark.parametrize("garbage", [b'{"op_code":5,"work', b"\x00\xff\x00\n\x01", b"\n\n{]\n"])
def test_a_torn_journal_is_cut_and_a_copy_kept(app, garbage):
    app.run("x=interval(0,5)", "hydra.sweeper.n_trials=2")
    journal = app.study / "journal.log"
    sound = journal.read_bytes()
    journal.write_bytes(sound + garbage)
    app.run("x=interval(0,5)", "hydra.sweeper.n_trials=3")
    assert app.states() == ["COMPLETE"] * 3
    (copy,) = app.study.glob("journal.log.damaged-*")
    assert copy.read_bytes() == sound + garbage


def test_a_journal_damaged_in_the_middle_is_refused(app):
    app.run("x=1,2")
    journal = app.study / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"garbage\n", *lines[3:]]))
    said = app.run("x=1,2", code=2)
    assert "is damaged in the middle" in said
    assert "Traceback" not in said


def test_a_folder_that_cannot_be_written_is_refused(app):
    app.study.write_text("a file")
    said = app.run("x=1,2", code=2)
    assert "cannot be written" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("kilobytes", "code"), [(2, 2), (16, 1)], ids=["refused", "stopped"])
def test_a_full_disk_is_said_in_one_line(app, kilobytes, code):
    limit = kilobytes * 1024
    process = app.start(
        "x=range(0,40)", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    said, _ = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "cannot be written: File too large; " in said
    assert "Traceback" not in said
    app.run("x=range(0,40)")
    assert app.states() == ["COMPLETE"] * 40


def test_a_database_that_cannot_be_opened_is_refused(app):
    (app.folder / "broken.db").write_text("no database")
    said = app.run("x=1,2", "hydra.sweeper.storage=sqlite:///broken.db", code=2)
    assert "cannot be opened" in said
    assert "Traceback" not in said


def test_a_deleted_folder_costs_that_trial_at_most(app):
    import shutil

    process = app.start("x=1,2,3", "sleep=0.7", "hydra.sweeper.max_failures=1")
    app.wait_for(lambda: (app.study / "1" / "beat.txt").exists())
    shutil.rmtree(app.study / "0")
    shutil.rmtree(app.study / "1", ignore_errors=True)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert app.column("state")[0] == app.column("state")[2] == "completed"


def test_a_study_that_was_moved_is_the_study_that_it_was(app):
    app.run("x=1,2", "hydra.sweep.dir=first")
    (app.folder / "first").rename(app.study)
    before = digest(app.study / "0")
    assert "study study is finished (2 of 2 trials)" in app.run("x=1,2")
    assert digest(app.study / "0") == before


@pytest.mark.parametrize("change", ["the journal is gone", "another storage"])
def test_a_study_whose_record_is_gone_is_not_run_again(app, change):
    app.run("x=1,2")
    storage = []
    if change == "another storage":
        storage = ["hydra.sweeper.storage=sqlite:///other.db"]
    else:
        (app.study / "journal.log").unlink()
    said = app.run("x=1,2", *storage, code=2)
    assert "knows of no trial, and the study's folder holds the results of 2" in said
    assert "Traceback" not in said
    assert [len(app.starts(number)) for number in range(2)] == [1, 1]


def test_two_studies_of_one_name_in_one_database_are_not_mixed(app):
    shared = ["hydra.sweeper.storage=sqlite:///shared.db", "hydra.sweeper.n_trials=2"]
    app.run("y=interval(0,1)", "hydra.sweep.dir=one/wide", *shared)
    said = app.run("y=interval(5,9)", "hydra.sweep.dir=two/wide", *shared, code=2)
    assert "the study 'wide' began with other overrides" in said
    assert "y=interval(5,9)" in said
    assert "is finished (2 of 2 trials)" in app.run("y=interval(0,1)", "hydra.sweep.dir=two/wide", *shared)


def test_a_study_that_failed_stays_failed(app):
    app.run("do=raise", "x=1,2", "hydra.sweeper.max_failures=9", code=1)
    said = app.run("do=raise", "x=1,2", "hydra.sweeper.max_failures=9", code=1)
    assert "is finished (2 of 2 trials, 2 of them failed)" in said
    assert "Traceback" not in said


def test_ctrl_c_while_a_worker_starts_is_not_lost(app):
    process = app.start("x=1,2,3", "sleep=30")
    app.wait_for(lambda: list(app.study.glob(".leases/*")))
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=25)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not (app.study / "0" / "result.json").exists()


def test_ctrl_c_while_a_failed_trial_starts_again_leaves_it_its_starts(app):
    arguments = ["do=segv", "x=1", "hydra.sweeper.retries=3"]
    process = app.start(*arguments)
    app.wait_for(lambda: (app.study / "0" / "attempts" / "1").exists())
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert app.column("state") == ["interrupted"]
    assert "1 of 1 trial finished, 0 pruned, 1 failed" in app.run(*arguments, code=1)
    assert (app.study / "0" / "attempts" / "3" / "result.json").exists()


def test_a_key_that_does_not_exist_leaves_nothing(app):
    said = app.run("nosuch=1,2", code=1)
    assert "nosuch" in said
    assert not app.study.exists()


def test_a_configuration_that_is_mended_after_a_refusal_is_read_anew(app):
    (app.folder / "conf" / "db").mkdir()
    for name in "ab":
        (app.folder / "conf" / "db" / f"{name}.yaml").write_text("defaults: [nowhere]\n")
    said = app.run("+db=a,b", code=1)
    assert "Could not load 'db/nowhere'" in said
    assert "cannot be written" not in said
    for name in "ab":
        (app.folder / "conf" / "db" / f"{name}.yaml").write_text("z: 1\n")
    app.run("+db=a,b")
    assert app.column("state") == ["completed"] * 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("hydra.sweeper.pruner={_target_:optuna.pruners.Foo}", "optuna.pruners.Foo cannot be made"),
        ("hydra.sweeper.storage=foo://bar", "cannot be opened"),
    ],
)
def test_what_cannot_search_is_refused_and_leaves_nothing(app, asked, said):
    assert said in app.run("x=interval(0,1)", f"+{asked}" if "pruner" in asked else asked, code=2)
    assert not app.study.exists()


@pytest.mark.parametrize("given", ["as a value", "in YAML", "in a mapping"])
def test_a_password_of_a_storage_is_written_nowhere(app, given):
    url = "sqlite:///file:record.db?uri=true&password=hunter2pw"
    asked = {"as a value": [f"hydra.sweeper.storage='{url}'"], "in a mapping": [f"++search={{storage: '{url}'}}"]}
    if given == "in YAML":
        file = app.folder / "conf" / "config.yaml"
        file.write_text(file.read_text().replace("search: {}", f"search: {{storage: '{url}'}}"))
    arguments = ["x=interval(0,1)", "hydra.sweeper.n_trials=2", *asked.get(given, [])]
    said = app.run(*arguments)
    assert app.column("state") == ["completed"] * 2
    again = app.run(*arguments)
    assert "is finished (2 of 2 trials)" in again
    assert "were edited" not in again
    (app.folder / "conf" / "config.yaml").unlink()
    left = [path for path in app.folder.rglob("*") if path.is_file() and b"hunter2pw" in path.read_bytes()]
    assert (left, "hunter2pw" in said + again) == ([], False)

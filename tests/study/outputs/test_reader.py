"""Studies and runs that lie in folders, as they are read there."""

import os
import random
from pathlib import Path

import pytest
from studies import write_study

from lightune.errors import ConfigError
from lightune.study.definition.settings import Objective
from lightune.study.definition.spec import Spec, write_spec
from lightune.study.outcome.outcome import Outcome, commit
from lightune.study.outputs.reader import find_runs, find_studies, found, open_study, shown_value
from lightune.study.outputs.table import write_table
from lightune.study.storage.lease import Lease

TWO = (("val/accuracy", "max"), ("parameters", "min"))


@pytest.fixture
def study(tmp_path):
    """Write a study and open it."""
    return lambda *lines, **about: open_study(write_study(tmp_path / "s", *lines, **about))


def test_a_study_is_what_its_spec_and_its_table_say(study, tmp_path):
    opened = study("completed,0.5,0.1", "failed,,0.2", n_trials=5, program="lightune-train")
    assert (opened.folder, opened.n_trials, opened.program) == (tmp_path / "s", 5, "lightune-train")
    assert (opened.columns, opened.keys) == (["val/accuracy"], ["optimizer.lr"])
    assert [row["optimizer.lr"] for row in opened.rows] == ["0.1", "0.2"]
    assert (opened.count(), opened.count("failed"), opened.count("failed", "completed")) == (2, 1, 2)
    assert opened.trial_folder(opened.rows[1]) == tmp_path / "s" / "trials" / "1"


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(ConfigError) as refusal:
        open_study(tmp_path)
    (problem,) = refusal.value.problems
    assert (problem.key, problem.message) == (str(tmp_path), "is no study: it has no study.json")


def test_a_study_may_have_no_table_yet(tmp_path):
    folder = write_study(tmp_path / "s", n_trials=3)
    (folder / "trials.csv").unlink()
    opened = open_study(folder)
    assert (opened.count(), opened.keys, opened.best()) == (0, [], [])
    assert opened.progress() == "0 of 3 trials, unfinished"


@pytest.mark.parametrize(
    ("lines", "n_trials", "progress"),
    [
        (["completed,0.5,0.1", "pruned,0.4,0.1"], 2, "2 trials"),
        (["completed,0.5,0.1", "pruned,0.4,0.1"], 1, "2 trials"),
        (["completed,0.5,0.1", "pruned,0.4,0.1"], 5, "2 of 5 trials, unfinished"),
        (["completed,0.5,0.1", "failed,,0.1"], 5, "2 of 5 trials, unfinished"),
        (["completed,0.5,0.1", "early_stopped,0.4,0.1"], None, "2 trials"),
        (["completed,0.5,0.1", "interrupted,,0.1"], 2, "1 of 2 trials, unfinished"),
        (["completed,0.5,0.1", "interrupted,,0.1"], None, "1 of 2 trials, unfinished"),
        (["completed,0.5,0.1", "completed,0.5,0.1", "running,,0.1"], 1, "2 of 3 trials, unfinished"),
        (["completed,0.5,0.1", "running,,0.1"], None, "1 of 2 trials, unfinished"),
    ],
)
def test_a_study_says_how_far_it_is(study, lines, n_trials, progress):
    assert study(*lines, n_trials=n_trials).progress() == progress


@pytest.mark.parametrize(("mode", "best"), [("max", "1"), ("min", "0")])
def test_the_best_trial_is_one_that_has_ended_with_a_value(study, mode, best):
    lines = ["completed,0.5,0.1", "early_stopped,0.9,0.2", "failed,,0.3", "running,0.1,0.4", "interrupted,1.5,0.4"]
    assert [row["number"] for row in study(*lines, objectives=[("val/accuracy", mode)]).best()] == [best]


def test_the_first_of_equal_trials_is_the_best_wherever_its_row_stands(tmp_path):
    folder = write_study(tmp_path / "s", *["completed,0.5,0.1"] * 11)
    header, *lines = (folder / "trials.csv").read_text().splitlines()
    (folder / "trials.csv").write_text("\n".join([header, *reversed(lines)]) + "\n")
    assert [row["number"] for row in open_study(folder).best()] == ["0"]


def test_several_objectives_have_a_front_in_the_order_of_its_trials(study):
    front = ("completed,0.9,30,0.2", "completed,0.5,10,0.1", "completed,0.9,30,0.2", "completed,0.4,20,0.3")
    opened = study(*front, objectives=TWO)
    assert opened.columns == ["val/accuracy", "parameters"]
    assert [row["number"] for row in opened.best()] == ["0", "1"]  # trial 2 is trial 0 again


def test_trials_of_a_killed_driver_are_what_their_results_say(tmp_path):
    folder = write_study(tmp_path / "s", *["running,,0.1"] * 5, n_trials=5)
    commit(folder / "trials" / "0", Outcome("completed", (0.75,), 12.5))
    commit(folder / "trials" / "1", Outcome("pruned", None, 2.0))
    commit(folder / "trials" / "2", Outcome("failed", None, 1.0, "ValueError: no"))
    commit(folder / "trials" / "3", Outcome("interrupted", None, 3.0))
    (folder / "trials" / "4").mkdir(parents=True)
    (folder / "trials" / "4" / "result.json").write_text('{"schema": 1, "status": "completed", "seconds": "long"}')
    opened = open_study(folder)
    assert [row["state"] for row in opened.rows] == ["completed", "pruned", "failed", *["interrupted"] * 2]
    assert [row["number"] for row in opened.best()] == ["0"]
    assert (opened.rows[0]["val/accuracy"], opened.rows[0]["seconds"]) == ("0.75", "12.500")
    assert opened.rows[2]["error"] == "ValueError: no"
    assert opened.progress() == "3 of 5 trials, unfinished"


def test_what_is_no_result_of_a_study_settles_nothing(tmp_path):
    contents = ['{"schema": 1, "status": "completed", "values": [1' + "0" * 400 + "]}", "[" * 100_000]
    folder = write_study(tmp_path / "s", *["running,,0.1"] * 5)
    for number, content in enumerate(contents):
        (folder / "trials" / str(number)).mkdir(exist_ok=True)
        (folder / "trials" / str(number) / "result.json").write_text(content)
    commit(tmp_path / "elsewhere", Outcome("completed", (0.75,), 1.0))
    (folder / "trials" / "2").symlink_to(tmp_path / "elsewhere")
    for number, make in (
        (3, os.mkfifo),
        (4, lambda file: os.symlink(tmp_path / "elsewhere" / "result.json", file)),
    ):
        (folder / "trials" / str(number)).mkdir()
        make(folder / "trials" / str(number) / "result.json")
    assert [row["state"] for row in open_study(folder).rows] == ["interrupted"] * 5


def test_a_failed_trial_of_a_killed_study_that_tries_again_is_not_over(tmp_path):
    for words, state in (([], "failed"), (["search.retries=2"], "interrupted")):
        folder = write_study(tmp_path / state, "running,,0.1", overrides=words)
        commit(folder / "trials" / "0", Outcome("failed", None, 1.0, "ValueError: no"))
        assert [row["state"] for row in open_study(folder).rows] == [state]


def test_while_a_driver_is_at_work_its_table_is_believed(tmp_path):
    folder = write_study(tmp_path / "s", "running,,0.1", n_trials=2)
    commit(folder / "trials" / "0", Outcome("completed", (0.75,), 12.5))
    lease = Lease(folder)
    assert [row["state"] for row in open_study(folder).rows] == ["running"]
    lease.end()
    assert [row["state"] for row in open_study(folder).rows] == ["completed"]


def test_a_study_is_found_by_its_name_where_no_such_path_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "outputs" / "studies" / "s")
    (tmp_path / "outputs" / "studies" / "empty").mkdir()
    assert found(Path("s")) == Path("outputs/studies/s")
    assert found(Path("empty")) == Path("empty")  # which is no study
    assert found(Path("s/trials/0")) == Path("outputs/studies/s/trials/0")
    assert found(Path("s/trials/7")) == Path("s/trials/7")
    (tmp_path / "s").mkdir()
    assert found(Path("s")) == Path("s")


def age(file, seconds):
    os.utime(file, (1_000_000 - seconds, 1_000_000 - seconds))


def test_studies_are_listed_from_the_newest(tmp_path):
    for name, seconds in (("a", 2), ("b", 1), ("c", 3)):
        age(write_study(tmp_path / "studies" / name) / "study.json", seconds)
    (tmp_path / "studies" / "none").mkdir()
    assert [folder.name for folder in find_studies(tmp_path)] == ["b", "a", "c"]
    assert find_studies(tmp_path / "nowhere") == []


def test_runs_are_listed_from_the_newest_with_their_results(tmp_path):
    for place, text, seconds in (
        ("runs/2026-01-01/a", '{"status": "completed"}', 2),
        ("runs/2026-01-02/b", '{"status": "pruned"}', 1),
        ("runs/2026-01-02/damaged", '{"status": ', 0),
        ("studies/s/trials", '{"status": "failed"}', 0),
    ):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "result.json").write_text(text)
        age(tmp_path / place / "result.json", seconds)
    (tmp_path / "runs/2026-01-03/killed/.hydra").mkdir(parents=True)
    config = tmp_path / "runs/2026-01-03/killed/.hydra/config.yaml"
    config.touch()
    age(config, 3)
    assert [(folder.name, result["status"]) for folder, result in find_runs(tmp_path)] == [
        ("b", "pruned"),
        ("a", "completed"),
        ("killed", "unfinished"),
    ]


@pytest.mark.parametrize("draws", [0, 1, 2])
def test_the_best_point_is_the_same_in_the_record_and_in_the_table(open_store, draws):
    """Whichever trials have ended so far, and whatever they gave."""
    draw = random.Random(draws)
    objectives = (Objective("val/accuracy", "max"),)
    store = open_store("x=1,2,3,4,5,6,7,8", "seed=0,1", objectives=objectives)
    spec = Spec.of("study", {}, overrides=[], space=store.space, settings=store.settings, storage="journal",
                   config="conf", files={})  # fmt: skip
    write_spec(store.folder, spec)
    seen = set()
    while (trial := store.ask(set())) is not None:
        ended = "completed" if draw.random() < 0.8 else "failed"
        store.tell(trial.number, Outcome(ended, (draw.random(),) if ended == "completed" else None, 0.1))
        write_table(store.folder, store.records(), ["x", "seed"], objectives)
        found = [(each.number, each.values, each.seeds, each.deviations) for each in store.best()]
        read = [
            (int(row["number"]), (float(row["val/accuracy"]),), int(row["seeds"]),
             (float(row["val/accuracy/std"]),) if "val/accuracy/std" in row else ())
            for row in open_study(store.folder).best()
        ]  # fmt: skip
        assert found == read
        seen |= {each[2] for each in found}
    assert seen == {1, 2}


def test_a_sampled_search_is_no_grid(open_store):
    def is_grid(*arguments, **settings):
        store = open_store(*arguments, **settings)
        return Spec.of("s", {}, overrides=[], space=store.space, settings=store.settings, storage="journal",
                       config="conf", files={}).is_grid  # fmt: skip

    assert is_grid("x=1,2")
    assert not is_grid("x=interval(0,1)")
    assert not is_grid("x=1,2", sampler={"_target_": "optuna.samplers.RandomSampler"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.041511215367221244", "0.0415112"),
        ("1.0000000000000001e-05", "1e-05"),
        ("1e-3", "1e-3"),
        ("12345678901", "12345678901"),
        ("[64,64,64,64]", "[64,64,64,64]"),
        ("a_long_name", "a_long_name"),
    ],
)
def test_a_drawn_number_is_shown_with_six_digits(text, shown):
    assert shown_value(text) == shown

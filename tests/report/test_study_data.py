"""A study in the one plain form that all tables and pages are made of."""

import pytest
from reported_studies import SPACE, by_rate, drawn_points, write_by_rate, write_curve, write_planted, write_result
from studies import write_study

from lightune.errors import ConfigError
from lightune.report.study_data import Parameter, as_number, labels_of, read_study


def test_a_trial_whose_folder_is_gone_has_what_the_table_says(tmp_path):
    folder = write_study(tmp_path / "s", "completed,0.5,0.1", "pruned,,0.2")
    table = (folder / "trials.csv").read_text().splitlines()
    added = [",trial/epochs,trial/std,trial/reported", ",7,0.25,0.5", ",3,,0.375"]
    (folder / "trials.csv").write_text("\n".join(line + more for line, more in zip(table, added, strict=True)))
    whole, pruned = read_study(folder).trials
    assert (whole.epochs, whole.std, whole.reached) == (7, 0.25, 0.5)
    assert (pruned.epochs, pruned.std, pruned.reached) == (3, None, 0.375)


def test_a_study_is_read_with_its_trials(tmp_path):
    states = ["completed", "pruned", "failed", "early_stopped", "interrupted"]
    study = read_study(write_by_rate(tmp_path / "s", 5, state=states.__getitem__), curves=True)
    assert [trial.state for trial in study.trials] == states
    whole, pruned, failed, *_ = study.trials
    assert (whole.values, whole.epochs, whole.seconds) == ((whole.reached,), 5, 1.3)
    assert (pruned.values, pruned.epochs, len(pruned.curve)) == (None, 2, 2)
    assert pruned.reached == pytest.approx(by_rate(pruned.point))
    assert (failed.reached, failed.error) == (None, "ValueError: too large")
    assert study.progress() == "4 of 5 trials: 1 completed, 1 early stopped, 1 pruned, 1 failed, 1 interrupted"
    assert not study.is_finished


def test_parameters_know_their_scale(tmp_path):
    study = read_study(write_by_rate(tmp_path / "s", 3))
    rate, dropout, units, optimizer = study.parameters
    assert (rate.label, rate.log, rate.interval) == ("lr", True, True)
    assert rate.place("0.001") == pytest.approx(1 / 3)
    assert rate.at(1 / 3) == pytest.approx(0.001)
    assert dropout.place("0.3") == pytest.approx(0.5)
    assert (units.is_number, units.log, units.place("64")) == (True, True, pytest.approx(0.5))
    assert (optimizer.is_number, optimizer.place("adam")) == (False, None)


def test_numbers_that_grow_by_steps_have_a_plain_scale():
    from lightune.report.study_data import _parameters

    (parameter,) = _parameters(["x"], {"x": {"values": ["1", "2", "3", "4"]}}, [])
    assert not parameter.log
    assert Parameter("x", "x").place("1") is None


def test_the_best_is_that_of_the_reader_with_its_spread(tmp_path):
    folder = write_by_rate(tmp_path / "s", 8)
    best = read_study(folder).best[0]
    write_result(
        best.folder, best.reached, objective={"metric": "val/accuracy", "value": best.reached, "std": 0.0123}
    )
    study = read_study(folder)
    assert study.best[0].number == best.number == study.ranked()[0].number == study.best_first()[0].number
    assert sorted(trial.number for trial in study.best_first()) == [trial.number for trial in study.trials]
    assert study.best_figures()[0].endswith("± 0.012")


def test_seeds_are_repeats_of_a_point(tmp_path):
    points = [{"lr": rate, "seed": seed} for rate in ("0.1", "0.2") for seed in ("0", "1")]
    lucky = {("0.1", "0"): 0.9, ("0.1", "1"): 0.5, ("0.2", "0"): 0.8, ("0.2", "1"): 0.8}
    space = {"lr": {"values": ["0.1", "0.2"]}, "seed": {"values": ["0", "1"]}}
    folder = write_planted(
        tmp_path / "s", points, lambda point: lucky[point["lr"], point["seed"]], space=space, sampler=None
    )
    study = read_study(folder)
    assert study.best[0].point["lr"] == "0.2"
    assert study.best_value == pytest.approx(0.8)
    assert [parameter.key for parameter in study.searched] == ["lr"]


def test_trials_without_files_are_what_the_table_says(tmp_path):
    study = read_study(write_by_rate(tmp_path / "s", 3, files=False))
    assert [trial.epochs for trial in study.trials] == [None] * 3
    assert study.best_value == max(trial.reached for trial in study.trials)


def test_trials_that_were_over_are_not_read_again(tmp_path):
    folder = write_by_rate(tmp_path / "s", 3, state=["completed", "interrupted", "pruned"].__getitem__)
    before = read_study(folder, curves=True)
    for number in range(3):
        write_curve(folder / "trials" / str(number), [0.5] * 9)
    again = read_study(folder, curves=True, before=before)
    assert [len(trial.curve) for trial in again.trials] == [5, 9, 2]


def test_several_objectives_have_a_front(tmp_path):
    points = drawn_points(12, SPACE)
    folder = write_planted(
        tmp_path / "s", points, by_rate, space=SPACE, others=[lambda point: float(point["model.units"])],
        objectives=[("val/accuracy", "max"), ("parameters", "min")],
    )  # fmt: skip
    study = read_study(folder)
    assert study.objectives == (("val/accuracy", "max"), ("parameters", "min"))
    assert len(study.best) >= 1
    assert all(trial.values is not None and len(trial.values) == 2 for trial in study.complete)


def test_a_folder_of_other_things_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is no study"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("keys", "labels"),
    [
        (["optimizer.lr", "model.units"], ["lr", "units"]),
        (["optimizer.lr", "head.lr"], ["optimizer.lr", "head.lr"]),
        (["optimizer", "+model.optimizer"], ["optimizer", "model.optimizer"]),
        (["model{layers,units}", "a.b"], ["model{layers,units}", "b"]),
    ],
)
def test_a_label_is_the_shortest_end_that_no_other_key_has(keys, labels):
    assert labels_of(keys) == labels


@pytest.mark.parametrize(
    ("value", "number"), [("1e-3", 0.001), ("x", None), ("nan", None), ("1_0", None), (True, None), ("", None)]
)
def test_a_number_is_finite_and_written_as_one(value, number):
    assert as_number(value) == number

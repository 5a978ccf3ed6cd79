"""Which test is right for two runs, and which runs cannot be compared."""

import numpy as np
import pytest
from reported_studies import METRIC, write_planted, write_result, write_right

from lightune.errors import ConfigError
from lightune.report.comparison import compare, configuration_table, run_subject, study_subject
from lightune.report.study_data import read_study


def run_tested(folder, right, *, rows=None, **about):
    """Write a run with its test; return it as something to compare."""
    right = np.asarray(right, dtype=bool)
    rows = range(len(right)) if rows is None else rows
    write_result(folder, 0.9, metrics={METRIC: 0.9, "test/accuracy": float(right.mean()), "test/f1": 0.5}, **about)
    lines = [
        f"0,{row},{row % 3},{row % 3 if hit else (row + 1) % 3},0.5" for row, hit in zip(rows, right, strict=True)
    ]
    (folder / "predictions.csv").write_text("\n".join(["fit,row,target,predicted,p_0", *lines]) + "\n")
    return run_subject(folder, folder)


def hits(seed, share, count=300):
    return np.random.default_rng(seed).random(count) < share


def of_fits(folder, values, rows, key="folds"):
    """Write a run of several fits; return it as something to compare."""
    entries = [
        {"seed": place, "objective": {"metric": METRIC, "mode": "max", "value": value}, "metrics": {METRIC: value}}
        for place, value in enumerate(values)
    ]
    write_result(folder, float(np.mean(values)), **{key: entries})
    for place, part in enumerate(rows):
        write_right(folder / "fits" / str(place), np.ones(len(part)), rows=part)
    return run_subject(folder, folder)


def refusal(*subjects):
    with pytest.raises(ConfigError) as refused:
        compare(subjects)
    return refused.value.problems[0].message


def test_single_runs_are_compared_by_their_test_rows(tmp_path):
    first = run_tested(tmp_path / "a", hits(0, 0.7))
    second = run_tested(tmp_path / "b", hits(0, 0.7) | hits(1, 0.3))
    accuracy, f1 = compare([first, second])
    assert accuracy.verdict.test == "exact McNemar test"
    assert (accuracy.metric, accuracy.data, accuracy.better) == ("test/accuracy", "300 test rows", "higher")
    assert accuracy.verdict.p < 0.001
    assert accuracy.second - accuracy.first == pytest.approx(accuracy.verdict.difference)
    assert (f1.metric, f1.verdict) == ("test/f1", None)


def test_other_test_rows_are_refused_with_how_many_are_the_same(tmp_path):
    first = run_tested(tmp_path / "a", hits(0, 0.7))
    second = run_tested(tmp_path / "b", hits(0, 0.7), rows=range(100, 400))
    assert refusal(first, second).startswith("were tested on other rows (200 of 300 are the same)")
    text = (tmp_path / "b" / "predictions.csv").read_text()
    third = run_tested(tmp_path / "c", hits(0, 0.7))
    (tmp_path / "c" / "predictions.csv").write_text(text.replace(",0,", ",9,"))
    assert "were tested on" in refusal(first, third)


def test_without_a_test_the_validation_rows_are_compared_and_that_is_said(tmp_path):
    for name, share in (("a", 0.7), ("b", 0.75)):
        right = hits(0, share)
        write_right(write_result(tmp_path / name, float(right.mean())), right)
    (result,) = compare([run_subject(tmp_path / name, tmp_path / name) for name in "ab"])
    assert (result.metric, result.data) == (METRIC, "300 validation rows")
    assert result.remark == "these rows have chosen the epoch of both"
    write_right(tmp_path / "b", right, rows=range(1, 301))
    subjects = [run_subject(tmp_path / name, tmp_path / name) for name in "ab"]
    assert "other validation rows (299 of 300 are the same)" in refusal(*subjects)


def test_equal_folds_are_compared_as_nadeau_and_bengio_do(tmp_path):
    rows = [range(40), range(40, 80), range(80, 120), range(120, 160), range(160, 200)]
    first = of_fits(tmp_path / "a", [0.8, 0.82, 0.81, 0.79, 0.8], rows)
    second = of_fits(tmp_path / "b", [0.9, 0.91, 0.92, 0.9, 0.89], rows)
    (result,) = compare([first, second])
    assert result.verdict.test.startswith("corrected resampled t-test")
    apart = np.array([0.1, 0.09, 0.11, 0.11, 0.09])
    half = 2.776445 * np.sqrt(apart.var(ddof=1) * (1 / 5 + 40 / 160))
    assert result.verdict.high - result.verdict.difference == pytest.approx(half, rel=1e-4)


def test_folds_of_other_rows_or_numbers_are_refused(tmp_path):
    rows = [range(40), range(40, 80), range(80, 120)]
    first = of_fits(tmp_path / "a", [0.8, 0.82, 0.81], rows)
    assert "have folds of different rows" in refusal(first, of_fits(tmp_path / "b", [0.8, 0.8, 0.8], rows[::-1]))
    assert "(3 folds and 2 folds)" in refusal(first, of_fits(tmp_path / "c", [0.8, 0.8], rows[:2]))
    single = run_tested(tmp_path / "d", hits(0, 0.7))
    assert "(3 folds and 1 fold)" in refusal(first, single)


def test_equal_seeds_are_pairs_and_others_are_not(tmp_path):
    first = of_fits(tmp_path / "a", [0.8, 0.82, 0.81], [], key="repeats")
    second = of_fits(tmp_path / "b", [0.9, 0.91, 0.92], [], key="repeats")
    assert compare([first, second])[0].verdict.test == "paired t-test over seeds"
    third = of_fits(tmp_path / "c", [0.9, 0.91, 0.92, 0.9], [], key="repeats")
    (result,) = compare([first, third])
    assert (result.verdict.test, result.data) == ("Welch's t-test over seeds", "3 and 4 seeds")
    assert "was trained with 3 seeds and" in refusal(first, run_tested(tmp_path / "d", hits(0, 0.7)))


def test_several_are_compared_with_the_first_and_corrected(tmp_path):
    subjects = [run_tested(tmp_path / str(seed), hits(seed, 0.7)) for seed in range(3)]
    results = [result for result in compare(subjects) if result.verdict is not None]
    assert [result.subject for result in results] == [1, 2]
    least = min(results, key=lambda result: result.verdict.p)
    assert least.corrected == pytest.approx(min(1, 2 * least.verdict.p))


def test_the_best_of_a_study_is_said_to_have_been_chosen(tmp_path):
    points = [{"lr": str(number)} for number in range(6)]
    space = {"lr": {"values": [str(number) for number in range(6)]}}
    rows = [hits(number, 0.8) for number in range(6)]
    folder = write_planted(tmp_path / "s", points, lambda point: float(rows[int(point["lr"])].mean()), space=space)
    for number in range(6):
        write_right(folder / "trials" / str(number), rows[number])
    best = study_subject(folder, read_study(folder))
    other = run_subject(folder / "trials" / "0", folder / "trials" / "0")
    (result,) = compare([other, best])
    assert result.remark.endswith(f"{folder} (of 6)")


def test_what_has_no_result_is_refused(tmp_path):
    first = run_tested(tmp_path / "a", hits(0, 0.7))
    write_result(tmp_path / "b", None, status="failed")
    assert "has no result (failed)" in refusal(first, run_subject(tmp_path / "b", tmp_path / "b"))


def test_configurations_are_compared_key_by_key(tmp_path):
    subjects = [run_tested(tmp_path / name, hits(0, 0.7)) for name in "ab"]
    (tmp_path / "a" / ".hydra" / "config.yaml").write_text("optimizer: {lr: 0.1}\nseed: 0\n")
    (tmp_path / "b" / ".hydra" / "config.yaml").write_text("optimizer: {lr: 0.2, x: 1}\nseed: 0\n")
    assert configuration_table(subjects) == [("optimizer.lr", ["0.1", "0.2"]), ("optimizer.x", ["", "1"])]

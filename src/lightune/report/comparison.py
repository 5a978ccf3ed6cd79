"""Two runs or more beside each other: where their configurations differ, and whether their figures do.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightune.config.extra_metrics import direction
from lightune.config.static.signatures import TargetNotFoundError, UnreadableTargetError, describe
from lightune.errors import ConfigError, Problem
from lightune.report.difference import read_configuration
from lightune.report.held_out import read_held_out
from lightune.report.run_data import RunData, is_run, read_run
from lightune.report.scores import figure_of, kinds_of, sample_scores
from lightune.report.study_data import StudyData, TrialData, read_study
from lightune.reporting.validation_file import fit_folders, read_arrays
from lightune.statistics import comparison as tests
from lightune.statistics.comparison import Verdict
from lightune.study.definition.spec import FILE_NAME as STUDY_FILE
from lightune.study.outputs.reader import found as found_at
from lightune.wording import counted

__all__ = [
    "Comparison",
    "Subject",
    "compare",
    "configuration_table",
    "read_subjects",
    "run_subject",
    "study_subject",
]

Floats = NDArray[np.float64]
_LOWER_IS_BETTER = ("loss", "mse", "mae", "rmse")


@dataclass(frozen=True)
class Subject:
    """What is compared: a run, or the best of a study.

    Args:
        path: as it was typed.
        run: what its folder says.
        chosen_of: trials that it was chosen of by its validation figures; 1 of a run.
        seeds: seed → metric → value, where it was trained with several.
    """

    path: Path
    run: RunData
    chosen_of: int = 1
    seeds: Mapping[int, Mapping[str, float]] | None = None

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.run.folder


@dataclass(frozen=True)
class Comparison:
    """One metric of a subject beside that of the first.

    Args:
        subject: its place among the subjects, from 1.
        metric: which.
        first: the figure of the first subject.
        second: the figure of this one.
        verdict: what the test says; None where there is none.
        corrected: the p-value, corrected for the number of subjects; None as for the verdict.
        data: what was compared, in words.
        better: `higher` or `lower`.
        remark: what to know beside it; empty if nothing.
    """

    subject: int
    metric: str
    first: float
    second: float
    verdict: Verdict | None
    corrected: float | None
    data: str
    better: str
    remark: str = ""


def read_subjects(paths: Sequence[Path], *, curves: bool = False) -> list[tuple[Subject, StudyData | None]]:
    """Read runs and studies to compare; with each study what else its files show.

    Args:
        paths: folders, or names of studies below `outputs/studies`.
        curves: whether to read the curves of the studies' trials, too.

    Raises:
        ConfigError: with all that are neither, or have no result.
    """
    read: list[tuple[Subject, StudyData | None]] = []
    problems: list[Problem] = []
    for path in paths:
        folder = found_at(path)
        try:
            if (folder / STUDY_FILE).is_file():
                study = read_study(folder, curves=curves)
                read.append((study_subject(path, study), study))
            elif is_run(folder):
                read.append((run_subject(path, folder), None))
            else:
                problems.append(Problem(str(path), "is neither a run nor a study"))
        except ConfigError as refusal:
            problems += refusal.problems
    if problems:
        raise ConfigError(problems)
    return read


def run_subject(path: Path, folder: Path) -> Subject:
    """Return a run as something to compare."""
    run = read_run(folder)
    seeds = {
        seed: metrics
        for (seed, _), metrics in zip(run.repeats, run.repeat_metrics, strict=False)
        if len(run.repeats) == len(run.repeat_metrics) > 1
    }
    return Subject(path, run, seeds=seeds or None)


def study_subject(path: Path, study: StudyData) -> Subject:
    """Return the best of a study as something to compare; where seeds are swept, the best point with all of them.

    Raises:
        ConfigError: if no trial has a value, or the folder of the best was deleted.
    """
    if not study.best or study.best[0].folder is None or not study.best[0].folder.is_dir():
        why = "has no trial with a result yet" if not study.best else "has lost the folder of its best trial"
        raise ConfigError([Problem(str(path), why)])
    best = study.best[0]
    subject = run_subject(path, best.folder or Path())
    same = [trial for trial in study.complete if _point(study, trial) == _point(study, best)]
    if any(parameter.is_seed for parameter in study.parameters) and len(same) > 1:
        by_seed = {trial.run.seed: trial.run.metrics for trial in same if trial.run.seed is not None}
        subject = replace(subject, seeds=by_seed if len(by_seed) > 1 else None)
    return replace(subject, chosen_of=len(study.complete))


def _point(study: StudyData, trial: TrialData) -> tuple[str | None, ...]:
    return tuple(trial.point.get(parameter.key) for parameter in study.searched)


def configuration_table(subjects: Sequence[Subject]) -> list[tuple[str, list[str]]]:
    """Return the keys in which the configurations differ, with the value of each; empty where there is none."""
    known = [read_configuration(subject.folder / ".hydra" / "config.yaml") or {} for subject in subjects]
    keys = dict.fromkeys(key for configuration in known for key in configuration)
    return [
        (key, [configuration.get(key, "") for configuration in known])
        for key in keys
        if len({configuration.get(key) for configuration in known}) > 1
    ]


def compare(subjects: Sequence[Subject], *, level: float = 0.95) -> list[Comparison]:
    """Compare each subject with the first, by what both were judged on.

    Several seeds are compared by their figures, folds by theirs, single runs by the samples of the test part or,
    where there is no test, of the validation.

    Args:
        subjects: two or more.
        level: of the intervals, in (0, 1).

    Raises:
        ConfigError: if they were not judged on the same, with all that is wrong.
    """
    found: list[Comparison] = []
    problems: list[Problem] = []
    for place, subject in enumerate(subjects[1:], 1):
        try:
            found += _of_two(subjects[0], subject, place, level)
        except ValueError as error:
            problems.append(Problem(f"{subjects[0].path} and {subject.path}", str(error)))
    if problems:
        raise ConfigError(problems)
    for metric in dict.fromkeys(each.metric for each in found):
        judged = [place for place, each in enumerate(found) if each.metric == metric and each.verdict is not None]
        corrected = tests.holm([verdict.p for place in judged if (verdict := found[place].verdict) is not None])
        for place, p in zip(judged, corrected, strict=True):
            found[place] = replace(found[place], corrected=p)
    return found


def _of_two(first: Subject, second: Subject, place: int, level: float) -> list[Comparison]:
    if first.run.value is None or second.run.value is None:
        lacking = first if first.run.value is None else second
        raise ValueError(f"{lacking.path} has no result ({lacking.run.status.replace('_', ' ')})")
    if first.seeds and second.seeds:
        return _by_seed(first, second, place, level)
    if first.seeds or second.seeds:
        one, other = (first, second) if first.seeds else (second, first)
        raise ValueError(
            f"{one.path} was trained with {counted(len(one.seeds or ()), 'seed')} and {other.path} with one, "
            "whose luck nobody knows; train it with several: repeats=5"
        )
    if first.run.fits or second.run.fits:
        return _by_fold(first, second, place, level)
    return _by_sample(first, second, place, level)


def _by_seed(first: Subject, second: Subject, place: int, level: float) -> list[Comparison]:
    one, other = first.seeds or {}, second.seeds or {}
    shared = sorted(set(one) & set(other))
    paired = len(shared) == len(one) == len(other)
    found = []
    for metric in _shared_metrics([*one.values(), *other.values()]):
        left = np.array([one[seed][metric] for seed in (shared if paired else sorted(one))])
        right = np.array([other[seed][metric] for seed in (shared if paired else sorted(other))])
        verdict = (tests.paired_t if paired else tests.welch)(left, right, level=level)
        data = f"{len(left)} and {counted(len(right), 'seed')}" if not paired else counted(len(left), "equal seed")
        found.append(_comparison(first, second, place, metric, left.mean(), right.mean(), verdict, data))
    return found


def _by_fold(first: Subject, second: Subject, place: int, level: float) -> list[Comparison]:
    one, other = first.run.fit_metrics, second.run.fit_metrics
    if len(one) != len(other):
        raise ValueError(
            f"were divided differently ({counted(len(one) or 1, 'fold')} and {counted(len(other) or 1, 'fold')}), "
            "so that their folds are no pairs"
        )
    rows = [_rows_of_fits(subject.folder) for subject in (first, second)]
    if rows[0] is None or rows[1] is None:
        same = first.run.provenance.get("data") == second.run.provenance.get("data") is not None
        if not same or first.run.seed != second.run.seed:
            raise ValueError(
                "have left no validation rows by which one could tell whether their folds are the same"
            )
        share = 1 / max(len(one) - 1, 1)
    else:
        if not all(np.array_equal(a, b) for a, b in zip(rows[0], rows[1], strict=True)):
            raise ValueError("have folds of different rows; the same seed and data divide them alike")
        judged = float(np.mean([len(part) for part in rows[0]]))
        share = judged / max(len(np.unique(np.concatenate(rows[0]))) - judged, 1.0)
    found = []
    for metric in _shared_metrics([*one, *other]):
        left, right = (np.array([entry[metric] for entry in entries]) for entries in (one, other))
        verdict = tests.nadeau_bengio(left, right, test_share=share, level=level)
        data = counted(len(left), "equal fold")
        found.append(_comparison(first, second, place, metric, left.mean(), right.mean(), verdict, data))
    return found


def _rows_of_fits(folder: Path) -> list[NDArray[np.int64]] | None:
    try:
        return [np.sort(read_arrays(home).rows) for _, home in fit_folders(folder)]
    except (OSError, ValueError):
        return None


def _by_sample(first: Subject, second: Subject, place: int, level: float) -> list[Comparison]:
    one, other = read_held_out(first.folder), read_held_out(second.folder)
    if one is None or other is None:
        return _by_validation_sample(first, second, place, level)
    if one.samples != other.samples:
        same = len(set(one.samples) & set(other.samples))
        raise ValueError(
            f"were tested on other rows ({same:,} of {len(one.samples):,} are the same), so that their figures "
            "cannot be compared; the same seed and data divide them alike"
        )
    if one.targets != other.targets or one.of_classes != other.of_classes:
        raise ValueError("were tested on the same rows with other targets")
    data = counted(len(one.samples), "test row")
    if one.of_classes and set(np.unique([one.scores, other.scores])) <= {0.0, 1.0}:
        metric, verdict = "test/accuracy", tests.mcnemar(one.scores == 1, other.scores == 1, level=level)
    else:
        metric = "test/accuracy" if one.of_classes else "test/mae"
        verdict = tests.paired_bootstrap(one.scores, other.scores, level=level)
    found = [_comparison(first, second, place, metric, one.scores.mean(), other.scores.mean(), verdict, data)]
    for name in _shared_metrics([first.run.metrics, second.run.metrics]):
        if name.startswith("test/") and name != metric:
            figures = first.run.metrics[name], second.run.metrics[name]
            found.append(_comparison(first, second, place, name, *figures, None, data))
    return found


def _by_validation_sample(first: Subject, second: Subject, place: int, level: float) -> list[Comparison]:
    """Compare by the validation part, which has chosen the epochs of both."""
    metric = first.run.metric
    if metric != second.run.metric:
        raise ValueError(f"are judged by {metric} and {second.run.metric}, and one of them has no test")
    for kind in kinds_of(metric):
        parts = [sample_scores(subject.folder, kind) for subject in (first, second)]
        if parts[0] is None or parts[1] is None:
            continue
        orders = [np.argsort(part.rows, kind="stable") for part in parts if part is not None]
        rows = [part.rows[order] for part, order in zip(parts, orders, strict=True) if part is not None]
        if not np.array_equal(rows[0], rows[1]):
            same = len(np.intersect1d(rows[0], rows[1]))
            raise ValueError(
                f"were judged on other validation rows ({same:,} of {len(rows[0]):,} are the same); the same seed "
                "and data divide them alike"
            )
        scores = [part.scores[order] for part, order in zip(parts, orders, strict=True) if part is not None]
        if kind == "accuracy":
            verdict = tests.mcnemar(scores[0] == 1, scores[1] == 1, level=level)
        else:
            verdict = tests.paired_bootstrap(scores[0], scores[1], level=level)
        figures = [float(figure_of(kind)(score.mean())) for score in scores]
        data = counted(len(rows[0]), "validation row")
        name = metric or kind
        if figure_of(kind) is np.sqrt:
            name, figures = f"{name}² (the mean square)", [float(score.mean()) for score in scores]
        return [_comparison(first, second, place, name, figures[0], figures[1], verdict, data)]
    raise ValueError(
        f"have left no predictions of the same kind to compare {metric} by; one is tested by test=true, or by "
        "lightune evaluate RUN --errors"
    )


def _shared_metrics(entries: Sequence[Mapping[str, float]]) -> list[str]:
    return [
        name for name in entries[0] if all(name in other for other in entries) and not name.startswith("train/")
    ]


def _comparison(
    first: Subject, second: Subject, place: int, metric: str, one: float, other: float, verdict: Verdict | None,
    data: str,
) -> Comparison:  # fmt: skip
    better = "lower" if _lower_is_better(first.run, metric) else "higher"
    chosen = [subject for subject in (first, second) if subject.chosen_of > 1]
    remark = ""
    if chosen and not metric.startswith("test/"):
        names = " and ".join(f"{subject.path} (of {subject.chosen_of})" for subject in chosen)
        remark = f"chosen as the best by these figures, which flatter it: {names}"
    elif verdict is None:
        is_mean = bool(kinds_of(metric))
        remark = "the figure of each sample was not kept" if is_mean else "it is no mean over samples"
    elif "validation" in data:
        remark = "these rows have chosen the epoch of both"
    return Comparison(place, metric, float(one), float(other), verdict, None, data, better, remark)


def _lower_is_better(run: RunData, metric: str) -> bool:
    if metric == run.metric:
        return run.mode == "min"
    name = metric.rpartition("/")[2].partition("²")[0]
    configuration = read_configuration(run.folder / ".hydra" / "config.yaml") or {}
    if extra := configuration.get(f"metrics.extra.{name}._target_"):
        with suppress(TargetNotFoundError, UnreadableTargetError):
            return direction(describe(extra)) == "min"
    return name in _LOWER_IS_BETTER

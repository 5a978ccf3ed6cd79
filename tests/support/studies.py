"""What a study left in its folder, as tests look at it."""

import csv
import json
from pathlib import Path
from typing import Any


def rows(study: Path) -> list[dict[str, str]]:
    """Return the rows of a study's `trials.csv`."""
    with open(study / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def result_of(folder: Path) -> dict[str, Any]:
    """Return the `result.json` of a run or a trial."""
    return json.loads((folder / "result.json").read_text())


def trial_result(study: Path, number: int | str) -> dict[str, Any]:
    """Return the result of a trial by its number."""
    return result_of(study / "trials" / str(number))


def results(study: Path) -> list[dict[str, Any]]:
    """Return the results of a study's trials, in the order of its table."""
    return [result_of(study / row["folder"]) for row in rows(study)]


def reports(study: Path) -> list[dict[int, float]]:
    """Return what each trial has reported, as Optuna recorded it."""
    from lightune.study.storage.backends import open_storage

    storage = open_storage(None, study)
    (known,) = storage.get_all_studies()
    return [trial.intermediate_values for trial in storage.get_all_trials(known._study_id)]

"""What a study left in its folder, as tests look at it, and the folder of one that never ran."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml


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


def write_command(folder: Path, *task: Any, hydra: Sequence[str] = (), config: str = "train",
                  sources: Sequence[Path | str] = ()) -> None:  # fmt: skip
    """Write what Hydra keeps of the command that began a study.

    Args:
        folder: the study's.
        task: the overrides of the task.
        hydra: those of Hydra.
        config: the name of the configuration.
        sources: folders of `--config-dir`.
    """
    typed = {"hydra": ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={folder}", *hydra], "task": list(task)}
    runtime = {"config_sources": [{"path": str(path), "provider": "command-line"} for path in sources]}
    content = {"hydra": {"overrides": typed, "runtime": runtime, "job": {"config_name": config}}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def write_study(
    folder: Path, *lines: str, objectives: Sequence[tuple[str, str]] = (("val/accuracy", "max"),), **about: Any
) -> Path:
    """Write what is read of a study: its spec and its table; return its folder.

    Args:
        folder: to be made, with that of trial 0.
        lines: of the table: state, a value for each objective, `optimizer.lr`.
        objectives: metric and mode of each.
        about: what else the spec says.
    """
    from lightune.study.definition.settings import Objective, Settings
    from lightune.study.definition.spec import Spec, write_spec
    from lightune.study.space.space import Space

    (folder / "trials" / "0").mkdir(parents=True)
    settings = Settings(objectives=tuple(Objective(*pair) for pair in objectives))
    spec = Spec.of(folder.name, {}, overrides=[], space=Space(()), settings=settings, storage="journal",
                   config="conf", files={})  # fmt: skip
    write_spec(folder, replace(spec, **about))
    columns = ",".join(metric for metric, _ in objectives)
    table = [f"{number},{line},1.0,trials/{number}," for number, line in enumerate(lines)]
    header = f"number,state,{columns},optimizer.lr,seconds,folder,error"
    (folder / "trials.csv").write_text("\n".join([header, *table]) + "\n")
    return folder

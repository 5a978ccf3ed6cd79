"""What a study leaves for people and programs beside its trials: `trials.csv` and `best.yaml`.

This module must not import torch or Lightning.
"""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.runtime.atomic_files import write_whole
from lightune.secrets import redact, secret_values
from lightune.study.definition.settings import Objective
from lightune.study.hydra.composer import Composer
from lightune.study.outputs.hparams import FOLDER as BOARD
from lightune.study.outputs.hparams import complete_row
from lightune.study.outputs.reader import COLUMNS, column_of
from lightune.study.prepare import Scene
from lightune.study.storage.trial_store import Row
from lightune.trial import Trial

__all__ = ["StudyFiles", "write_best", "write_table"]


class StudyFiles:
    """Keep the files of a study as it goes.

    Args:
        scene: the study.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._composer = Composer(scene.context.config_loader, scene.config)
        self._best: int | None = None

    def update(self, rows: Sequence[Row], best: Sequence[Row]) -> None:
        """Write the table of all trials and, if it is another, the best one's configuration."""
        scene = self._scene
        keys = [entry.key for entry in scene.space.entries if not isinstance(entry, str)]
        write_table(scene.folder, rows, keys, scene.settings.objectives)
        if best and best[0].number != self._best:
            composed = self._composer.compose(scene.space.overrides(best[0].point))
            write_best(scene.folder, best, composed, scene.spec.program)
            self._best = best[0].number

    def end(self, row: Row) -> None:
        """Show the end of a trial that could not do so itself."""
        scene = self._scene
        if row.state != "failed" or row.folder is None or not (scene.folder / BOARD).exists():
            return
        folder = scene.folder / row.folder
        keys = tuple(dimension.key for dimension in scene.space.dimensions)
        name = os.path.relpath(folder, str(OmegaConf.select(scene.config, "output_root") or "."))
        complete_row(folder, Trial(row.number, row.point, keys).hparams(), name)


def write_table(folder: Path, rows: Sequence[Row], keys: Sequence[str], objectives: Sequence[Objective]) -> None:
    """Write `trials.csv`: number, state, each objective, each swept key, seconds, folder, error."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [column_of(objective.metric) for objective in objectives]
    swept = [f"swept/{key}" if key in COLUMNS else key for key in keys]
    writer.writerow([*COLUMNS[:2], *names, *swept, *COLUMNS[2:]])
    for row in rows:
        values = list(row.values) if row.values is not None else [""] * len(names)
        seconds = f"{row.seconds:.3f}" if row.seconds is not None else ""
        point = [row.point.get(key, "") for key in keys]
        writer.writerow([row.number, row.state, *values, *point, seconds, row.folder or "", row.error or ""])
    write_whole(folder / "trials.csv", text.getvalue().encode())


def write_best(folder: Path, best: Sequence[Row], composed: DictConfig, program: str) -> None:
    """Write `best.yaml`: a whole configuration, of which Hydra makes the best trial again.

    Args:
        folder: the study's.
        best: the best trial, or the Pareto front, of which the first is written.
        composed: the configuration of that trial, with Hydra's own node.
        program: what the study was started with.
    """
    whole = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(whole, dict)
    all_hydra = whole.pop("hydra")
    hydra = {key: all_hydra[key] for key in ("run", "callbacks")}
    hydra["job"] = {"name": all_hydra["job"]["name"]}
    if isinstance(search := whole.get("search"), dict) and "space" in search:
        search |= {"space": {}, "enqueue": []}  # it is one point of that space
    choices = composed.hydra.runtime.choices
    chosen = {
        name: choices[name]
        for name in ("hydra/job_logging", "hydra/hydra_logging")
        if choices.get(name) not in (None, "default")
    }
    defaults: list[Any] = [*({f"override {name}": option} for name, option in chosen.items()), "_self_"]
    lines = [f"# Trial {best[0].number} of the study {folder.name}."]
    if len(best) > 1:
        lines.append(
            f"# It is the first of {len(best)} on the Pareto front, which `lightune best {folder}` lists;"
        )
        lines.append(f"# `lightune evaluate {folder / 'trials' / 'NUMBER'}` measures another.")
    values = ", ".join(map(str, best[0].values or ()))
    lines.append(f"# Its value: {values}")
    lines.append(f"#   {program} --config-dir {folder} --config-name best")
    content = OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults, **whole, "hydra": hydra}))
    content = redact(content, secret_values(composed))
    write_whole(folder / "best.yaml", "\n".join([*lines, content]).encode())

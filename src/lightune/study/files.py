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

from lightune.config.secrets import redact, secret_values
from lightune.study.book import Row
from lightune.study.listing import COLUMNS, column_of
from lightune.study.settings import Objective

__all__ = ["write_best", "write_table", "write_text"]


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
    write_text(folder / "trials.csv", text.getvalue())


def write_best(folder: Path, best: Sequence[Row], composed: DictConfig) -> None:
    """Write `best.yaml`: a whole configuration, of which Hydra makes the best trial again.

    Args:
        folder: the study's.
        best: the best trial, or the Pareto front, of which the first is written.
        composed: the configuration of that trial, with Hydra's own node.
    """
    whole = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(whole, dict)
    all_hydra = whole.pop("hydra")
    hydra = {key: all_hydra[key] for key in ("run", "callbacks")}
    hydra["job"] = {"name": all_hydra["job"]["name"]}
    choices = composed.hydra.runtime.choices
    chosen = {
        name: choices[name]
        for name in ("hydra/job_logging", "hydra/hydra_logging")
        if choices.get(name) not in (None, "default")
    }
    defaults: list[Any] = [*({f"override {name}": option} for name, option in chosen.items()), "_self_"]
    lines = [f"# Trial {best[0].number} of the study {folder.name}."]
    values = ", ".join(map(str, best[0].values or ()))
    lines.append(f"# Its value: {values}")
    lines.append(f"#   python train.py --config-dir {folder} --config-name best")
    content = OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults, **whole, "hydra": hydra}))
    content = redact(content, secret_values(composed))
    write_text(folder / "best.yaml", "\n".join([*lines, content]))


def write_text(target: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)

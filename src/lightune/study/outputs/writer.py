"""What a study leaves for people and programs beside its trials: `trials.csv` and `best.yaml`.

This module must not import torch or Lightning.
"""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.paths import FROM, conf_dir, expanded, row_name
from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import visible
from lightune.secrets import redact, secret_values
from lightune.study.context import StudyContext
from lightune.study.definition.spec import own_program
from lightune.study.executors.launcher import launcher_of
from lightune.study.hydra.composer import Composer
from lightune.study.messages import LIGHTUNE, vocabulary_of
from lightune.study.observer import Ending
from lightune.study.outputs.display import figures_of
from lightune.study.outputs.hparams import complete_row, has_board
from lightune.study.outputs.table import write_table
from lightune.study.space.dimensions import text_keys
from lightune.study.storage.records import TrialRecord
from lightune.study.storage.trial_store import TrialStore
from lightune.trial import Trial

__all__ = ["StudyFiles", "write_best"]

_SWEEPER = "lightune"
_LOCAL = "local"


class StudyFiles:
    """Keep the files of a study up to date while it runs.

    Args:
        study: what is known of it.
        store: the record of its trials.
        every: seconds between two writings, >= 0.
    """

    def __init__(self, study: StudyContext, store: TrialStore, *, every: float = 2.0) -> None:
        self._study, self._store, self._every = study, store, every
        self._composer = Composer(study.hydra_context.config_loader, study.config)
        self._best: TrialRecord | None = None
        self._written = time.monotonic()

    def trial_started(self, number: int) -> None:
        """Do nothing: the trial has its own folder."""

    def trial_ended(self, trial: TrialRecord) -> None:
        """Complete the row of a failed trial on TensorBoard's page, which it could not do itself."""
        study = self._study
        if trial.state != "failed" or trial.folder is None or not has_board(study.config):
            return
        folder = study.folder / trial.folder
        keys = tuple(dimension.key for dimension in study.space.dimensions)
        name = row_name(folder, expanded(str(OmegaConf.select(study.config, "output_root") or ".")))
        texts = text_keys(study.space.dimensions)
        complete_row(folder, Trial(trial.number, trial.point, keys, texts).hparams(), name)

    def message(self, text: str) -> None:
        """Do nothing: no file has messages."""

    def tick(self) -> None:
        """Write the files now and then."""
        if time.monotonic() - self._written > self._every:
            self._update(self._store.records(), self._store.best())
            self._written = time.monotonic()

    def study_ended(self, ending: Ending) -> None:
        """Write the files a last time."""
        self._update(ending.trials, ending.best)

    def _update(self, trials: Sequence[TrialRecord], best: Sequence[TrialRecord]) -> None:
        """Write the table of all trials and, if it is another, the best one's configuration."""
        study = self._study
        keys = [entry.key for entry in study.space.entries if not isinstance(entry, str)]
        write_table(study.folder, trials, keys, study.settings.objectives)
        if best and best[0] != self._best:
            composed = self._composer.compose(study.space.overrides(best[0].point))
            program = study.spec.program if not study.resumed else own_program(study.spec.program)
            write_best(study.folder, best, composed, program or "PROGRAM")
            self._best = best[0]


def write_best(folder: Path, best: Sequence[TrialRecord], composed: DictConfig, program: str) -> None:
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
    if FROM in whole:
        whole[FROM] = None  # it has all of it
    if isinstance(search := whole.get("search"), dict) and "space" in search:
        search |= {"space": {}, "enqueue": [], "study": None, "n_trials": None}  # it is one point of that space
    choices = composed.hydra.runtime.choices
    if vocabulary_of(composed) is LIGHTUNE:
        hydra["sweep"] = OmegaConf.to_container(OmegaConf.load(conf_dir() / "train.yaml").hydra.sweep)
    chosen = {
        name: choices[name]
        for name in ("hydra/job_logging", "hydra/hydra_logging")
        if choices.get(name) not in (None, "default")
    }
    if choices.get("hydra/sweeper") == _SWEEPER:  # so that values can be swept around it
        launcher, option = launcher_of(composed), choices.get("hydra/launcher")
        is_local = option == "basic" or (launcher is not None and launcher.is_local)
        chosen |= {"hydra/sweeper": _SWEEPER, "hydra/launcher": option if is_local else _LOCAL}
    defaults: list[Any] = [*({f"override {name}": option} for name, option in chosen.items()), "_self_"]
    lines = [f"# Trial {best[0].number} of the study {folder.name}."]
    if len(best) > 1:
        lines.append(
            f"# It is the first of {len(best)} on the Pareto front, which `lightune best {folder}` lists;"
        )
        lines.append(f"# `lightune evaluate {folder / 'trials' / 'NUMBER'}` measures another.")
    values = ", ".join(figures_of(best[0]))
    lines.append(f"# Its value: {values}")
    lines.append(f"#   {program} --config-dir {shlex.quote(str(folder))} --config-name best")
    content = OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults, **whole, "hydra": hydra}))
    content = redact(content, secret_values(composed))
    write_whole(folder / "best.yaml", "\n".join([*map(visible, lines), content]).encode())

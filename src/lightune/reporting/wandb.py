"""Runs in Weights & Biases: a group a study, a run a trial."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from lightune.reporting.tracker import Tracker

_EXIT_CODES = {"failed": 1, "interrupted": 130}


class WandB(Tracker):
    """Send curves, parameters and figures to Weights & Biases: these and nothing else of the machine or the code.

    Args:
        save_dir: the run's folder, where what is not sent yet is kept.
        project: its name.
        entity: the user or team; null takes that of the key.
        mode: `online`, `offline` (kept in the run's folder, sent by `wandb sync`) or `disabled`; null takes that
            of WANDB_MODE or, without it, `online`.

    Raises:
        ValueError: if the package is not installed, or there is no key to send anything with.
    """

    package: ClassVar[str] = "wandb"

    def __init__(
        self,
        save_dir: str,
        project: str = "lightune",
        entity: str | None = None,
        mode: Literal["online", "offline", "disabled"] | None = None,
    ) -> None:
        super().__init__(save_dir)
        self._project, self._entity = project, entity
        self._mode = mode or os.environ.get("WANDB_MODE") or "online"
        self._run: Any = None
        if self._mode == "online" and not _has_key():
            rule = "has no key to send anything with"
            raise ValueError(f"{rule}; run `wandb login`, set WANDB_API_KEY, or choose logger.wandb.mode=offline")

    @property
    def experiment(self) -> Any:
        """The run as the package has it."""
        return self._run

    def _open(self, kept: Mapping[str, str], above: Mapping[str, str]) -> None:
        import wandb

        session = self._session
        shown = {} if session is None else {**session.parameters, **session.hparams}
        group = above.get("group", "") if session is None else session.group
        title = f"{above['title']}, {self._title()}" if above else self._title()
        # nothing of the machine, the code, the command and the console, which may hold what is nobody's business
        quiet = wandb.Settings(
            console="off", silent=True, save_code=False, disable_code=True, disable_git=True, x_disable_meta=True,
            x_disable_stats=True, x_disable_machine_info=True,
        )  # fmt: skip
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=self._project,
            entity=self._entity,
            mode=self._mode,
            dir=str(self._folder.absolute()),  # the process that writes may stand elsewhere
            id=kept.get("id"),
            resume="allow" if kept and self._mode == "online" else None,
            reinit="create_new",
            name=title,
            group=group or None,
            config=dict(shown),
            notes=None if session is None else session.note or None,
            tags=None if session is None else list(session.tags),
            settings=quiet,
        )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")  # a run that goes on writes some steps again
        self._keep({"id": self._run.id, "group": group, "title": title})

    def _send(self, values: Mapping[str, float], step: int) -> None:
        self._run.log({**values, "step": step})

    def _end(self, status: str) -> None:
        self._run.summary["status"] = status
        self._run.finish(exit_code=_EXIT_CODES.get(status, 0))


def _has_key() -> bool:
    """Return True if the environment, or `wandb login` before, has left a key."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    file = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        return "api.wandb.ai" in file.read_text(encoding="utf-8") or bool(os.environ.get("WANDB_BASE_URL"))
    except (OSError, ValueError):
        return False

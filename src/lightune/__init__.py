"""lightune: a declarative experiment framework on Hydra, PyTorch Lightning, Optuna and TensorBoard.

`compose`, `train` and `search` are the Python surface; they are loaded when they are first asked for, so that
importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import lightune.config.trust  # noqa: F401 - which reads what the shell trusts before anything reads YAML

if TYPE_CHECKING:
    from lightune.cli.search import search
    from lightune.config.compose import compose
    from lightune.config.trust import trust
    from lightune.evaluation import evaluate
    from lightune.prediction import load
    from lightune.report.loading import load_study
    from lightune.run import resume, train

__all__ = ["compose", "evaluate", "load", "load_study", "resume", "search", "train", "trust"]

_HOMES = {
    "compose": "lightune.config.compose",
    "evaluate": "lightune.evaluation",
    "load": "lightune.prediction",
    "load_study": "lightune.report.loading",
    "resume": "lightune.run",
    "search": "lightune.cli.search",
    "train": "lightune.run",
    "trust": "lightune.config.trust",
}


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lightune' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

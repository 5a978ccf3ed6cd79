"""`study.json`: what a study is, written when it begins and compared whenever it is resumed.

This module must not import Optuna, torch or Lightning.
"""

import json
import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from lightune.config.own_code import OwnCode
from lightune.errors import ConfigError, Problem
from lightune.paths import STUDY_FILE, conf_dir, program_typed
from lightune.runtime.atomic_files import write_json
from lightune.runtime.contained import is_below
from lightune.study.definition.identity import differences
from lightune.study.definition.settings import Settings
from lightune.study.messages import LIGHTUNE, Vocabulary
from lightune.study.space.space import Space, lists_points

__all__ = ["FILE_NAME", "Spec", "agree", "note_total", "own_program", "read_spec", "write_spec"]

FILE_NAME = STUDY_FILE
_OURS = {"python train.py", "lightune-train", "python -m lightune.cli.train"}
_SCHEMA = 1
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("name", "storage", "config", "began", "program"), str),
    **dict.fromkeys(("identity", "space", "versions"), dict),
    **dict.fromkeys(("overrides", "objectives"), list),
    "sampler": dict | None,
    "pruner": dict | None,
    "files": dict | None,
    "code": dict | None,
    "config_dir": str | None,
    "seed": int,
    "n_trials": int | None,
}


def own_program(program: str) -> str | None:
    """Return what began a study, as it is typed, if it is a program of lightune's; None if it could be any."""
    if program in _OURS:
        return program
    _, is_script, path = program.partition("python ")
    script = Path(path)
    with suppress(OSError, ValueError):
        if is_script and script.name == "train.py" and script.samefile(conf_dir().parent / "train.py"):
            return f"python {shlex.quote(path)}"
    return None


@dataclass(frozen=True)
class Spec:
    """What makes a study the study that it is.

    Args:
        name: the study's, and its folder's.
        identity: key → override, as `identity_of` returns it.
        overrides: those of the command that began it, in their order.
        space: as `Space.describe` returns it.
        sampler: the node of the sampler; None for the grid of a discrete space, TPE otherwise.
        pruner: the node of the pruner, or None.
        objectives: metric and mode of each.
        seed: the sampler's.
        storage: `journal`, or the database's URL without its password.
        config: the folder of the configuration files, relative to the study's.
        began: when, in UTC.
        versions: of lightune and Optuna.
        program: what began it, as it is typed.
        n_trials: how many trials it has when it is finished, as the last start wanted; None before the first.
        files: those of `config`: path → SHA-256; None if it began when this was not recorded yet.
        code: that it calls: `digest` of all, and `files`, as `OwnCode` has them; None as for `files`.
        config_dir: the folder of `--config-dir`, absolute; None if there was none, or as for `files`.
    """

    name: str
    identity: dict[str, str]
    overrides: list[str]
    space: dict[str, Any]
    sampler: Any
    pruner: Any
    objectives: list[dict[str, Any]]
    seed: int
    storage: str
    config: str
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(
        default_factory=lambda: {name: metadata.version(name) for name in ("lightune", "optuna")}
    )
    program: str = field(default_factory=program_typed)
    n_trials: int | None = None
    files: dict[str, str] | None = None
    code: dict[str, Any] | None = None
    config_dir: str | None = None

    @property
    def is_grid(self) -> bool:
        """Whether it is the grid of its space, and not a sampled search."""
        intervals = (each for each in self.space.values() if isinstance(each, dict) and "low" in each)
        return lists_points(self.sampler) and not any(intervals)

    @classmethod
    def of(cls, name: str, identity: dict[str, str], *, overrides: list[str], space: Space, settings: Settings,
           storage: str, config: str, files: dict[str, str], code: OwnCode | None = None,
           config_dir: str | None = None) -> "Spec":  # fmt: skip
        """Describe a study that begins."""
        return cls(
            name=name,
            identity=identity,
            overrides=overrides,
            space=space.describe(),
            sampler=settings.sampler,
            pruner=settings.pruner,
            objectives=[asdict(objective) for objective in settings.objectives],
            seed=settings.seed,
            storage=storage,
            config=config,
            files=files,
            config_dir=config_dir,
            code=None if code is None else {"digest": code.digest, "files": dict(code.files)},
        )


def write_spec(folder: Path, spec: Spec) -> None:
    """Write `study.json`, whole or not at all."""
    write_json(folder / FILE_NAME, {"schema": _SCHEMA, **asdict(spec)})


def note_total(folder: Path, n_trials: int, vocabulary: Vocabulary = LIGHTUNE) -> None:
    """Note how many trials a study is to have; no other process may write its spec meanwhile."""
    spec = read_spec(folder, vocabulary)
    if spec is not None and spec.n_trials != n_trials:
        write_spec(folder, replace(spec, n_trials=n_trials))


def read_spec(folder: Path, vocabulary: Vocabulary = LIGHTUNE) -> Spec | None:
    """Read `study.json`; None if there is none.

    Raises:
        ConfigError: if it is damaged.
    """
    try:
        content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        if content.pop("schema") != _SCHEMA:
            raise ValueError("of another schema")
        spec = Spec(**content)
        _require_kinds(spec)
        return spec
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        rule = f"cannot be read ({error}); restore it, or take another {vocabulary.study}="
        raise ConfigError([Problem(str(folder / FILE_NAME), rule)]) from error


def _require_kinds(spec: Spec) -> None:
    """Refuse what no study writes: the file may be somebody else's.

    Raises:
        ValueError: naming the field.
    """
    for name, kind in _KINDS.items():
        if not isinstance(value := getattr(spec, name), kind):
            raise ValueError(f"its {name} is {type(value).__name__}")
    if not all(isinstance(line, str) for line in spec.overrides):
        raise ValueError("its overrides are no texts")
    for objective in spec.objectives:
        if not isinstance(objective, dict) or not {"metric", "mode"} <= objective.keys():
            raise ValueError("its objectives have no metric and mode")
        if not isinstance(objective["metric"], str | None) or objective["mode"] not in ("min", "max"):
            raise ValueError("its objectives have no metric and mode")
    for path, digest in (spec.files or {}).items():
        if not is_below(path) or not isinstance(digest, str):
            raise ValueError(f"its files name {path!r}, which is not below {spec.config}")
    if spec.code is not None and not isinstance(spec.code.get("files"), dict):
        raise ValueError("its code has no files")


def agree(name: str, began: dict[str, str], identity: dict[str, str], vocabulary: Vocabulary = LIGHTUNE) -> None:
    """Refuse to resume a study under other overrides than it began with.

    Args:
        name: the study's.
        began: the identity that it began with.
        identity: the one that is asked for.
        vocabulary: what its keys are called in messages.

    Raises:
        ConfigError: with the difference.
    """
    difference = differences(began, identity)
    if difference:
        shown = "".join(f"\n      {line}" for line in difference)
        rule = f"the study '{name}' began with other overrides (- began with, + asked for):{shown}"
        raise ConfigError(
            [Problem(vocabulary.study, f"{rule}\n    take another {vocabulary.study}=, or the same overrides")]
        )

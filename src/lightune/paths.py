"""Where things lie: the packaged configuration, and the folders a run may write to.

This module must not import torch or Lightning.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "CURVES_FILE",
    "DATA_FILE",
    "DIFF_FILE",
    "ENVIRONMENT_FILE",
    "FROM",
    "MISLABELLED_FILE",
    "PREDICTIONS_FILE",
    "RUN_LOCK",
    "STUDY_FILE",
    "TRAIN_LOG",
    "VALIDATION_FILE",
    "absence",
    "conf_dir",
    "create_run_dir",
    "expanded",
    "is_inside",
    "is_plain_name",
    "outer_rank",
    "plugin_folders",
    "program_typed",
    "resume_command",
    "row_name",
    "shell_folder",
    "shown_path",
    "study_above",
    "torchrun_size",
    "typed_as",
    "typed_in",
    "typed_words",
    "use_plugin_folders",
    "words_for_base",
]

RANK_VARIABLE = "LIGHTUNE_RANK"
"""Set in the processes that lightune starts beside the first one of a run."""

RUN_LOCK = ".lock"
"""In a run's folder: the file whose lock the process that works there holds."""

STUDY_FILE = "study.json"
"""In a study's folder: what it was begun with."""

TRAIN_LOG = "train.log"
"""In a run's folder: what is worth knowing of how it went."""

DATA_FILE = "data.json"
"""In a run's folder: what it was trained on."""

FROM = "from"
"""Key of the command line that names the run whose configuration is the base, and name of the file made of it."""

ENVIRONMENT_FILE = "environment.json"
"""In a run's folder, or shared by the trials of a study: what it ran on."""

DIFF_FILE = "uncommitted.diff"
"""In a run's folder, or shared by the trials of a study: what its code differs in from the commit."""

CURVES_FILE = "curves.csv"
"""In a fit's folder: its metrics, epoch by epoch."""

VALIDATION_FILE = "predictions_val.npz"
"""In a fit's folder: what its best checkpoint gives for its validation part."""

PREDICTIONS_FILE = "predictions.csv"
"""In a run's folder: what it gives for its test part."""

MISLABELLED_FILE = "mislabelled.csv"
"""In a run's folder: the samples whose labels are doubtful."""

_NEEDS_NO_QUOTES = re.compile(r"[\w./:%@+-]+", re.ASCII)  # in an override
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a Path has one slash of the two; a drive has one letter
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")


def conf_dir() -> Path:
    """Return the folder of the config groups: the installed copy if there is one, else the clone's."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


_typed_as: list[str] = []


@contextmanager
def typed_as(program: str) -> Iterator[None]:
    """Let what runs meanwhile be what another program would do, which goes on with it.

    Args:
        program: as it is typed.
    """
    _typed_as.append(program)
    try:
        yield
    finally:
        _typed_as.pop()


def program_typed() -> str:
    """Return what this process was started with, as it is typed."""
    if _typed_as:
        return _typed_as[-1]
    name, module = sys.argv[0], getattr(sys.modules.get("__main__"), "__spec__", None)
    if module is not None:
        return f"python -m {module.name.removesuffix('.__main__')}"
    return f"python {name}" if name.endswith(".py") else Path(name).name


def words_for_base(folder: str) -> list[str]:
    """Return the words by which Hydra is told of the file that `from=` stands for.

    Args:
        folder: that holds it.
    """
    return [f"--config-dir={folder}", f"--config-name={FROM}"]


def typed_words() -> list[str]:
    """Return the words that this process was started with, after the program's name."""
    words = sys.argv[1:]
    added = len(words_for_base(""))
    return words[added:] if words_for_base("")[1:] == words[1:added] else words


def resume_command(run_dir: Path, program: str) -> str:
    """Return the line to type that resumes a run.

    Args:
        run_dir: the run's folder.
        program: what trains, as it is typed.
    """
    return f"{program} {typed_override('resume', shown_path(run_dir))}"


def typed_override(key: str, value: str | Sequence[str]) -> str:
    """Return `key=value` as it is typed in a shell for Hydra: quoted for each, where it must be.

    Args:
        key: of the configuration.
        value: a text, or a list of texts.
    """
    if isinstance(value, str):
        shown = value if _NEEDS_NO_QUOTES.fullmatch(value) else _in_quotes(value)
    else:
        shown = f"[{','.join(map(_in_quotes, value))}]"
    return shlex.quote(f"{key}={shown}")


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_typed_in: list[str] = []


@contextmanager
def typed_in(folder: str) -> Iterator[None]:
    """Let paths count from where the command was typed: with `hydra.job.chdir` a job works elsewhere.

    Args:
        folder: absolute.
    """
    _typed_in.append(folder)
    try:
        yield
    finally:
        _typed_in.pop()


def shell_folder() -> str:
    """Return the folder in which the command was typed, from which its paths count."""
    return _typed_in[-1] if _typed_in else os.getcwd()


def shown_path(path: Path) -> str:
    """Return a path as the user's shell takes it: a short one if it lies below the folder that the shell is in."""
    relative = os.path.relpath(path, shell_folder())
    return str(path) if relative.startswith("..") else relative


def row_name(folder: str | Path, output_root: str | Path) -> str:
    """Return what a run or trial is called among others: short, and no other's below the same root.

    Args:
        folder: the run's.
        output_root: below which it lies.
    """
    parts = Path(os.path.relpath(folder, output_root)).parts or (Path(folder).name,)
    if parts[0] == "studies" and parts[-2] == "trials" and len(parts) > 3:
        return f"trial {parts[-1]}, {'/'.join(parts[1:-2])}"
    return "/".join(parts[1:] if parts[0] in ("runs", "studies") and len(parts) > 1 else parts)


def plugin_folders() -> list[str]:
    """Return where Hydra looks for plugins, all of which it imports."""
    import hydra_plugins

    return list(hydra_plugins.__path__)


def use_plugin_folders(folders: Sequence[str]) -> None:
    """Let Hydra look for plugins in these folders alone, whatever comes onto Python's path later."""
    import hydra_plugins

    hydra_plugins.__path__ = list(folders)


def outer_rank() -> int:
    """Return the number of this process among those that were started for a run; 0 for the first, or the only."""
    if RANK_VARIABLE in os.environ:
        return int(os.environ[RANK_VARIABLE])
    for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        if rank in os.environ and int(os.environ.get(size, "1")) > 1:
            return int(os.environ[rank])
    return 0


def torchrun_size() -> int:
    """Return how many processes `torchrun` has started; 1 if it has not."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def is_plain_name(name: str) -> bool:
    """Tell whether a name can be one folder: letters, digits and `._+=-`, not beginning with a dot."""
    return len(name) <= 100 and _PLAIN_NAME.fullmatch(name) is not None


def absence(path: str | Path) -> str:
    """Return what to say of a file or folder that is not there; of an address, how to come by what it names."""
    if _ADDRESS.match(str(path)):
        rule = f"must be a file or folder of this machine, got the address {path}"
        return f"{rule}; copy it here first (aws s3 cp, gcloud storage cp, curl), or mount it as a folder"
    return f"there is no file or folder {Path(path).expanduser().absolute()}"


def expanded(path: str) -> str:
    """Return a path with a home folder where it begins with `~` or `~name`; as it is if nobody has that name."""
    return os.path.expanduser(path)


def is_inside(path: str | Path, root: str | Path) -> bool:
    """Tell whether path lies strictly below root once both are absolute and links are followed."""
    resolved, parent = Path(path).resolve(), Path(root).resolve()
    return resolved != parent and resolved.is_relative_to(parent)


def study_above(folder: Path) -> Path | None:
    """Return the folder of the study that a folder lies in; None if it lies in none."""
    return next((parent for parent in folder.absolute().parents if (parent / STUDY_FILE).is_file()), None)


def create_run_dir(wanted: str) -> str:
    """Create a folder that nobody else has: `wanted`, or `wanted_2`, `wanted_3`, … where it is taken.

    Args:
        wanted: path of the folder; its parents are made as needed.

    Returns:
        The path that was created, in the spelling of `wanted`.

    Raises:
        OSError: if the folder cannot be made, for a reason other than that it exists.
    """
    Path(wanted).parent.mkdir(parents=True, exist_ok=True)
    candidate, count = wanted, 1
    while True:
        try:
            os.mkdir(candidate)
        except FileExistsError:
            count += 1
            candidate = f"{wanted}_{count}"
        else:
            return candidate

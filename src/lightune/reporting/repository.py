"""The code of the current folder as git knows it: the commit, what differs from it, and what was never added.

git may run nothing that the repository names, as that may be somebody else's; nothing of it is changed.
"""

import fnmatch
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lightune.paths import is_inside
from lightune.runtime.credentials import credentials_of, is_credential_file, without_credentials

__all__ = ["Changes", "changes_here", "one_look_at_the_code"]

_NO_PROGRAMS = [
    "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}",
    "-c", "diff.external=",
]  # fmt: skip
_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--submodule=short", "--no-color")
_ENVIRONMENT = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
"""No object is fetched from elsewhere, which runs what the repository names."""
_WELL_KNOWN = {"git-lfs clean -- %f", "git-lfs smudge -- %f", "git-lfs filter-process", "true"}
"""What `git lfs install --local` writes."""

_MOST_OF_A_FILE = 1 << 20  # bytes
_MOST_TOGETHER = 10 << 20  # bytes
_MOST_NAMED = 20  # files that are left out
_CODE = {
    ".py", ".pyi", ".pyx", ".pxd", ".ipynb", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".sh", ".c", ".cc", ".cpp",
    ".cu", ".h", ".hpp", ".rs", ".r", ".jl", ".md", ".rst", ".diff", ".patch",
}  # fmt: skip
_CODE_NAMES = ("requirements*.txt", "constraints*.txt", "Makefile", "Dockerfile", ".gitignore", ".gitattributes")
_NEVER_CODE = ("__pycache__/", ".venv/", "venv/", "node_modules/", ".ipynb_checkpoints/", "outputs/")


@dataclass(frozen=True)
class Changes:
    """What the code of a repository is, beside its commit.

    Args:
        commit: hash of the commit that is checked out.
        diff: that makes it what it is now, files that were never added among them; empty where nothing differs.
            `***` stands in it where a credential stood.
        untracked: paths of the files in `diff` that were never added.
        left_out: files that differ and are not in `diff`, each with the reason.
        submodules: path and commit of each.
    """

    commit: str
    diff: bytes
    untracked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()


@contextmanager
def one_look_at_the_code() -> Iterator[None]:
    """Let all runs that end meanwhile have the code that there was at the end of the first of them."""
    _looks.append([])
    try:
        yield
    finally:
        _looks.pop()


_looks: list[list[Changes | None]] = []


def changes_here(output_root: Path | None = None) -> Changes | None:
    """Describe the repository of the current folder; None if there is none, it has no commit, or git fails.

    Args:
        output_root: absolute; what lies there is no code.
    """
    if _looks and _looks[-1]:
        return _looks[-1][0]
    program = shutil.which("git")
    try:
        found = None if program is None else _Repository(program).changes(output_root)
    except (OSError, subprocess.SubprocessError, UnicodeError):
        found = None
    if _looks:
        _looks[-1].append(found)
    return found


class _Repository:
    """The repository of the current folder.

    Args:
        program: git's path.

    Raises:
        subprocess.SubprocessError: if there is none, or it has no commit.
    """

    def __init__(self, program: str) -> None:
        self._program, self._top = program, Path.cwd()
        answer = self._ask("rev-parse", "HEAD", "--show-toplevel", "--git-path", "index", "--git-path", "objects")
        self.commit, top, index, objects = os.fsdecode(answer).split("\n")[:4]
        self._index, self._objects, self._top = Path.cwd() / index, Path.cwd() / objects, Path(top)
        self._filters_off = self._without_filters()
        self._credentials = credentials_of({self._top, Path.cwd()})

    def changes(self, output_root: Path | None) -> Changes:
        """Return what differs from the commit.

        Args:
            output_root: what lies there is no code.
        """
        left_out: list[str] = []
        room = _MOST_TOGETHER
        tracked = self._names("diff", *_PLAIN_DIFF, "--name-only", "-z", "HEAD")
        unfit, room = self._sort_out(tracked, room, left_out)
        own_rules = [f"--exclude={pattern}" for pattern in _NEVER_CODE]
        if output_root is not None and is_inside(output_root, self._top):
            own_rules.append(f"--exclude=/{output_root.resolve().relative_to(self._top.resolve()).as_posix()}/")
        others = self._names("ls-files", "--others", "--exclude-standard", *own_rules, "-z")
        not_code = {path for path in others if not _is_code(path)}
        left_out += [f"{path} (no code)" for path in others if path in not_code]
        never_added = [path for path in others if path not in not_code]
        unfit_too, _ = self._sort_out(never_added, room, left_out)
        taken = [path for path in never_added if path not in unfit_too]
        diff = self._diff(taken, [path for path in tracked if path in unfit])
        hidden = without_credentials(diff.decode("utf-8", "surrogateescape"), self._credentials)
        if len(left_out) > _MOST_NAMED:
            left_out[_MOST_NAMED:] = [f"{len(left_out) - _MOST_NAMED} more"]
        named = tuple(_shown(line) for line in left_out)
        return Changes(
            self.commit,
            hidden.encode("utf-8", "surrogateescape"),
            tuple(map(_shown, taken)),
            named,
            tuple(self._submodules()),
        )

    def _sort_out(self, paths: Sequence[str], room: int, left_out: list[str]) -> tuple[set[str], int]:
        """Return which files are not taken, and the room that is left; the reasons are added to `left_out`."""
        unfit = set()
        for path in paths:
            reason, size = self._judge(path)
            if reason is None and size > room:
                reason = "no room: there are too many changes"
            if reason is not None:
                unfit.add(path)
                left_out.append(f"{path} ({reason})")
            else:
                room -= size
        return unfit, room

    def _judge(self, path: str) -> tuple[str | None, int]:
        """Return why a file is not taken, if it is not, and its size in bytes."""
        if path.endswith("/"):
            return "a repository of its own", 0
        if is_credential_file(path):
            return "it is there to hold credentials", 0
        file = self._top / path
        try:
            about = file.lstat()
        except OSError:
            return None, 0  # removed, which the diff says
        if not stat.S_ISREG(about.st_mode):
            return (None, 0) if stat.S_ISLNK(about.st_mode) or file.is_dir() else ("no file", 0)
        if about.st_size > _MOST_OF_A_FILE:
            return f"{about.st_size / 1e6:.1f} MB", about.st_size
        content = file.read_bytes()
        if b"\0" in content:  # which the diff holds as packed bytes, where nothing can be hidden
            text = content.decode("latin-1")
            if without_credentials(text, self._credentials) != text:
                return "it holds what looks like a credential", about.st_size
        return None, about.st_size

    def _diff(self, never_added: Sequence[str], unfit: Sequence[str]) -> bytes:
        """Return the diff of what is tracked, and of some files as if they were about to be added."""
        rules = [".", *(f":(top,exclude,literal){path}" for path in unfit)] if unfit else []
        command = ["diff", *_PLAIN_DIFF, "--binary", "HEAD", "--", *rules]
        if not never_added:
            return self._ask(*command)
        with tempfile.TemporaryDirectory(prefix="lightune-") as folder:
            index, objects = Path(folder, "index"), Path(folder, "objects")
            objects.mkdir()
            shutil.copyfile(self._index, index)
            aside = {
                "GIT_INDEX_FILE": str(index),
                "GIT_OBJECT_DIRECTORY": str(objects),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._objects),
            }
            given = b"\0".join(map(os.fsencode, never_added))
            literal = {**aside, "GIT_LITERAL_PATHSPECS": "1"}
            add = ("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
            self._ask(*add, variables=literal, given=given)
            return self._ask(*command, variables=aside)

    def _submodules(self) -> Iterator[str]:
        """Yield path and commit of each submodule, as the index has it."""
        if not (self._top / ".gitmodules").exists():
            return
        for entry in self._names("ls-files", "--stage", "-z"):
            about, _, path = entry.partition("\t")
            if about.startswith("160000 "):
                yield f"{_shown(path)} {about.split()[1]}"

    def _names(self, *arguments: str) -> list[str]:
        return [os.fsdecode(name) for name in self._ask(*arguments).split(b"\0") if name]

    def _without_filters(self) -> dict[str, str]:
        """Return variables that switch off the filters which the repository itself defines; the user's stay."""
        listed = self._run(("config", "--list", "--show-scope", "--null", "--includes"), {})
        fields = listed.decode("utf-8", "surrogateescape").split("\0")
        settings = [(key, value) for key, _, value in (field.partition("\n") for field in fields[1::2])]
        filters = {
            key: value
            for scope, (key, value) in zip(fields[::2], settings, strict=False)
            if scope in ("local", "worktree") and key.startswith("filter.")
        }
        odd = {key.rpartition(".")[0] for key, value in filters.items() if value not in _WELL_KNOWN}
        first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        off = [key for key in filters if key.rpartition(".")[0] in odd]
        variables = {"GIT_CONFIG_COUNT": str(first + len(off))}
        for place, key in enumerate(off, start=first):
            variables[f"GIT_CONFIG_KEY_{place}"] = key
            variables[f"GIT_CONFIG_VALUE_{place}"] = "false" if key.endswith(".required") else ""
        return variables

    def _ask(self, *arguments: str, variables: dict[str, str] | None = None, given: bytes = b"") -> bytes:
        filters = {} if arguments[0] == "rev-parse" else self._filters_off
        return self._run(arguments, {**filters, **(variables or {})}, given)

    def _run(self, arguments: Sequence[str], variables: dict[str, str], given: bytes = b"") -> bytes:
        command = [self._program, *_NO_PROGRAMS, *arguments]
        environment = {**os.environ, **_ENVIRONMENT, **variables}
        return subprocess.run(
            command, input=given, capture_output=True, check=True, timeout=30, env=environment, cwd=self._top
        ).stdout


def _is_code(path: str) -> bool:
    name = PurePosixPath(path)
    known = any(fnmatch.fnmatchcase(name.name, pattern) for pattern in _CODE_NAMES)
    return known or path.endswith("/") or name.suffix.lower() in _CODE or is_credential_file(path)


def _shown(text: str) -> str:
    """Return a path that any file can hold, whatever its bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

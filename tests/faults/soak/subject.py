"""A study in a folder of its own, run as a user runs it: by its command, again and again."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from soak.studies import Kind

__all__ = ["FINAL", "Command", "DidNotHappenError", "Subject", "digests"]

PROGRAM = Path(__file__).resolve().parents[3] / "train.py"
SABOTAGE = Path(__file__).resolve().parent / "sabotage"
FINAL = ("completed", "early_stopped", "pruned", "failed")
_PATIENCE = 600.0  # seconds for what must happen; a machine may be busy
_MARK = "SOAK_SUBJECT"


class DidNotHappenError(Exception):
    """What was waited for did not happen in time."""


class Command:
    """The study's command under way.

    Args:
        process: it, which leads a session.
        output: the file that it writes to.
    """

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self._output = process, output

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._output.read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to the driver alone."""
        if self.runs:
            self.process.send_signal(number)

    def signal_all(self, number: int) -> None:
        """Send a signal to the driver's process group, as a terminal does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def children(self) -> list[int]:
        """Return its children's process numbers, in the order of their start."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[1]) == self.process.pid and fields[0] not in "ZX":
                    found.append(int(stat.parent.name))
        return sorted(found)

    def end(self, seconds: float = _PATIENCE) -> int:
        """Wait until it has ended; return its exit code, negative for a signal."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGABRT)
            raise DidNotHappenError(f"the command did not end in {seconds:.0f} s:\n{self.said}") from None


class Subject:
    """A study that faults are injected into.

    Args:
        kind: what it is.
        folder: an empty one.
    """

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.root = folder / "outputs"
        self.study = self.root / "studies" / "s"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self._mark = uuid.uuid4().hex
        self.commands: list[Command] = []
        self.has_small_disk = False

    def start(
        self, sabotage: dict[str, Any] | None = None, *, preexec: Callable[[], object] | None = None
    ) -> Command:
        """Start the study's command.

        Args:
            sabotage: what is to fail, as the module `sitecustomize` beside this one takes it.
            preexec: called in the new process before the command.
        """
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(self.temporary), _MARK: self._mark}
        if sabotage is not None:
            wanted = {"root": str(self.root), "log": str(self.met_file), "who": "any", "times": 1, **sabotage}
            environment |= {"SABOTAGE": json.dumps(wanted), "PYTHONPATH": str(SABOTAGE)}
        output = self.folder / f"output-{len(self.commands)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), *self.kind.arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=preexec,
            )
        self.commands.append(Command(process, output))
        return self.commands[-1]

    @property
    def met_file(self) -> Path:
        """Where sabotaged processes note which call was met."""
        return self.folder / "met.txt"

    def met(self) -> str:
        """Say which calls were met since the last time."""
        try:
            lines = self.met_file.read_text().splitlines()
        except FileNotFoundError:
            return "no call was met"
        self.met_file.unlink()
        return "; ".join(lines[:3]) + (f" and {len(lines) - 3} more" if len(lines) > 3 else "")

    def wait_for(
        self, event: Callable[[], bool], command: Command | None = None, *, seconds: float = _PATIENCE
    ) -> bool:
        """Wait until something has happened; return False if the command ended before.

        Raises:
            DidNotHappenError: if it has not happened after so many seconds.
        """
        end = time.monotonic() + seconds
        while not event():
            if command is not None and not command.runs:
                return event()
            if time.monotonic() > end:
                raise DidNotHappenError(f"what was waited for did not happen in {seconds:.0f} s")
            time.sleep(0.002)
        return True

    def processes(self) -> list[int]:
        """Return the numbers of all processes that were started for this study and still run."""
        mark = f"{_MARK}={self._mark}".encode()
        return [number for number in _running() if mark in _environment(number)]

    def clear_away(self) -> None:
        """End what still runs, and put the outputs back on the disk where they were."""
        for number in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        for command in self.commands:
            command.process.wait()
        self._leave_small_disk()

    def _leave_small_disk(self) -> None:
        if self.has_small_disk:
            copy = self.folder / "outputs-copy"
            shutil.copytree(self.root, copy)
            subprocess.run(["umount", self.root], check=True)
            self.root.rmdir()
            copy.rename(self.root)
            self.has_small_disk = False

    def move_to_small_disk(self, room: int) -> bool:
        """Move the outputs to a file system in memory with little room; return False if that is not permitted.

        Args:
            room: bytes that are free there.
        """
        self._leave_small_disk()
        copy = self.folder / "outputs-copy"
        self.root.mkdir(exist_ok=True)
        self.root.rename(copy)
        self.root.mkdir()
        blocks = sum(path.lstat().st_blocks * 512 + 4096 for path in copy.rglob("*"))
        self.has_small_disk = self._mount(f"size={blocks + room}")
        shutil.copytree(copy, self.root, dirs_exist_ok=True)
        shutil.rmtree(copy)
        return self.has_small_disk

    def enlarge_small_disk(self) -> None:
        """Make room on the file system in memory."""
        assert self._mount("remount,size=64m")

    def _mount(self, options: str) -> bool:
        try:
            mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.root)]
            return subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def lines(self) -> int:
        """Return how many lines the journal has: the finest clock that a study has."""
        try:
            return (self.study / "journal.log").read_bytes().count(b"\n")
        except OSError:
            return 0

    def trial_folders(self) -> list[Path]:
        """Return the folders of trials, in the order of their numbers."""
        found = [path for path in self.study.glob("trials/*") if path.name.isdigit()]
        return sorted(found, key=lambda path: int(path.name))

    def result(self, folder: Path) -> dict[str, Any] | None:
        """Read the result of a trial; None if there is none, or no sound one."""
        for name in ("result.json", "trial.json"):
            with contextlib.suppress(OSError, ValueError):
                content = json.loads((folder / name).read_text())
                if isinstance(content, dict) and "status" in content:
                    return content
        return None

    def finished_folders(self) -> list[Path]:
        """Return the folders of the trials whose result is final."""
        return [path for path in self.trial_folders() if (self.result(path) or {}).get("status") in FINAL]

    def trials(self) -> list[FrozenTrial]:
        """Read the trials from a copy of the journal, of which a torn end is left out."""
        try:
            content = (self.study / "journal.log").read_bytes()
        except OSError:
            return []
        copy = self.folder / "journal-read.log"
        copy.write_bytes(b"".join(_sound_records(content)))
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        storage = JournalStorage(JournalFileBackend(str(copy)))
        return [trial for study in storage.get_all_studies() for trial in storage.get_all_trials(study._study_id)]

    def closings(self) -> dict[int, int]:
        """Return trial number → how often the journal says that it ended."""
        counts: dict[int, int] = {}
        for line in _sound_records((self.study / "journal.log").read_bytes()):
            record = json.loads(line)
            if record["op_code"] == 6 and record["state"] in (1, 2, 3):
                counts[record["trial_id"]] = counts.get(record["trial_id"], 0) + 1
        return counts


def _sound_records(content: bytes) -> Iterator[bytes]:
    for line in content.splitlines(keepends=True):
        with contextlib.suppress(ValueError):
            if line.endswith(b"\n") and "op_code" in json.loads(line):
                yield line


def _running() -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(int(stat.parent.name))
    return found


def _environment(number: int) -> Sequence[bytes]:
    try:
        return Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
    except OSError:
        return ()


def digests(folder: Path) -> dict[str, str]:
    """Return path → hash of all files below a folder, but for what killed processes leave until it is cleared."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_litter(path))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _is_litter(path: Path) -> bool:
    return path.name == ".lock" or (path.name.startswith(".") and path.name.endswith(".tmp"))

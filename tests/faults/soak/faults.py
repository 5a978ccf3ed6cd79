"""The faults: each starts the study's command, does something to it or to its files, and waits for the end."""

import contextlib
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from soak.invariants import Ledger
from soak.subject import Command, DidNotHappenError, Subject

__all__ = ["FAULTS", "Ended", "Injection"]

_STARTS = 8  # lines of a journal that a trial has, about
_BOOKKEEPING = ("write", "rename", "fsync", "open", "mkdir")
_ERRORS = ("ENOSPC", "EIO", "EDQUOT")


@dataclass
class Ended:
    """A command that has ended.

    Args:
        command: it.
        code: its exit code.
        allowed: those that it may have.
    """

    command: Command
    code: int
    allowed: set[int]


@dataclass
class Injection:
    """A fault that is being injected.

    Args:
        subject: the study.
        chance: what is drawn of.
        ledger: what is known of the study; told of each file that is damaged.
        said: what was done so far.
        ended: the commands that have ended.
    """

    subject: Subject
    chance: Random
    ledger: Ledger
    said: list[str] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    def moment(self, command: Command) -> bool:
        """Wait for a moment in the course of the study; return False if the command ended before."""
        subject, left = self.subject, self.subject.kind.n_trials - len(self.subject.finished_folders())
        kind = self.chance.choice(("beginning", "line", "line", "line", "trial", "result"))
        if kind == "beginning":
            self.said.append("when it begins")
            return subject.wait_for(lambda: any((subject.study / ".leases").glob("*")), command)
        if kind == "trial":
            self.said.append("in a trial")
            return subject.wait_for(self._is_in_a_trial, command)
        if kind == "result":
            count = len(subject.finished_folders()) + self.chance.randint(1, max(1, left // 2))
            self.said.append(f"after result {count}")
            return subject.wait_for(lambda: len(subject.finished_folders()) >= count, command)
        line = subject.lines() + self.chance.randint(1, max(1, left * _STARTS // 2))
        self.said.append(f"at line {line} of the journal")
        return subject.wait_for(lambda: subject.lines() >= line, command)

    def _is_in_a_trial(self) -> bool:
        folders = self.subject.trial_folders()
        return any((path / "checkpoints").exists() and not (path / "result.json").exists() for path in folders)

    def end(self, command: Command, *allowed: int) -> int:
        """Wait for the command's end; it may have ended by itself, too."""
        code = command.end()
        self.ended.append(Ended(command, code, {0, *allowed}))
        self.said.append(f"exit code {code}")
        return code

    def go_on(self, *allowed: int) -> int:
        """Type the command again, and now and then cut it short; return its exit code."""
        command = self.subject.start()
        cut = self.chance.choice((None, signal.SIGKILL, signal.SIGTERM))
        if cut is not None and self.moment(command):
            command.signal(cut)
            allowed = (*allowed, -cut, 128 + cut)
        return self.end(command, *allowed)

    def begin(self) -> None:
        """Let the study be under way, and cut it, unless it has a journal already."""
        if self.subject.lines() == 0:
            command = self.subject.start()
            if self.moment(command):
                command.signal(signal.SIGKILL)
            self.end(command, -signal.SIGKILL)
            self.ledger.take_in(self.subject)


Fault = Callable[[Injection], None]


def _signalled(name: str, send: Callable[[Injection, Command], None], *allowed: int) -> tuple[str, Fault]:
    def fault(injection: Injection) -> None:
        command = injection.subject.start()
        if injection.moment(command):
            send(injection, command)
        injection.end(command, *allowed)

    return name, fault


def _send(number: int) -> Callable[[Injection, Command], None]:
    return lambda _, command: command.signal(number)


def _to_worker(number: int) -> Callable[[Injection, Command], None]:
    def send(injection: Injection, command: Command) -> None:
        workers = command.children() or [command.process.pid]
        with contextlib.suppress(ProcessLookupError):
            os.kill(injection.chance.choice(workers), number)

    return send


def _kill_all(injection: Injection, command: Command) -> None:
    for process in injection.subject.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _interrupt_twice(injection: Injection, command: Command) -> None:
    command.signal(signal.SIGINT)
    if injection.chance.random() < 0.5:
        before = command.said
        injection.subject.wait_for(lambda: command.said != before, command)
    command.signal(signal.SIGINT)


def _stop_and_continue(injection: Injection, command: Command) -> None:
    """Stop some of the processes, let the others run as far as they come, and let them go on."""
    subject = injection.subject
    processes = injection.chance.choice(([command.process.pid], command.children(), subject.processes()))
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
    injection.said.append(f"{len(processes)} of {len(subject.processes())} stopped")
    other = None
    if injection.chance.random() < 0.4:
        injection.said.append("a second sweeper meanwhile")
        other = subject.start()
        count = len(subject.finished_folders())
        with contextlib.suppress(DidNotHappenError):  # it waits for a lock that a stopped process has
            subject.wait_for(lambda: len(subject.finished_folders()) > count, other, seconds=8.0)
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)
    if other is not None:
        injection.end(other)


def _two_sweepers(injection: Injection) -> None:
    """Start the command twice, and end one of them in some way."""
    subject, chance = injection.subject, injection.chance
    one, other = subject.start(), subject.start()
    allowed: tuple[int, ...] = ()
    if injection.moment(one):
        number = chance.choice((None, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
        injection.said.append(f"one of them is sent {number.name if number else 'nothing'}")
        if number is not None:
            one.signal(number)
            allowed = (-number, 128 + number)
    injection.end(one, *allowed)
    injection.end(other)


def _pick(injection: Injection, pattern: str) -> Path | None:
    found = sorted(injection.subject.study.glob(pattern))
    return injection.chance.choice(found) if found else None


_FILES = {
    "a trial's result.json": "trials/*/result.json",
    "a trial's last.ckpt": "trials/*/checkpoints/last.ckpt",
    "a trial's best.ckpt": "trials/*/checkpoints/best.ckpt",
    "a trial's .hydra": "trials/*/.hydra",
    "a trial's folder": "trials/*",
    "study.json": "study.json",
    "conf": "conf",
    "a file of conf": "conf/*/*/*.yaml",
    "the main file of conf": "conf/*/train.yaml",
    "multirun.yaml": "multirun.yaml",
    "trials.csv": "trials.csv",
    "best.yaml": "best.yaml",
    "report.html": "report.html",
    "analysis.json": "analysis.json",
}
_LOCKS = (".study.lock", ".journal.log.lock", ".leases/*", ".claims/*", "trials/*/.lock")


@contextlib.contextmanager
def _kept(injection: Injection, path: Path) -> Iterator[Callable[[], None]]:
    """Keep a copy of a file or folder; yields what puts it back in its place."""
    copy = injection.subject.folder / "kept"
    if path.is_dir():
        shutil.copytree(path, copy)
    else:
        shutil.copyfile(path, copy)

    def restore() -> None:
        _remove(path)
        shutil.move(copy, path)

    yield restore
    _remove(copy)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _spoil(chance: Random, path: Path) -> str:
    """Remove, empty, cut or change a file; return what was done."""
    how = "removed" if path.is_dir() else chance.choice(("removed", "removed", "cut", "emptied", "changed"))
    if how == "removed":
        _remove(path)
        return how
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: chance.randrange(len(content))] if content else content
    elif how == "emptied":
        content = bytearray()
    elif content:
        content[0 if path.suffix in (".json", ".yaml") else chance.randrange(len(content))] ^= 0x80
    path.write_bytes(content)
    return how


def _spoiled_at_rest(injection: Injection) -> None:
    """Spoil a file of a study that nobody runs; if the study is refused then, the file is put back."""
    injection.begin()
    name = injection.chance.choice(list(_FILES))
    path = _pick(injection, _FILES[name])
    if path is None:
        injection.said.append(f"{name}: there is none")
        return
    with _kept(injection, path) as restore:
        injection.ledger.damage(injection.subject, path)
        injection.said.append(f"{name} {_spoil(injection.chance, path)}")
        if injection.go_on(2) == 2:
            injection.said.append("put back")
            restore()


def _spoiled_under_way(injection: Injection) -> None:
    """Remove a file of a study that runs; if the study is refused then or later, the file is put back."""
    command = injection.subject.start()
    if not injection.moment(command):
        injection.end(command)
        return
    name = injection.chance.choice(list(_FILES))
    path = _pick(injection, _FILES[name])
    if path is None:
        injection.said.append(f"{name}: there is none")
        injection.end(command)
        return
    with contextlib.ExitStack() as stack:
        try:
            restore = stack.enter_context(_kept(injection, path))
        except (OSError, shutil.Error):
            injection.said.append(f"{name} changed meanwhile")
            injection.end(command)
            return
        injection.ledger.damage(injection.subject, path)
        _remove(path)
        injection.said.append(f"{name} removed")
        code = injection.end(command, 2)
        if code == 2 or injection.go_on(2) == 2:
            injection.said.append("put back")
            restore()


def _locks_removed(injection: Injection) -> None:
    """Remove locks and leases under one sweeper, or under two."""
    subject = injection.subject
    commands = [subject.start() for _ in range(injection.chance.choice((1, 2)))]
    injection.said.append(f"{len(commands)} sweepers")
    if injection.moment(commands[0]):
        patterns = [pattern for pattern in _LOCKS if injection.chance.random() < 0.6]
        for path in [path for pattern in patterns for path in sorted(subject.study.glob(pattern))]:
            path.unlink(missing_ok=True)
            injection.said.append(f"{path.relative_to(subject.study)} removed")
    for command in commands:
        injection.end(command)


def _journal(name: str, spoil: Callable[[Random, bytes], bytes], *, refused: bool = False) -> tuple[str, Fault]:
    def fault(injection: Injection) -> None:
        injection.begin()
        journal = injection.subject.study / "journal.log"
        if injection.subject.lines() == 0:
            injection.said.append("there is no journal")
            return
        with _kept(injection, journal) as restore:
            journal.write_bytes(spoil(injection.chance, journal.read_bytes()))
            if refused:  # whatever else would happen to it meanwhile, it must be put back
                injection.end(injection.subject.start(), 2)
                injection.said.append("put back")
                restore()
            else:
                injection.go_on()

    return name, fault


def _written_last(content: bytes) -> tuple[bytes, int]:
    """Return a journal, and the length of a last record of which the disk may have only a part.

    The folder of a trial is forced to the disk before anything is written there: a further record follows it.
    """
    last = content.splitlines(keepends=True)[-1]
    if b'"user_attr":{"folder"' in last:
        content, last = content + last, last
    return content, len(last)


def _torn(chance: Random, content: bytes) -> bytes:
    content, last = _written_last(content)
    return content[: -chance.randint(1, last)]


def _zeroed(chance: Random, content: bytes) -> bytes:
    content, last = _written_last(content)
    size = chance.randint(1, last)
    return content[:-size] + bytes(size + chance.choice((0, 0, 4096)))


def _garbage(chance: Random, content: bytes) -> bytes:
    return content + chance.choice((b'{"op_code":5,"work', b"\x00\xff\x00\n\x01", b"\n\n{]\n", b"\x00" * 600))


def _flipped(chance: Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    index = chance.randrange(max(1, len(lines) - 1))
    lines[index] = b"\xfb" + lines[index][1:]
    return b"".join(lines)


def _failing_call(injection: Injection) -> None:
    """Let one call, or some in a row, of the bookkeeping fail."""
    chance, left = injection.chance, injection.subject.kind.n_trials
    sabotage = {
        "calls": [chance.choice(_BOOKKEEPING)],
        "error": chance.choice(_ERRORS),
        "who": chance.choice(("driver", "worker", "any")),
        "after": int(chance.random() ** 2 * left * 10),
        "times": chance.choice((1, 1, 2, 5)),
    }
    injection.said.append(f"{sabotage['who']}, call {sabotage['after'] + 1}, {sabotage['times']} times")
    command = injection.subject.start(sabotage)
    injection.end(command, 1, 2)
    injection.said.append(injection.subject.met())


def _full_from_then_on(injection: Injection) -> None:
    """Let every writing call fail from some moment on, as on a full or read-only disk."""
    chance = injection.chance
    sabotage = {
        "calls": chance.choice((["write"], ["write", "fsync"], ["open", "mkdir", "rename", "write"])),
        "error": chance.choice(("ENOSPC", "EROFS", "EIO")),
        "after": int(chance.random() ** 2 * injection.subject.kind.n_trials * 12),
        "times": None,
    }
    injection.said.append(f"after {sabotage['after']}")
    command = injection.subject.start(sabotage)
    injection.end(command, 1, 2)
    injection.said.append(injection.subject.met())


def _killed_in_a_call(injection: Injection) -> None:
    chance = injection.chance
    sabotage = {
        "calls": [chance.choice(("write", "rename", "fsync"))],
        "error": "KILL",
        "who": chance.choice(("driver", "worker")),
        "after": int(chance.random() ** 2 * injection.subject.kind.n_trials * 10),
    }
    injection.said.append(f"{sabotage['who']}, call {sabotage['after'] + 1}")
    command = injection.subject.start(sabotage)
    injection.end(command, 1, -signal.SIGKILL)  # 1 where no worker lived to end a trial
    injection.said.append(injection.subject.met())


def _small_disk(injection: Injection) -> None:
    """Let the disk be full for real, where the operating system lets us make one; then make room."""
    room = injection.chance.choice((8, 30, 60, 120, 250, 500)) * 1024
    injection.said.append(f"{room} bytes")
    if not injection.subject.move_to_small_disk(room):
        injection.said.append("not possible here")
        return
    injection.end(injection.subject.start(), 1, 2)
    injection.subject.enlarge_small_disk()


def _limited_size(injection: Injection) -> None:
    """Let no file grow beyond some kilobytes, as on a disk that is full for large files."""
    limit = injection.chance.choice((1, 3, 6, 12, 25)) * 1024
    injection.said.append(f"{limit} bytes")
    command = injection.subject.start(preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    injection.end(command, 1, 2)  # 1 where no trial could write its checkpoint


def _clock(injection: Injection) -> None:
    chance = injection.chance
    sabotage = {
        "calls": list(_BOOKKEEPING),
        "after": chance.randrange(injection.subject.kind.n_trials * 10),
        "clock": chance.choice((-86400.0, -3600.0, 3600.0, 86400.0 * 365)),
    }
    command = injection.subject.start(sabotage)
    injection.end(command)
    injection.said.append(injection.subject.met())


def _hung_up(injection: Injection, command: Command) -> None:
    command.signal_all(signal.SIGHUP)


FAULTS: dict[str, Fault] = dict(
    [
        _signalled("driver killed", _send(signal.SIGKILL), -signal.SIGKILL),
        _signalled("worker killed", _to_worker(signal.SIGKILL), -signal.SIGKILL),
        _signalled("all processes killed", _kill_all, -signal.SIGKILL),
        _signalled("SIGTERM", _send(signal.SIGTERM), 143, -signal.SIGTERM),
        _signalled("SIGTERM to a worker", _to_worker(signal.SIGTERM), 143),
        _signalled("SIGINT", _send(signal.SIGINT), 130),
        _signalled("SIGINT twice", _interrupt_twice, 130),
        _signalled("SIGHUP", _hung_up, 129, -signal.SIGHUP),
        _signalled("SIGSTOP and SIGCONT", _stop_and_continue),
        ("two sweepers", _two_sweepers),
        ("a file spoiled at rest", _spoiled_at_rest),
        ("a file removed under way", _spoiled_under_way),
        ("locks removed", _locks_removed),
        _journal("journal torn", _torn),
        _journal("journal's end zeroed", _zeroed),
        _journal("garbage behind the journal", _garbage),
        _journal("journal changed in the middle", _flipped, refused=True),
        ("a failing call", _failing_call),
        ("all calls fail from then on", _full_from_then_on),
        ("killed in a call", _killed_in_a_call),
        ("disk full", _small_disk),
        ("files of limited size", _limited_size),
        ("clock jumps", _clock),
    ]
)

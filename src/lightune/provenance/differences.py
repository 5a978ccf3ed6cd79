"""What has changed since a run was trained: what it ran on, its code, its data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightune.provenance.recorded import Recorded
from lightune.reporting.environment import collect_environment
from lightune.reporting.repository import Changes, changes_here
from lightune.wording import counted

__all__ = ["Difference", "differences", "what_is_the_same"]

_NONE = "none"
_SHORT = 12  # digits of a commit or digest that are shown
_MOST_PACKAGES = 12


@dataclass(frozen=True)
class Difference:
    """One thing that is not what it was.

    Args:
        what: it is.
        then: what the run had.
        now: what there is.
    """

    what: str
    then: str
    now: str


def differences(recorded: Recorded, *, device: str, code: str | None, data: str | None) -> list[Difference]:
    """Return what differs from what a run recorded; what it did not record is passed over.

    Args:
        recorded: of the run.
        device: on which it is to be trained, as a result names it.
        code: digest of the user's own code that is loaded.
        data: their fingerprint; None if they do not tell.
    """
    now, then = collect_environment(), recorded.environment
    said = recorded.provenance
    found = [
        *_of_packages(_texts(then.get("packages")), now["packages"], whole="threads" in then),
        *_differing("Python", _plain(then.get("python")), now["python"], loose=True),
        *_differing("system", then.get("platform"), now["platform"]),
        *_of_processor(then, now),
        *_differing("device", said.get("device"), device),
        *_differing("code", _short(said.get("code")), _short(code)),
        *_of_git(recorded, changes_here()),
        *_differing("data", _short(said.get("data")), _short(data)),
    ]
    return [each for each in found if each.then != each.now]


def what_is_the_same(recorded: Recorded, found: Sequence[Difference]) -> str:
    """Return what was compared and does not differ, as a list in words; empty where nothing was recorded."""
    differing = {each.what.partition(" ")[0] for each in found}
    then, said = recorded.environment, recorded.provenance
    count = len(_texts(then.get("packages")))
    packages = [counted(count, "package")] if count and "package" not in differing else []
    known = {
        "Python": then.get("python"), "processor": then.get("cpu"), "threads": then.get("threads"),
        "device": said.get("device"), "code": said.get("code"), "commit": recorded.git.get("commit"),
        "data": said.get("data"),
    }  # fmt: skip
    return ", ".join([*packages, *(name for name, value in known.items() if value and name not in differing)])


def _of_packages(then: Mapping[str, str], now: Mapping[str, str], *, whole: bool) -> Iterator[Difference]:
    """Yield packages of other versions, those that are gone, and where all were recorded, how many are new."""
    changed = [name for name in then if now.get(name) != then[name]]
    for name in changed[:_MOST_PACKAGES]:
        yield Difference(f"package {name}", then[name], now.get(name, _NONE))
    if len(changed) > _MOST_PACKAGES:
        yield Difference("package …", f"{len(changed) - _MOST_PACKAGES} more", "others")
    new = [name for name in now if name not in then] if whole else []
    if new:
        yield Difference("packages that were not there", _NONE, _listed(new))


def _of_processor(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    cpu, threads = then.get("cpu") or {}, then.get("threads") or {}
    yield from _differing("processor", cpu.get("model"), now["cpu"]["model"])
    yield from _differing("processor's instructions", cpu.get("capability"), now["cpu"]["capability"])
    yield from _differing("threads", threads.get("intra"), now["threads"]["intra"])
    for name, value in (then.get("libraries") or {}).items():
        yield from _differing(name, _has(value), _has(now["libraries"].get(name)))
    if "variables" in then:
        before, after = _texts(then["variables"]), now["variables"]
        for name in sorted({*before, *after}):
            yield Difference(f"variable {name}", before.get(name, _NONE), after.get(name, _NONE))
    if then.get("cuda") and now["cuda"]:
        for name in ("version", "cudnn"):
            yield from _differing(f"CUDA {name}", then["cuda"].get(name), now["cuda"][name])


def _of_git(recorded: Recorded, changes: Changes | None) -> Iterator[Difference]:
    then = recorded.git
    if not then:
        return
    if changes is None:
        yield Difference("commit", _short(then.get("commit")) or _NONE, "no repository here")
        return
    yield from _differing("commit", _short(then.get("commit")), _short(changes.commit))
    before = recorded.diff if then.get("dirty") else b""
    if before is None:
        yield Difference("changes that were not committed", "lost", "some" if changes.diff else _NONE)
    elif before != changes.diff:
        yield Difference("changes that were not committed", _files_of(before), _others(before, changes.diff))


def _files_of(diff: bytes) -> str:
    count = sum(line.startswith(b"diff --git ") for line in diff.splitlines())
    return counted(count, "file") if count else _NONE


def _others(before: bytes, after: bytes) -> str:
    now = _files_of(after)
    return f"{now}, others" if now == _files_of(before) else now


def _differing(what: str, then: object, now: object, *, loose: bool = False) -> Iterator[Difference]:
    """Yield a difference; where nothing was recorded, none. Loose: the one may say more than the other."""
    if then is None:
        return
    before, after = str(then), str(now) if now is not None else _NONE
    if not (loose and (before.startswith(after) or after.startswith(f"{before} "))):
        yield Difference(what, before, after)


def _plain(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _short(value: object) -> str | None:
    return value[:_SHORT] if isinstance(value, str) else None


def _has(value: object) -> str:
    return "yes" if value else "no"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_PACKAGES
    return ", ".join([*names[:_MOST_PACKAGES], *([f"{more} more"] if more > 0 else [])])


def _texts(value: object) -> dict[str, str]:
    """Return a mapping of texts; a record may be somebody else's, or damaged."""
    if not isinstance(value, dict):
        return {}
    return {str(name): text for name, text in value.items() if isinstance(text, str)}

"""`lightune clean`: what runs and studies take on disk, and their removal; nothing is removed without `--yes`.

This module must not import Optuna, torch or Lightning.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightune.cli.arguments import typed_path
from lightune.cli.listing import Entry, entries_below
from lightune.cli.records import print_records
from lightune.errors import ConfigError, Problem
from lightune.paths import STUDY_FILE, shown_path
from lightune.report.disk_use import KINDS, Item, item_of_folder, items_of_run, items_of_study
from lightune.report.filters import parse_where, selected
from lightune.report.run_data import is_run
from lightune.runtime.plain_text import escaped, say
from lightune.study.outputs.reader import OUTPUTS, found
from lightune.wording import counted

__all__ = ["add_arguments", "clean"]

_DAY = 86_400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune clean` takes."""
    add = parser.add_argument
    add(
        "root",
        type=typed_path,
        nargs="?",
        default=Path(OUTPUTS),
        metavar="ROOT",
        help="an output_root, or one run or study (default: outputs)",
    )
    for kind, what in KINDS.items():
        add(f"--{kind}", action="store_true", help=f"remove {what}")
    add("--where", metavar="CONDITIONS", help='of which ones, as for `lightune list`: "value < 0.9"')
    add("--older", type=float, metavar="DAYS", help="of those that nothing was written to for so many days")
    add("--yes", action="store_true", help="remove it; without this it is only shown")
    add("--json", action="store_true", help="print JSON instead of lines")


def clean(options: argparse.Namespace, program: str) -> None:
    """Show what can be removed, by kind; or show, or remove, what is asked for.

    Args:
        options: as `add_arguments` declares them.
        program: what trains here, as it is typed.

    Raises:
        ConfigError: if an option cannot be used, or something leads out of the folders; nothing was removed.
    """
    options.root = found(options.root)
    asked = [kind for kind in KINDS if getattr(options, kind)]
    _require_sense(options, asked)
    entries = list(_entries(options, program))
    items = list(_items(options, entries))
    chosen = [item for item in items if item.kind in asked]
    if "checkpoints" in asked:  # the last are among them
        whole = {item.folder for item in chosen if item.kind == "checkpoints"}
        chosen = [item for item in chosen if item.kind != "last" or item.folder not in whole]
    removed = [] if not options.yes else [item for item in chosen if _is_removed(item)]
    running = [entry for entry in entries if entry.status == "running"]
    if options.json:
        shown = [
            {"kind": item.kind, "folder": str(item.folder), "files": item.files, "bytes": item.bytes,
             "removed": item in removed}
            for item in (chosen if asked else items)
        ]  # fmt: skip
        print(escaped(json.dumps(shown, indent=2, ensure_ascii=False)))
        return
    if not asked:
        _show_kinds(options.root, entries, items)
    else:
        _show_chosen(chosen, removed, done=options.yes)
    for entry in running:
        say(f"left alone: {shown_path(entry.folder)}, which is at work")


def _require_sense(options: argparse.Namespace, asked: Sequence[str]) -> None:
    """Refuse options that say nothing together.

    Raises:
        ConfigError: with all of them.
    """
    problems = []
    if options.yes and not asked:
        kinds = ", ".join(f"--{kind}" for kind in KINDS)
        problems.append(Problem("--yes", f"needs what is to be removed: {kinds}"))
    if options.older is not None and not options.older >= 0:
        problems.append(Problem("--older", f"must be a number of days >= 0, got {options.older:g}"))
    if options.cache and ((options.root / STUDY_FILE).is_file() or is_run(options.root)):
        rule = f"is for an output_root, whose runs and studies share it, got {options.root}"
        problems.append(Problem("--cache", rule))
    if not options.root.is_dir():
        problems.append(Problem("ROOT", f"must be a folder of runs and studies, got {options.root}"))
    if problems:
        raise ConfigError(problems)


def _entries(options: argparse.Namespace, program: str) -> Iterator[Entry]:
    """Yield the runs and studies that are asked for."""
    root: Path = options.root
    single = root if (root / STUDY_FILE).is_file() or is_run(root) else None
    levels = 2 if (root / STUDY_FILE).is_file() else 3
    base = root if single is None else root.absolute().parents[levels - 1]
    entries = entries_below(base, program)
    if single is not None:
        entries = [entry for entry in entries if entry.folder.resolve() == single.resolve()]
        if not entries:
            rule = "must lie in an output_root, in studies/ or runs/NAME/"
            raise ConfigError([Problem("ROOT", f"{rule}, got {root}; give the output_root")])
    cells = selected(entries, Entry.cells, where=parse_where(options.where), sort=None, reverse=False)
    before = time.time() - options.older * _DAY if options.older is not None else None
    for entry in cells:
        if before is None or _written(entry.folder) <= before:
            yield entry


def _items(options: argparse.Namespace, entries: Sequence[Entry]) -> Iterator[Item]:
    for entry in entries:
        if entry.status in ("running", "damaged"):
            continue
        if entry.kind == "study":
            yield from items_of_study(entry.folder)
        else:
            yield from items_of_run(entry.folder, entry.status)
    cache = options.root / "cache"
    narrowed = options.where is not None or options.older is not None
    in_use = any(entry.status == "running" for entry in entries)
    if cache.is_dir() and not cache.is_symlink() and not narrowed and not in_use:
        yield item_of_folder("cache", cache)


def _written(folder: Path) -> float:
    """Return when something was last written directly into a folder, or to its result."""
    times = [path.lstat().st_mtime for path in folder.iterdir()]
    return max([folder.stat().st_mtime, *times])


def _is_removed(item: Item) -> bool:
    try:
        item.remove()
    except (OSError, ConfigError) as error:
        reason = (error.strerror or error) if isinstance(error, OSError) else error.problems[0].message
        say(f"left alone: {shown_path(item.folder)}: {reason}", error=True)
        return False
    return True


def _show_kinds(root: Path, entries: Sequence[Entry], items: Sequence[Item]) -> None:
    """Print what can be removed, by kind."""
    if not items:
        say(f"nothing can be removed of {counted(len(entries), 'run and study', 'runs and studies')} below {root}")
        return
    records = []
    for kind, what in KINDS.items():
        of_kind = [item for item in items if item.kind == kind]
        if of_kind:
            records.append([f"--{kind}", _size(of_kind), what])
    print_records(records, ["option", "takes", "what"])
    say("nothing was removed; an option shows its files, and --yes removes them")


def _show_chosen(chosen: Sequence[Item], removed: Sequence[Item], *, done: bool) -> None:
    if not chosen:
        say("there is nothing to remove")
        return
    if done:
        say(f"removed {_size(removed)}")
        return
    folders: dict[Path, list[Item]] = {}
    for item in chosen:
        folders.setdefault(item.folder, []).append(item)
    print_records([[shown_path(folder), _size(of)] for folder, of in folders.items()])
    say(f"would remove {_size(chosen)}; --yes removes it")


def _size(items: Sequence[Item]) -> str:
    """Return how many files there are, and what they take."""
    count, size = (sum(getattr(item, name) for item in items) for name in ("files", "bytes"))
    return f"{counted(count, 'file')}, {size / 1e6:,.1f} MB"

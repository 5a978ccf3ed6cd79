"""Inject faults into studies, by seed: `make soak SEED=0 FAULTS=50`.

Prints each fault, what it did and what did not hold after it, and a verdict of one line at the end. The exit code
is 1 if an invariant broke; the study's folder is then kept, and the command that repeats it is printed.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from optuna.trial import TrialState

from soak.faults import FAULTS, Injection
from soak.invariants import Ledger, after_a_command, at_the_end, point_of
from soak.studies import KINDS, Kind
from soak.subject import DidNotHappenError, Subject

_MOST_STARTS = 3  # of the command until a study must have come to its end
_WEIGHTS = {"a failing call": 4, "a file spoiled at rest": 3, "a file removed under way": 2, "killed in a call": 3,
            "all calls fail from then on": 2, "locks removed": 2}  # fmt: skip


class Soak:
    """Studies into which faults are injected.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._figures: dict[str, dict[tuple[tuple[str, object], ...], float]] = {}
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []

    def study(self, seed: int, faults: int, only: Sequence[str] = (), kind: str | None = None) -> int:
        """Inject faults into the study of a seed; return how many there were."""
        chance = Random(seed)
        chosen = chance.choice(KINDS)
        if kind is not None:
            chosen = next(each for each in KINDS if each.name == kind)
        drawn = min(faults, chance.randint(1, 5))
        names = chance.choices(list(FAULTS), [_WEIGHTS.get(name, 1) for name in FAULTS], k=drawn)
        names = chance.choices(only, k=drawn) if only else names
        print(f"study {seed}: {chosen.name}", flush=True)
        subject = Subject(chosen, self._folder / f"study-{seed}")
        ledger = Ledger(figures=self._left_alone(chosen))
        began = len(self.broken)
        try:
            for index, name in enumerate(names):
                self._inject(name, Injection(subject, Random(f"{seed}/{index}"), ledger))
                if len(self.broken) > began:
                    break
            else:
                self._finish(subject, ledger)
        except DidNotHappenError as error:
            self._break(str(error))
        finally:
            subject.clear_away()
        if len(self.broken) == began:
            shutil.rmtree(subject.folder)
        else:
            narrowed = "".join(
                f" {name}='{value}'" for name, value in (("ONLY", ",".join(only)), ("KIND", kind)) if value
            )
            print(f"  kept: {subject.folder}\n  again: make soak SEED={seed} FAULTS={drawn}{narrowed}")
        return drawn

    def _inject(self, name: str, injection: Injection) -> None:
        began = time.monotonic()
        self.counts[name] += 1
        try:
            FAULTS[name](injection)
        finally:
            print(f"  {name}: {', '.join(injection.said)} ({time.monotonic() - began:.0f} s)", flush=True)
        subject, ledger = injection.subject, injection.ledger
        for ended in injection.ended:
            self._check(*after_a_command(subject, ended.command, ended.code, ended.allowed, ledger))
        ledger.take_in(subject)

    def _finish(self, subject: Subject, ledger: Ledger) -> None:
        """Type the command until the study has come to its end, and check what must hold then."""
        for _ in range(_MOST_STARTS):
            command = subject.start()
            code = command.end()
            ended = [trial.state for trial in subject.trials()]
            failed = bool(ended) and all(state == TrialState.FAIL for state in ended)
            self._check(*after_a_command(subject, command, code, {1 if failed else 0}, ledger))
            if code == 0 or failed:
                break
        self._check(*at_the_end(subject, ledger))

    def _check(self, *broken: str) -> None:
        for line in broken:
            self._break(line)

    def _break(self, line: str) -> None:
        self.broken.append(line)
        print(f"  BROKEN: {line}", flush=True)

    def _left_alone(self, kind: Kind) -> dict[tuple[tuple[str, object], ...], float]:
        """Run a study without faults once; return the figure of each point."""
        if kind.name not in self._figures:
            subject = Subject(kind, self._folder / f"alone-{len(self._figures)}")
            self._finish(subject, Ledger())
            trials = [trial for trial in subject.trials() if trial.state == TrialState.COMPLETE]
            self._figures[kind.name] = {point_of(trial): float(trial.value or 0.0) for trial in trials}
        return self._figures[kind.name]


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of the first study; the next has the next")
    parser.add_argument("--faults", type=int, default=20, help="how many to inject, at least")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no other study after these")
    parser.add_argument("--only", default="", help=f"inject faults of these kinds: {', '.join(FAULTS)}")
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS], help="take studies of one kind")
    asked = parser.parse_args()
    only = [name for name in asked.only.split(",") if name]
    if unknown := set(only) - FAULTS.keys():
        parser.error(f"--only: there is no fault {sorted(unknown)}; choose from {', '.join(FAULTS)}")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    soak, injected, studies, began = Soak(folder), 0, 0, time.monotonic()
    while injected < asked.faults and time.monotonic() - began < asked.seconds:
        injected += soak.study(asked.seed + studies, asked.faults - injected, only, asked.kind)
        studies += 1
    seconds = time.monotonic() - began
    kinds = len(soak.counts)
    injections = f"{injected} faults of {kinds} kinds in {studies} studies, {seconds:.0f} s"
    if soak.broken:
        print(f"BROKEN: {len(soak.broken)} invariants did not hold; {injections}; the studies are in {folder}")
        return 1
    shutil.rmtree(folder)
    print(f"sound: every invariant held; {injections}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

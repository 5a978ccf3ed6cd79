"""Groups of trials: what breaks a program breaks only that, and places that are free are taken."""

from types import SimpleNamespace

import pytest
import torch
from epoch_watch import ON, at_epoch
from executor_contexts import context_of
from fused_members import group_of, rows, told
from studies import result_of

from lightune.engine.fused.loop import FusedLoop
from lightune.study.executors.executor import Done, Job
from lightune.study.executors.fused import group_runner
from lightune.study.executors.fused.candidate import Candidate
from lightune.study.executors.fused.group_runner import GroupRunner
from lightune.study.outcome.outcome import Outcome, commit
from lightune.training.fused.equivalence import variants_of
from lightune.training.fused.planner import Group
from lightune.trial import Trial

pytestmark = pytest.mark.long


@pytest.mark.parametrize("error", [RuntimeError("no memory"), torch.OutOfMemoryError("no memory")])
def test_what_breaks_a_program_costs_no_job_and_stops_no_later_one(sweep, monkeypatch, error):
    train_a_round = FusedLoop.round

    def break_the_first(self):
        if len(self.active) == 2:
            raise error
        train_a_round(self)

    monkeypatch.setattr(FusedLoop, "round", break_the_first)
    swept = ("seed=0,1", "model.units=8", "trainer.max_epochs=2", "callbacks.checkpoint.every_seconds=0")
    together, code, said = sweep("fused", *swept)
    assert code == 0, said
    assert f"alone  job 1: its program ended with {type(error).__name__}: no memory" in said
    assert [result_of(trial)["status"] for trial in sorted(together.iterdir())] == ["completed"] * 2
    assert [result_of(trial)["epochs"] for trial in sorted(together.iterdir())] == [2] * 2


def test_jobs_that_are_all_refused_say_why(sweep, tmp_path):
    _, code, said = sweep("fused", "~hydra.callbacks.lightune", "output_root=elsewhere", "seed=0,1")
    assert code == 2, said
    assert "hydra.sweep.dir" in said
    assert "must lie below output_root (elsewhere)" in said
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.usefixtures("_watched_epochs")
def test_what_breaks_the_program_leaves_its_trials_to_themselves(study):
    def break_it():
        raise RuntimeError("no memory")

    with at_epoch(1, break_it):
        folder, code, said = study(
            "optimizer.lr=1e-2,3e-3", "trainer.max_epochs=2", "callbacks.checkpoint.every_seconds=0", ON
        )
    assert code == 0, said
    assert "alone  trial 1: its program ended with RuntimeError: no memory" in said
    assert [row["state"] for row in rows(folder)] == ["completed"] * 2
    assert [told(folder, number)["epochs"] for number in range(2)] == [2, 2]


def test_free_places_are_taken_by_the_next_trials(study):
    swept = ("optimizer.lr=3e-2,1e-5,1e-3,1e-6,1e-2", "seed=0,1", "callbacks.early_stopping.patience=1")
    swept += ("trainer.max_epochs=5", "search=grid")
    together, code, said = study(*swept, "search.fused_width=4")
    assert code == 0, said
    assert said.count("as one program") == 1
    assert "more in free places" in said
    assert "alone" not in said
    alone, _, _ = study(*swept, name="a", launcher="basic")
    for one, other in zip(rows(together), rows(alone), strict=True):
        assert [one[key] for key in ("state", "optimizer.lr", "seed")] == [
            other[key] for key in ("state", "optimizer.lr", "seed")
        ]
    for number in range(10):
        ours, theirs = told(together, number), told(alone, number)
        assert (ours["status"], ours["epochs"]) == (theirs["status"], theirs["epochs"])
        assert ours["metrics"] == pytest.approx(theirs["metrics"], rel=1e-6)


def test_trials_of_another_structure_wait_for_the_end_of_a_program(study):
    swept = ("optimizer.lr=3e-2,1e-6,1e-3", "model.units=16,24", "callbacks.early_stopping.patience=1")
    folder, code, said = study(*swept, "trainer.max_epochs=4", "search=grid", "search.fused_width=5")
    assert code == 0, said
    assert "alone" not in said
    lines = ("program on cpu: 0, 2, 4", "program on cpu: 1, 3", "free places: 5")
    assert [said.count(line) for line in lines] == [1, 1, 1]
    assert [told(folder, number)["epochs"] for number in (0, 2, 4)] == [4, 2, 4]  # a place was free before the end


class Lifecycle:
    """Open and end candidates; some are refused."""

    def __init__(self, refused):
        self._refused = refused

    def open(self, candidate):
        return Done(candidate.number, Outcome("failed")) if candidate.number in self._refused else None

    def grouped_job(self, candidate, report):
        candidate.grouped_job = SimpleNamespace(number=candidate.number, ending=None)
        return candidate.grouped_job

    def end(self, candidate):
        return Done(candidate.number, Outcome(candidate.grouped_job.ending, seconds=candidate.seconds))


class Program:
    """A program whose rounds do as they are told; `grouped_jobs` are those that it has taken."""

    def __init__(self, grouped_jobs, group, places, *, device):
        self.grouped_jobs, self.places, self.device = list(grouped_jobs), places, device
        self.vacant, self.admitted, self.stopped = 0, [], False
        self.happens = lambda: None
        self.suits = lambda member: True

    def round(self):
        self.happens()

    def accepts(self, member):
        return self.suits(member)

    def add_members(self, grouped_job, member, parts):
        self.happens()
        self.vacant -= 1
        self.grouped_jobs.append(grouped_job)
        self.admitted.append(grouped_job.number)

    def stop(self):
        self.stopped = True


class Begun:
    """A group that has begun, of all candidates but those that wait."""

    def __init__(self, folder, variants, waiting, refused, monkeypatch):
        cfgs, whole = group_of(*variants)
        count = len(cfgs) - waiting
        group = Group(whole.indices[:count], whole.members[:count], whole.parts[:count], whole.known)
        group.known.verified.append(variants_of(group.members))
        monkeypatch.setattr(group_runner, "TrialGroup", self._make)
        self.program, self.alone, self.signals = None, [], []
        self.runner = GroupRunner(
            group,
            device="cpu",
            context=context_of(study=folder),
            lifecycle=Lifecycle(refused),
            run_alone=lambda job, reason: self.alone.append((job, reason)),
            on_signal=self.signals.append,
        )
        self.candidates = [
            Candidate(Job(Trial(number), ()), SimpleNamespace(task=cfg), folder / str(number))
            for number, cfg in enumerate(cfgs)
        ]
        for candidate in self.candidates:
            candidate.folder.mkdir()
        self.waiting = self.candidates[count:]
        self.events = self.runner.begin(self.candidates[:count])

    def _make(self, *given, **how):
        self.program = Program(*given, **how)
        return self.program


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Begin a group whose program is a stand-in."""

    def make(*variants, waiting=0, refused=()):
        variants = variants or ({"seed": 0}, {"seed": 1}, {"seed": 2})
        return Begun(tmp_path, variants, waiting, refused, monkeypatch)

    return make


def test_a_program_is_made_of_those_whose_folders_could_be_opened(begun, capsys):
    one = begun(refused=[1])
    assert [(event.number, event.outcome.status) for event in one.events] == [(1, "failed")]
    assert ([each.number for each in one.program.grouped_jobs], one.program.places) == ([0, 2], [0, 2])
    assert [candidate.task is not None for candidate in one.candidates] == [True, False, True]
    assert capsys.readouterr().out == "fused  3 trials as one program on cpu: 0-2\n"
    assert not one.runner.is_over


def test_a_group_whose_trials_are_all_refused_is_over(begun):
    one = begun(refused=[0, 1, 2])
    assert (len(one.events), one.program, one.runner.is_over) == (3, None, True)
    assert one.runner.round() == []
    one.runner.stop()


def test_trials_end_with_the_round_in_which_they_end_and_share_its_time(begun, monkeypatch):
    one = begun()
    clock = iter([0.0, 6.0, 6.0, 10.0, 10.0, 11.0])
    monkeypatch.setattr(group_runner.time, "perf_counter", lambda: next(clock))
    assert one.runner.round() == []
    one.program.happens = lambda: setattr(one.program.grouped_jobs[1], "ending", "pruned")
    (ended,) = one.runner.round()
    assert (ended.number, ended.outcome.status) == (1, "pruned")
    assert ended.outcome.seconds == pytest.approx(6 / 3 + 4 / 3)
    one.program.happens = lambda: [setattr(each, "ending", "completed") for each in one.program.grouped_jobs]
    assert [event.number for event in one.runner.round()] == [0, 2]
    assert one.runner.is_over


def test_free_places_go_to_those_that_fit_in_their_order(begun, capsys):
    variants = [{"seed": 0}, {"seed": 1}, {"model.units": 8}, {"seed": 3}, {"seed": 4}, {"seed": 5}]
    one = begun(*variants, waiting=4)
    assert one.runner.join(one.waiting) == []  # there is no place
    one.program.vacant = 2
    assert one.runner.join(one.waiting) == []
    assert one.program.admitted == [3, 4]
    assert [candidate.task is not None for candidate in one.candidates[2:]] == [False, True, True, False]
    assert [candidate.number for candidate in one.waiting] == [2, 5]
    assert "fused  2 more in free places: 3-4\n" in capsys.readouterr().out
    one.program.vacant, one.program.suits = 1, lambda member: False
    one.runner.join(one.waiting)
    assert [candidate.number for candidate in one.waiting] == [2, 5]


def test_what_was_not_compared_waits_for_a_program_of_its_own(begun):
    one = begun({"seed": 0}, {"seed": 1}, {"regularization.l1": 0.1}, {"seed": 3}, waiting=2)
    one.program.vacant = 2
    one.runner.join(one.waiting)
    assert (one.program.admitted, [each.number for each in one.waiting]) == ([3], [2])


def test_a_trial_that_is_refused_when_it_joins_leaves_its_place_to_the_next(begun):
    one = begun(waiting=2, refused=[1])
    one.program.vacant = 1
    (refused,) = one.runner.join(one.waiting)
    assert (refused.number, one.program.admitted, one.waiting) == (1, [2], [])


def break_down():
    raise RuntimeError("no\n  memory")


def test_what_breaks_a_program_leaves_its_trials_to_run_alone_from_where_they_were(begun):
    one = begun()

    def end_one_and_break():
        one.program.grouped_jobs[0].ending = "completed"
        break_down()

    one.program.happens = end_one_and_break
    (ended,) = one.runner.round()
    assert (ended.number, ended.outcome.status) == (0, "completed")
    assert [(job.trial.number, job.trial.resume) for job, _ in one.alone] == [(1, True), (2, True)]
    assert {reason for _, reason in one.alone} == {"its program ended with RuntimeError: no memory"}
    assert one.runner.is_over
    one.runner.stop()
    assert not one.program.stopped  # there is no program any more


def test_a_program_that_cannot_be_made_breaks_only_that(begun, monkeypatch):
    monkeypatch.setattr(Program, "__init__", lambda *given, **how: break_down())
    one = begun()
    assert (one.events, one.runner.is_over) == ([], True)
    assert [job.trial.number for job, _ in one.alone] == [0, 1, 2]


def test_a_trial_whose_joining_breaks_the_program_runs_alone_with_the_others(begun):
    one = begun(waiting=1)
    one.program.vacant, one.program.happens = 1, break_down
    assert one.runner.join(one.waiting) == []
    assert [job.trial.number for job, _ in one.alone] == [0, 1, 2]
    assert (one.runner.is_over, one.waiting) == (True, [])


@pytest.mark.parametrize("saved", [True, False], ids=["saved", "not saved"])
def test_a_signal_that_a_program_takes_interrupts_its_trials_and_is_handed_on(begun, saved):
    one = begun()

    def leave():
        for candidate in one.candidates if saved else ():
            commit(candidate.folder, Outcome("interrupted"))
        raise SystemExit(143)

    one.program.happens = leave
    events = one.runner.round()
    assert [(event.number, event.outcome.status) for event in events] == [(n, "interrupted") for n in range(3)]
    assert one.signals == [15]
    assert (one.alone, one.runner.is_over) == ([], True)


def test_a_group_that_is_stopped_saves(begun):
    one = begun()
    one.runner.stop()
    assert one.program.stopped

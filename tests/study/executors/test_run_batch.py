import signal

import pytest
from hydra.core.utils import JobReturn, JobStatus

from lightune.study.executors.executor import Done, Message, Report
from lightune.study.executors.run_batch import batch_context, jobs_of, run_batch
from lightune.study.outcome.outcome import Outcome


class Scripted:
    """An executor with room for two, whose jobs end one at a wait, the newest first."""

    def __init__(self, ends=None, first_events=()):
        self.running, self.most, self.closed, self.interrupted = [], 0, False, False
        self._ends, self._events = ends or {}, list(first_events)

    def free(self):
        return 2 - len(self.running)

    def submit(self, job):
        self.running.append(job)
        self.most = max(self.most, len(self.running))

    def wait(self, seconds):
        if self._events:
            return [self._events.pop(0)()]
        if self.interrupted:
            ended, self.running = self.running, []
            return [Done(job.trial.number, Outcome("interrupted")) for job in ended]
        return [self._end(self.running.pop().trial.number)]

    def _end(self, number):
        if number in self._ends:
            return Done(number, self._ends[number])
        returned = JobReturn()
        returned.return_value, returned.status = number * 10, JobStatus.COMPLETED
        return Done(number, Outcome("completed"), returned)

    def interrupt(self):
        self.interrupted = True

    def close(self):
        self.closed = True


def test_jobs_are_numbered_from_the_first():
    jobs = jobs_of([["x=1"], ["x=2"]], 5)
    assert [(job.trial.number, job.overrides) for job in jobs] == [(5, ("x=1",)), (6, ("x=2",))]


def test_returns_come_in_the_order_of_the_jobs_as_many_at_a_time_as_there_is_room():
    executor = Scripted()
    returns = run_batch(jobs_of([[f"x={n}"] for n in range(5)], 0), lambda: executor)
    assert [each.return_value for each in returns] == [0, 10, 20, 30, 40]
    assert executor.most == 2
    assert executor.closed


def test_a_job_without_a_return_has_failed_and_says_of_what():
    executor = Scripted(ends={1: Outcome("failed", None, 1.0, "its process was ended by SIGKILL")})
    first, second = run_batch(jobs_of([["x=0"], ["x=1"]], 0), lambda: executor)
    assert first.status == JobStatus.COMPLETED
    with pytest.raises(RuntimeError, match="job 1: its process was ended by SIGKILL"):
        _ = second.return_value


def test_reports_are_answered_and_messages_printed(capsys):
    answers = []
    events = [lambda: Report(0, 1, 0.5, answers.append), lambda: Message("alone  job 0: it is the only one")]
    run_batch(jobs_of([["x=0"]], 0), lambda: Scripted(first_events=events))
    assert answers == [False]
    assert capsys.readouterr().out == "alone  job 0: it is the only one\n"


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_stops_what_runs_and_begins_nothing_more(number, error):
    executor = Scripted(first_events=[lambda: signal.raise_signal(number) or Message("stopped")])
    with pytest.raises(error):
        run_batch(jobs_of([[f"x={n}"] for n in range(5)], 0), lambda: executor)
    assert executor.interrupted
    assert executor.closed
    assert executor.most == 2


def test_the_context_of_a_batch_belongs_to_no_study():
    context = batch_context(7, config=None, hydra_context=None, task_function=None)
    assert (context.n_left, context.study, context.objectives) == (7, None, None)

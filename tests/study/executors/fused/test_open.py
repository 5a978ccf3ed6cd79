import pytest
from executor_contexts import MINIMIZED, context_of

from lightune.errors import ConfigError
from lightune.study.definition.settings import Settings
from lightune.study.executors.fused import open as opening
from lightune.study.executors.fused.executor import FusedExecutor


@pytest.fixture
def in_workers(monkeypatch):
    """Note what an executor in worker processes is made with, and start none."""
    made = {}
    monkeypatch.setattr(opening, "LocalExecutor", lambda slots, **how: made.update(slots=slots, **how) or made)
    return made


def opened(tmp_path, width=None, **how):
    context = context_of(study=tmp_path, settings=Settings(MINIMIZED, **how), batch_size=16)
    return opening.open_executor(context, fused_width=width)


def test_a_trial_that_has_the_whole_machine_trains_in_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("lightune.study.executors.fused.executor.CandidateLifecycle", lambda context: None)
    monkeypatch.setattr("lightune.study.executors.in_process.Composer", lambda *_: None)
    executor = opened(tmp_path, width=8)
    assert isinstance(executor, FusedExecutor)
    assert executor.free() == 8


def test_several_devices_have_a_worker_each(tmp_path, monkeypatch, in_workers):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    opened(tmp_path, width=8)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in in_workers["slots"]] == ["0", "1"]
    assert in_workers["capacity"] == 8


def test_several_devices_for_a_trial_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"search.gpus_per_job +must be 1 where trials train together.*got 2"):
        opened(tmp_path, gpus_per_job=2)


def test_a_worker_of_groups_serves_as_many_as_it_was_told(monkeypatch):
    served = []
    monkeypatch.setattr(
        "lightune.study.executors.fused.worker_loop.serve_groups",
        lambda worker, **how: served.append((worker, how)),
    )
    opening.serving_groups(16, 4)("the worker")
    assert served == [("the worker", {"size": 16, "fused_width": 4})]

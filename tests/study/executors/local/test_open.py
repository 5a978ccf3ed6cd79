import pytest
from executor_contexts import MINIMIZED, context_of

from lightune.study.definition.settings import Settings
from lightune.study.executors.local import open as opening
from lightune.study.executors.local.worker_handle import Slot


@pytest.fixture
def opened(monkeypatch):
    """Open an executor without starting a process; return what it was made with."""
    made = {}

    def stand_in(slots, **how):
        made.update(slots=slots, **how)
        return made

    monkeypatch.setattr(opening, "LocalExecutor", stand_in)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    return lambda context, n_jobs=2: opening.open_executor(context, n_jobs=n_jobs)


def test_a_study_has_the_places_that_its_settings_say(opened, tmp_path):
    context = context_of(study=tmp_path, settings=Settings(MINIMIZED, n_jobs=3), owner="me")
    made = opened(context)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in made["slots"]] == ["0", "1", "2"]
    assert (made["owner"], made["objectives"]) == ("me", MINIMIZED)


def test_a_batch_has_as_many_places_as_the_launcher_says_on_all_devices(opened):
    made = opened(context_of(), n_jobs=2)
    assert made["slots"] == [Slot()] * 2
    assert made["objectives"] is None


def test_there_are_no_more_places_than_trials(opened, tmp_path):
    assert len(opened(context_of(study=tmp_path, n_left=1))["slots"]) == 1

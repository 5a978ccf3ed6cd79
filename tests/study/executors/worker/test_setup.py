import threading

import cloudpickle
from executor_contexts import MINIMIZED, context_of
from hydra.core.singleton import Singleton

from lightune.study.definition.settings import Settings
from lightune.study.executors.context import never_stop, no_folder
from lightune.study.executors.worker.setup import packed_setup


def test_a_worker_gets_what_its_trials_belong_to(tmp_path):
    sent = cloudpickle.loads(packed_setup(context_of(lambda cfg: 7, study=tmp_path), serve=len))
    assert sent.context.study == tmp_path
    assert sent.context.objectives == MINIMIZED
    assert sent.context.task_function(None) == 7
    assert sent.serve is len


def test_the_password_of_a_storage_stays_with_the_driver(tmp_path):
    settings = Settings(MINIMIZED, storage="postgresql://me:secret-word@host/db")
    packed = packed_setup(context_of(study=tmp_path, settings=settings))
    assert b"secret-word" not in packed
    assert cloudpickle.loads(packed).context.settings.storage is None


def test_what_only_the_driver_can_do_is_left_out(tmp_path):
    lock = threading.Lock()  # which cannot travel
    context = context_of(study=tmp_path, note_folder=lambda *_: lock, report=lambda *_: lock)
    sent = cloudpickle.loads(packed_setup(context)).context
    assert sent.note_folder is no_folder
    assert sent.report is never_stop


def test_the_state_of_hydra_goes_along():
    assert cloudpickle.loads(packed_setup(context_of())).singletons.keys() == Singleton.get_state().keys()

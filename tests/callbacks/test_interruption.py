import os
import signal
import threading

import pytest
from pytorch_lightning import Callback

from lightune.callbacks import BestAndLast, Interruption
from lightune.callbacks.interruption import StopRequested
from lightune.checkpoints import read_checkpoint
from lightune.runtime.signals import heard_by, raise_left


class Signals(Callback):
    """Sends this process signals when a hook is reached for the n-th time."""

    def __init__(self, hook, signums, *, at=1):
        super().__init__()
        self.count = 0

        def reached(*arguments, **named):
            self.count += 1
            if self.count == at:
                for signum in signums:
                    os.kill(os.getpid(), signum)

        setattr(self, hook, reached)


@pytest.fixture
def stopped(fit_scripted, tmp_path):
    """Train four epochs of two batches, be stopped; return the interruption and the step that was saved."""

    def run(hook, *signums, at=1, **settings):
        interruption = Interruption()
        callbacks = [interruption, Signals(hook, signums or [signal.SIGTERM], at=at), BestAndLast()]
        with interruption.watching(), pytest.raises(StopRequested):
            fit_scripted([0.1, 0.2, 0.3, 0.4], callbacks=callbacks, enable_checkpointing=True, **settings)
        path = tmp_path / "checkpoints" / "last.ckpt"
        return interruption, read_checkpoint(path)["global_step"] if path.exists() else None

    return run


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_exit_code_is_what_a_shell_expects(stopped, signum):
    assert stopped("on_train_batch_end", signum)[0].exit_code == 128 + signum


def test_a_stop_that_came_from_elsewhere_counts_as_ctrl_c():
    assert Interruption().exit_code == 130


@pytest.mark.parametrize(
    ("hook", "at", "saved"),
    [
        ("on_train_start", 1, None),
        ("on_train_batch_start", 3, 3),
        ("on_before_optimizer_step", 3, 3),
        ("on_train_batch_start", 4, 4),
        ("on_validation_start", 1, 2),
        ("on_train_epoch_end", 2, 4),
    ],
    ids=str,
)
def test_it_saves_after_the_step_that_is_being_taken_or_the_epoch_that_ends(stopped, hook, at, saved):
    assert stopped(hook, at=at)[1] == saved


def test_gradients_that_are_pending_are_waited_for(stopped):
    assert stopped("on_train_batch_start", at=1, accumulate_grad_batches=2)[1] == 1  # two batches a step


def test_a_second_signal_does_not_wait(stopped):
    assert stopped("on_train_batch_start", signal.SIGTERM, signal.SIGTERM, at=5)[1] == 2  # the first epoch's


def test_a_signal_before_any_training_stops_at_once():
    interruption = Interruption()
    with interruption.watching(), pytest.raises(StopRequested, match="SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.exit_code == 143


def test_the_handlers_from_before_are_given_back():
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    with Interruption().watching():
        assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_thread_that_cannot_listen_trains_all_the_same(fit_scripted):
    failures = []

    def train():
        try:
            interruption = Interruption()
            with interruption.watching():
                fit_scripted([0.1], callbacks=[interruption])
                interruption.stop_if_asked()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failures.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert failures == []


def test_a_signal_that_comes_too_late_to_stop_a_run_is_left_to_others():
    interruption, heard = Interruption(), []
    with heard_by(lambda number, frame: heard.append(number)):
        with interruption.watching():
            interruption.defer()
            signal.raise_signal(signal.SIGTERM)
        assert (heard, raise_left(), heard) == ([signal.SIGTERM], True, [signal.SIGTERM])


def test_a_signal_that_has_stopped_a_run_is_not_left():
    interruption = Interruption()
    with pytest.raises(StopRequested), interruption.watching():
        signal.raise_signal(signal.SIGTERM)
    assert not raise_left()

from types import SimpleNamespace

import pytest
from pytorch_lightning.callbacks import EarlyStopping

from lightune.callbacks import BestAndLast, Continuation, continuation


@pytest.fixture
def go_on(fit_scripted, tmp_path):
    """Train until patience of one is used up or the figures end; go on with another patience."""

    def run(before, after, *, patience):
        def callbacks(patience):
            stopping = EarlyStopping("val/accuracy", mode="max", patience=patience)
            return [Continuation(), stopping, BestAndLast()]

        fit_scripted(before, callbacks=callbacks(1), enable_checkpointing=True)
        second = callbacks(patience)
        checkpoint = tmp_path / "checkpoints" / "last.ckpt"
        trainer = fit_scripted(
            [*before, *after],
            callbacks=second,
            enable_checkpointing=True,
            ckpt_path=checkpoint,
        )
        return trainer.current_epoch, second[1]

    return run


def test_a_training_that_had_stopped_stays_stopped(go_on):
    epochs, stopping = go_on([0.5, 0.4, 0.3], [0.9, 0.9], patience=1)
    assert epochs == 2
    assert stopping.stopped_epoch == 1


def test_a_larger_patience_lets_it_go_on(go_on):
    epochs, stopping = go_on([0.5, 0.4, 0.3], [0.6, 0.7], patience=2)
    assert stopping.patience == 2
    assert epochs == 3  # 0.4 and 0.3 use it up
    epochs, stopping = go_on([0.5, 0.4, 0.6], [0.7, 0.8], patience=3)
    assert epochs == 5
    assert stopping.stopped_epoch == 0


def test_the_patience_of_a_checkpoint_does_not_replace_the_one_asked_for(go_on):
    _, stopping = go_on([0.1, 0.2], [0.3], patience=7)
    assert stopping.patience == 7


@pytest.mark.parametrize("states", [1, 2], ids=["as many as there are", "one that a callback has added"])
def test_each_schedule_gets_its_own_state(states, monkeypatch):
    """An average of weights adds a schedule while it trains, which is not there yet when a training goes on."""
    given = []
    monkeypatch.setattr(
        continuation, "resume_scheduler", lambda scheduler, state: given.append((scheduler, state))
    )
    monkeypatch.setattr(continuation, "begin_next_epoch", lambda trainer: None)
    own = Continuation()
    saved = [{"last_epoch": number} for number in range(states)]
    own.on_load_checkpoint(None, None, {"lr_schedulers": saved})
    trainer = SimpleNamespace(
        lr_scheduler_configs=[SimpleNamespace(scheduler="cosine")], early_stopping_callbacks=[]
    )
    own.on_train_start(trainer, None)
    assert given == [("cosine", {"last_epoch": 0})]


def test_a_schedule_without_a_state_among_others_that_have_one_is_no_whole_checkpoint(monkeypatch):
    monkeypatch.setattr(continuation, "resume_scheduler", lambda scheduler, state: None)
    own = Continuation()
    own.on_load_checkpoint(None, None, {"lr_schedulers": [{"last_epoch": 0}]})
    configs = [SimpleNamespace(scheduler=name) for name in ("cosine", "step")]
    with pytest.raises(ValueError, match="shorter"):
        own.on_train_start(SimpleNamespace(lr_scheduler_configs=configs, early_stopping_callbacks=[]), None)

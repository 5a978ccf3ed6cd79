"""Runs that take many minibatches a step: cut off between two, they go on to the same bit at any size of step."""

import signal

import pytest

from lightune import compose, resume, train
from lightune.checkpoints import read_checkpoint
from lightune.training.resumable_checkpoints import newest_checkpoint

ALWAYS = "callbacks.checkpoint.every_seconds=0"
MOVING = ("scheduler=warmup_cosine", "model.dropout=0.3", "regularization=gradient_clip")


def size(steps):
    return f"trainer.steps_per_execution={steps}"


@pytest.mark.parametrize("then", [5, 1, 4, "auto"])
def test_a_run_killed_within_an_epoch_goes_on_to_the_same_bit(then, whole, killed, assert_same):
    run_dir = killed(*MOVING, size(5), ALWAYS, after=23, takes_chunks=True)
    checkpoint = read_checkpoint(newest_checkpoint(run_dir))
    assert checkpoint["global_step"] == 18  # 13 steps an epoch: 5, 10, 13, 18, 23
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert (progress["current"]["ready"], progress["total"]["ready"]) == (5, 18)
    assert_same(resume(run_dir, [size(then)]), whole(*MOVING, size(1)))


@pytest.mark.parametrize("then", [1, "auto"])
def test_a_run_whose_samples_are_varied_goes_on_to_the_same_bit(then, whole, killed, assert_same):
    varied = ("augmentation=rotate", "augmentation.brightness=0.3", "augmentation.flip=0.5")
    run_dir = killed(*varied, size(5), ALWAYS, after=23, takes_chunks=True)
    assert read_checkpoint(newest_checkpoint(run_dir))["global_step"] == 18
    assert_same(resume(run_dir, [size(then)]), whole(*varied, size(1)))


ACCUMULATED = ("+trainer.accumulate_grad_batches=2", "scheduler=one_cycle", "regularization=gradient_clip")


@pytest.mark.parametrize(("first", "then"), [(4, 1), (4, "auto"), (1, 4)])
def test_a_run_that_accumulates_gradients_goes_on_to_the_same_bit(first, then, whole, killed, assert_same):
    """13 minibatches an epoch are 7 optimizer steps, the last of one minibatch."""
    run_dir = killed(*ACCUMULATED, size(first), ALWAYS, after=11, takes_chunks=True)
    assert 7 < read_checkpoint(newest_checkpoint(run_dir))["global_step"] < 14
    assert_same(resume(run_dir, [size(then)]), whole(*ACCUMULATED, size(1)))


@pytest.mark.parametrize("after", [16, 25])
def test_a_run_killed_at_any_minibatch_goes_on_in_chunks(after, whole, killed, assert_same):
    run_dir = killed(*MOVING, size(1), ALWAYS, after=after)
    assert read_checkpoint(newest_checkpoint(run_dir))["global_step"] == after - 1
    assert_same(resume(run_dir, [size(4)]), whole(*MOVING, size(1)))


@pytest.mark.parametrize("how", [MOVING, ACCUMULATED], ids=["each a step", "accumulated"])
def test_a_run_in_chunks_leaves_the_checkpoint_that_single_steps_leave(how, whole):
    one, many = (read_checkpoint(whole(*how, size(n)).run_dir / "checkpoints/last.ckpt") for n in (1, 5))
    for name, progress in one["loops"]["fit_loop"].items():
        if name != "epoch_loop.val_loop.state_dict":
            assert many["loops"]["fit_loop"][name] == progress, name


def test_ctrl_c_stops_after_the_chunk_under_way(cut, whole, assert_same):
    run_dir = cut(*MOVING, size(5), after=18, signum=signal.SIGINT, takes_chunks=True)
    assert read_checkpoint(run_dir / "checkpoints/last.ckpt")["global_step"] == 23  # it came when step 18 was over
    assert_same(resume(run_dir), whole(*MOVING, size(1)))


def test_a_loss_that_is_no_number_names_the_same_step_and_leaves_the_same_weights(tmp_path):
    from lightune.run import TrainingError

    said, left = [], []
    for steps in (1, 7):
        overrides = ["trainer=cpu", "optimizer=sgd", "optimizer.lr=1e25", "model.units=16", "trainer.max_epochs=2"]
        with pytest.raises(TrainingError) as failed:
            train(compose([*overrides, size(steps), f"output_root={tmp_path}/{steps}"]))
        said.append(failed.value.result.error.message)
        left.append(failed.value.result.steps)
    assert said[0] == said[1]
    assert left[0] == left[1]

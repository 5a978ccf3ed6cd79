import importlib.metadata

import pytest
import torch
from lightning_fabric.utilities import registry
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers.logger import DummyLogger

from lightune.private_api.lightning import (
    advance_logged_step,
    call_hooks,
    callback_states,
    dump_checkpoint,
    installed_packages_read_once,
    log_measures,
    replace_dump,
    restore_callbacks,
    set_default_root_dir,
    set_initial_hparams,
    set_logged_step,
    trainer_of,
)


class Drawn(DummyLogger):
    """Keeps the figures and the hyperparameters that it is given."""

    def __init__(self):
        super().__init__()
        self.points, self.hparams = [], []

    def log_metrics(self, metrics, step=None):
        self.points.append((step, {name: value for name, value in metrics.items() if name != "epoch"}))

    def log_hyperparams(self, params, *_):
        self.hparams.append(dict(params))


class Counting(Callback):
    """Counts the beginnings that it hears of, and keeps the count in checkpoints."""

    def __init__(self):
        self.count, self.loaded = 0, None

    def on_train_start(self, trainer, pl_module):
        self.count += 1

    def setup(self, trainer, pl_module, stage):
        self.stage = stage

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state_dict):
        self.count = state_dict["count"]

    def on_load_checkpoint(self, trainer, pl_module, checkpoint):
        self.loaded = checkpoint["epoch"]


class Line(LightningModule):
    """One step an epoch; its figure is drawn at the step that Lightning counts."""

    def __init__(self, token=""):
        super().__init__()
        self.save_hyperparameters()
        self.line = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        self.log("train/loss", loss := self.line(batch).square().mean(), on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def trained(fit):
    """Train a line for two epochs of a step each; return the trainer."""

    def run(*callbacks, logger=False, module=None):
        return fit(module or Line(), torch.ones(1, 1), epochs=2, callbacks=callbacks, logger=logger)

    return run


def test_figures_are_drawn_over_the_steps_that_are_counted(trained):
    class Chunks(Callback):
        def on_train_batch_end(self, trainer, *_):
            advance_logged_step(trainer, 9)

    logger = Drawn()
    trainer = trained(Chunks(), logger=logger)
    assert [step for step, _ in logger.points] == [9, 19]
    set_logged_step(trainer, 40)
    log_measures(trainer, {"val/loss": torch.tensor(0.5)})
    assert logger.points[-1] == (40, {"val/loss": 0.5})


def test_a_checkpoint_is_made_without_a_file(trained, tmp_path):
    trainer = trained(Counting())
    content, file = dump_checkpoint(trainer), tmp_path / "it.ckpt"
    trainer.save_checkpoint(file)
    saved = torch.load(file, weights_only=True)
    assert content.keys() == saved.keys() >= {"state_dict", "optimizer_states", "loops", "callbacks"}
    assert torch.equal(content["state_dict"]["line.weight"], saved["state_dict"]["line.weight"])
    assert (content["global_step"], content["callbacks"]) == (2, saved["callbacks"])


def test_checkpoints_are_made_by_what_was_put_in_the_place(trained, tmp_path):
    trainer = trained()
    before = replace_dump(trainer, lambda dump: lambda *given, **how: {**dump(*given, **how), "ours": True})
    assert dump_checkpoint(trainer)["ours"]
    assert "ours" not in before(weights_only=False)
    trainer.save_checkpoint(tmp_path / "it.ckpt")
    assert torch.load(tmp_path / "it.ckpt", weights_only=True)["ours"]


def test_callbacks_hear_of_a_hook_with_its_arguments(trained):
    callback = Counting()
    trainer = trained(callback)
    assert callback.count == 1
    call_hooks(trainer, "on_train_start")
    call_hooks(trainer, "setup", stage="theirs")
    assert (callback.count, callback.stage) == (2, "theirs")


def test_callbacks_get_the_states_of_a_checkpoint_back(trained):
    first, second = Counting(), Counting()
    trainer = trained(first)
    first.count = 7
    assert callback_states(trainer) == {"Counting": {"count": 7}}
    content = dump_checkpoint(trainer)
    restore_callbacks(trained(second), content)
    assert (second.count, second.loaded) == (7, content["epoch"])


def test_a_task_without_a_trainer_has_none_and_raises_nothing(trained):
    module = Line()
    assert trainer_of(module) is None
    trainer = trained(module=module)
    assert trainer_of(module) is trainer


def test_loggers_are_given_the_hyperparameters_that_were_set_and_the_module_keeps_its_own(trained):
    module, logger = Line(token="hunter2"), Drawn()
    set_initial_hparams(module, {"token": "${oc.env:PLANTED}"})
    trained(module=module, logger=logger)
    assert logger.hparams == [{"token": "${oc.env:PLANTED}"}]
    assert module.hparams.token == "hunter2"


def test_a_trainer_that_was_made_is_moved(tmp_path):
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    set_default_root_dir(trainer, str(tmp_path))
    assert trainer.default_root_dir == str(tmp_path)


def test_what_is_read_once_of_installed_packages_is_what_lightning_reads():
    before, group = registry.entry_points, "console_scripts"
    with installed_packages_read_once():
        read = registry.entry_points(group=group)
        assert registry.entry_points(group=group) is read
    assert set(read) == set(importlib.metadata.entry_points(group=group)) != set()
    assert registry.entry_points is before


def test_lightning_reads_for_itself_again_after_a_trainer_that_was_refused():
    before = registry.entry_points
    with pytest.raises(TypeError), installed_packages_read_once():
        Trainer(no_such_argument=1)
    assert registry.entry_points is before


def test_callbacks_of_installed_packages_are_in_each_trainer(monkeypatch):
    class Factory:
        name = "theirs"

        def load(self):
            return lambda: [Counting()]

    monkeypatch.setattr("lightune.private_api.lightning._entry_points", lambda *, group: [Factory()])
    with installed_packages_read_once():
        made = [Trainer(accelerator="cpu", logger=False, enable_progress_bar=False) for _ in range(2)]
    callbacks = [each for trainer in made for each in trainer.callbacks if isinstance(each, Counting)]
    assert len(callbacks) == len(set(map(id, callbacks))) == 2

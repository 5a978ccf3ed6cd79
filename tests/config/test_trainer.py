import importlib.metadata
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping, LearningRateMonitor
from refusals import problem_of

from lightune import compose
from lightune.config import trainer as trainers
from lightune.config.trainer import build_loggers, build_trainer, make_trainer, point_at
from lightune.runtime.last_digits import PORTABLE


def kinds(trainer):
    return [type(callback) for callback in trainer.callbacks]


def test_a_trainer_is_pointed_at_the_folder_of_its_fit(tmp_path):
    cfg = compose(["trainer=cpu", f"output_root={tmp_path / 'root'}"])
    trainer = make_trainer(cfg)
    assert (trainer.default_root_dir, trainer.loggers) == (str(tmp_path / "root"), [])
    folder = tmp_path / "fit"
    assert point_at(trainer, cfg, run_dir=folder) is trainer
    assert trainer.default_root_dir == str(folder)
    assert [logger.log_dir for logger in trainer.loggers] == [str(folder)]
    assert list(tmp_path.iterdir()) == []


def test_installed_packages_are_looked_through_once(monkeypatch):
    read, look = [], importlib.metadata.distributions
    make_trainer(compose(["trainer=cpu"]))
    monkeypatch.setattr(importlib.metadata, "distributions", lambda **how: read.append(how) or look(**how))
    make_trainer(compose(["trainer=cpu"]))
    assert len(read) == 0
    Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    assert len(read) == 1  # as each trainer of Lightning's does


def test_callbacks_that_watch_come_first_and_checkpoints_last(tmp_path):
    class Watching(Callback):
        pass

    trainer = build_trainer(compose(["trainer=cpu"]), run_dir=tmp_path, watchers=[Watching()])
    assert kinds(trainer)[:2] == [Watching, EarlyStopping]
    assert issubclass(kinds(trainer)[-1], Checkpoint)


def test_a_bare_trainer_has_nothing_of_the_configuration_that_watches_or_writes(tmp_path):
    first = Callback()
    trainer = build_trainer(compose(["trainer=cpu"]), run_dir=tmp_path, watchers=[first], bare=True)
    assert (trainer.callbacks, trainer.loggers) == ([first], [])


@pytest.mark.parametrize(("logger", "there"), [("tensorboard", True), ("none", False)])
def test_the_learning_rate_is_watched_where_a_logger_would_show_it(logger, there):
    assert (LearningRateMonitor in kinds(make_trainer(compose(["trainer=cpu", f"logger={logger}"])))) == there


def test_without_the_callback_nothing_saves_checkpoints():
    assert make_trainer(compose(["trainer=cpu", "~callbacks.checkpoint"])).checkpoint_callbacks == []


def test_gradient_clip_reaches_the_trainer(tmp_path):
    cfg = compose(["regularization=gradient_clip", "trainer=cpu"])
    assert build_trainer(cfg, run_dir=tmp_path).gradient_clip_val == 1.0


def test_precision_is_full_on_a_cpu(tmp_path):
    assert build_trainer(compose(["trainer.accelerator=cpu"]), run_dir=tmp_path).precision == "32-true"


def test_matrices_are_multiplied_as_the_run_says_whatever_another_run_has_set(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(trainers, "use_matmul_precision", lambda device, **how: said.append((device, how)))
    cfg = compose(["trainer=cpu", "trainer.deterministic=true"])
    trainer = make_trainer(cfg)
    assert said == [("cpu", {"deterministic": True})]
    point_at(trainer, cfg, run_dir=tmp_path)
    assert said == [("cpu", {"deterministic": True})] * 2


def test_building_a_trainer_writes_nothing(tmp_path):
    build_trainer(compose(), run_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_machine_without_a_gpu_refuses_to_train_on_one():
    key, message = problem_of(make_trainer, compose(["trainer=gpu"]))
    assert key == "trainer.accelerator"
    assert message.endswith("choose trainer=cpu or trainer=auto, got gpu")


def test_half_precision_on_a_cpu_is_refused():
    assert problem_of(make_trainer, compose(["trainer=cpu", "trainer.precision=16-mixed"])) == (
        "trainer.precision", "needs a GPU; choose 32-true or bf16-mixed, got 16-mixed",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("override", "key", "said"),
    [
        ("+trainer.profiler=nosuch", "trainer", "profiler"),
        ("callbacks.early_stopping.mode=sideways", "callbacks.early_stopping", "sideways"),
    ],
)
def test_what_lightning_refuses_is_named_by_its_key(override, key, said):
    refused, message = problem_of(make_trainer, compose(["trainer=cpu", override]))
    assert (refused, said in message) == (key, True)


def test_each_logger_writes_into_the_folder_and_a_refusal_names_it(tmp_path, own):
    cfg = compose()
    cfg.logger = {**compose(["logger=tensorboard"]).logger, **compose(["logger=csv"]).logger}
    assert [Path(logger.log_dir) for logger in build_loggers(cfg, tmp_path)] == [tmp_path] * 2
    name = own("class Log:\n    def __init__(self, save_dir): raise ValueError(f'cannot reach {save_dir}')\n")
    cfg.logger = OmegaConf.create({"mine": {"_target_": f"{name}.Log"}})
    assert problem_of(build_loggers, cfg, tmp_path) == ("logger.mine", f"cannot reach {tmp_path}")


PORTABLE_ON_CPU = ["trainer=cpu", "trainer.portable=true"]


@pytest.fixture
def portable_process(monkeypatch):
    """A process that was started with portable arithmetic, on a processor that has it."""
    for name, value in {**PORTABLE, "OMP_NUM_THREADS": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    before = torch.get_num_threads()
    yield monkeypatch
    torch.set_num_threads(before)


def test_portable_arithmetic_has_the_threads_that_the_environment_says(portable_process):
    torch.set_num_threads(1)
    make_trainer(compose(PORTABLE_ON_CPU))
    assert torch.get_num_threads() == 2


def test_portable_arithmetic_that_comes_too_late_is_refused_with_what_to_type(portable_process):
    portable_process.delenv("MKL_CBWR")
    key, message = problem_of(make_trainer, compose(PORTABLE_ON_CPU))
    assert (key, "start the process with MKL_CBWR=COMPATIBLE" in message) == ("trainer.portable", True)


def test_portable_arithmetic_needs_a_processor_that_has_it(portable_process):
    portable_process.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    key, message = problem_of(make_trainer, compose(PORTABLE_ON_CPU))
    assert (key, message.endswith("got DEFAULT")) == ("trainer.portable", True)


def test_portable_arithmetic_is_of_the_cpu(portable_process):
    portable_process.setattr(torch.cuda, "is_available", lambda: True)
    key, message = problem_of(make_trainer, compose(["trainer.portable=true", "trainer.precision=32-true"]))
    assert (key, "is about the CPU's arithmetic" in message) == ("trainer.portable", True)

"""Every YAML below conf/ is found, composed, validated and trained for two batches."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from lightune import compose, train
from lightune.config.static.signatures import REQUIRED, describe
from lightune.config.validate import find_problems
from lightune.data import TorchvisionImages
from lightune.paths import conf_dir

OPTIONS = sorted(
    str(file.relative_to(conf_dir()).with_suffix(""))
    for file in conf_dir().rglob("*.yaml")
    if file.parent != conf_dir() and "local" not in file.parts
)
SMOKE = ["trainer.max_epochs=1", "++trainer.limit_train_batches=2", "trainer.accelerator=cpu"]


NEEDS_GPU = {"trainer/gpu", "trainer/ddp", "trainer/fsdp"}
FEWEST_FITS = {"validation/kfold": "validation.k=2", "validation/bootstrap": "validation.n=2"}


def overrides_for(option):
    """Return what it takes to train an option: some need data that they fit."""
    group, _, name = option.replace("/after_experiment", "").rpartition("/")
    extra = {
        "augmentation": {"audio": ["data=audio_folder"]},
        "loss": {"mse": ["data=diabetes"], "mae": ["data=diabetes"], "huber": ["data=diabetes"]},
        "model": {
            "audio_cnn": ["data=audio_folder"],
            "ft_transformer": ["data=csv", "data.categories=embedding"],
            "tabular_resnet": ["data=csv", "data.categories=embedding"],
            "text_lstm": ["data=text_csv"],
            "text_mean": ["data=text_csv"],
            "text_transformer": ["data=text_csv"],
        },
    }
    if option == "model/vgg16":  # whose weights nobody has at hand
        small = ["data.image_size=32", "model.image_size=32", "data.batch_size=16"]
        return ["data=image_folder", "model=vgg16", "model.weights=null", *small]
    if option in ("experiment/vgg16_transfer", "experiment/transfer_heads"):
        return [f"{group}={name}", "model.weights=null", "data.scaling=standard", "data.batch_size=16"]
    needed = extra.get(group, {}).get(name, ["data=diabetes"] if option == "metrics/regression" else [])
    return [*needed, f"{group}={name}"]


@pytest.fixture
def made_up_images(monkeypatch):
    """Let torchvision's sets be a few made-up images, three of each class."""

    def opened(data, *, train):
        classes = 100 if data.dataset == "CIFAR100" else 10
        shape = (28, 28) if "MNIST" in data.dataset else (32, 32, 3)
        labels = np.tile(np.arange(classes), 9 if train else 3)
        images = np.random.default_rng(0).integers(0, 256, (len(labels), *shape), dtype=np.uint8)
        if "MNIST" in data.dataset:
            return SimpleNamespace(
                data=torch.from_numpy(images), targets=torch.from_numpy(labels), classes=range(classes)
            )
        return SimpleNamespace(data=images, targets=labels.tolist(), classes=range(classes))

    monkeypatch.setattr(TorchvisionImages, "_open", opened)


def test_there_are_options_to_test():
    assert len(OPTIONS) > 40


@pytest.mark.parametrize("option", sorted(NEEDS_GPU))
def test_an_option_for_gpus_is_sound(option):
    assert find_problems(compose(overrides_for(option))) == []


@pytest.mark.parametrize("option", [option for option in OPTIONS if option not in NEEDS_GPU])
def test_option_trains(option, tmp_path, made_up_images):
    if option == "model/timm":
        pytest.importorskip("timm")
    few = [FEWEST_FITS[option]] if option in FEWEST_FITS else []
    result = train(compose([*overrides_for(option), *SMOKE, *few, f"output_root={tmp_path}"]))
    assert result.status == "completed"
    assert result.epochs == len(result.folds or [result])
    assert result.objective.value is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_gpu_option_trains(tmp_path):
    assert train(compose(["trainer=gpu", "trainer.max_epochs=1", f"output_root={tmp_path}"])).status == "completed"


@pytest.mark.parametrize("option", OPTIONS)
def test_option_says_what_it_is_for(option):
    lines = (conf_dir() / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ") and "@package" not in line]
    assert comments, "an option begins with a sentence about itself"


@pytest.mark.parametrize("option", OPTIONS)
def test_the_command_in_the_header_is_sound(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (conf_dir() / f"{option}.yaml").read_text(encoding="utf-8")
    for command in re.findall(r"#\s.*?python train\.py (.*)", text):
        words = [word.strip("'") for word in command.split() if not word.startswith("task._target_=my_package")]
        words = [word for word in words if word != "-m"]
        for word in words:
            if word.startswith(("data.path=", "data.labels=")) or re.fullmatch(r"model\.weights=.*\.pth", word):
                Path(word.partition("=")[2]).touch()
        assert find_problems(compose(words)) == []


def ours():
    """Yield the targets of lightune's own that an option names, with the option's values."""
    for option in OPTIONS:
        node = OmegaConf.to_container(OmegaConf.load(conf_dir() / f"{option}.yaml"))
        group = option.partition("/")[0]
        node = node.get(group, node)
        for key, part in ({"": node} if "_target_" in node else node).items():
            if isinstance(part, dict) and str(part.get("_target_", "")).startswith("lightune."):
                yield pytest.param(part, id=f"{option}.{key}".rstrip("."))


@pytest.mark.parametrize("node", list(ours()))
def test_a_default_in_yaml_is_the_default_of_the_signature(node):
    parameters = describe(node["_target_"]).parameters
    for key, value in node.items():
        default = parameters[key].default if key in parameters else None
        if key.startswith("_") or default is REQUIRED or default is None or "${" in str(value):
            continue
        assert value == (list(default) if isinstance(default, tuple) else default), key


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.startswith("experiment/")])
def test_an_experiment_states_what_was_measured(option):
    text = (conf_dir() / f"{option}.yaml").read_text(encoding="utf-8")
    name = option.partition("/")[2]
    assert re.search(rf"#   run     python train\.py (-m )?experiment={name}\b", text)
    assert re.search(r"#   expect  test/\w+ \d", text)
    assert re.search(r"\(.*, seed \d+, \d{4}-\d{2}-\d{2}\)", text)
    assert compose([f"experiment={name}"]).name == name


SETS_ALL = """# @package _global_
trainer: {max_epochs: 9, limit_train_batches: 9, limit_val_batches: 9, limit_test_batches: 9, overfit_batches: 9}
monitor: {metric: val/loss, mode: min}
test: true
callbacks: {early_stopping: {patience: 9}, checkpoint: {every_seconds: 9.0}, lr_monitor: {logging_interval: step}}
"""
LAST = [option for option in OPTIONS if "/after_experiment/" in option]
EXPERIMENTS = [option.partition("/")[2] for option in OPTIONS if option.startswith("experiment/")]


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("experiment", [*EXPERIMENTS, "sets_all"])
def test_what_wins_over_an_experiment_does_over_every_one_and_loses_to_the_command_line(
    last, experiment, tmp_path
):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "sets_all.yaml").write_text(SETS_ALL)
    group, _, name = last.split("/")
    words = [f"experiment={experiment}", f"{group}={name}"]
    cfg = compose(words, config_dir=tmp_path)
    wanted = OmegaConf.load(conf_dir() / f"{last}.yaml")
    assert OmegaConf.to_container(OmegaConf.masked_copy(cfg, list(wanted))) == OmegaConf.to_container(
        OmegaConf.merge(OmegaConf.masked_copy(cfg, list(wanted)), wanted)
    )
    assert find_problems(cfg) == []
    if name != "none":
        assert compose([*words, "trainer.max_epochs=3"], config_dir=tmp_path).trainer.max_epochs == 3

"""Every YAML below conf/ is trained for two batches."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from options import NEEDS_GPU, OPTIONS, TRACKERS, overrides_for

from lightune import compose, train
from lightune.data import TorchvisionImages

pytestmark = pytest.mark.long

SMOKE = ["trainer.max_epochs=1", "++trainer.limit_train_batches=2", "trainer.accelerator=cpu"]
FEWEST_FITS = {"validation/kfold": "validation.k=2", "validation/bootstrap": "validation.n=2"}


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


@pytest.mark.parametrize("option", [option for option in OPTIONS if option not in NEEDS_GPU])
def test_option_trains(option, tmp_path, made_up_images):
    if option == "model/timm":
        pytest.importorskip("timm")
    if option.removeprefix("logger/") in TRACKERS:
        pytest.importorskip(option.removeprefix("logger/"))
    if option == "model/huggingface":
        pytest.skip("a network is made, and trained, in tests/models/test_huggingface.py")
    few = [FEWEST_FITS[option]] if option in FEWEST_FITS else []
    result = train(compose([*overrides_for(option), *SMOKE, *few, f"output_root={tmp_path}"]))
    assert result.status == "completed"
    assert result.epochs == len(result.folds or [result])
    assert result.objective.value is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_gpu_option_trains(tmp_path):
    assert train(compose(["trainer=gpu", "trainer.max_epochs=1", f"output_root={tmp_path}"])).status == "completed"

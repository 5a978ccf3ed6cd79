"""What is done to training batches is refused where it cannot be."""

import pytest

from lightune import compose
from lightune.config.build import build
from lightune.data import Digits
from lightune.errors import ConfigError


@pytest.mark.parametrize("option", ["mixup", "cutmix"])
def test_samples_are_mixed_where_data_serve_batches_and_losses_know_each_sample(monkeypatch, option):
    words = [f"regularization={option}", "trainer=cpu"]
    assert build(compose(words)).data.mixing.strengths
    assert build(compose(["trainer=cpu"])).data.mixing is None
    with pytest.raises(ConfigError, match="CrossEntropyLoss has no `of_each`"):
        build(compose([*words, "~loss.class_weights", "loss._target_=torch.nn.CrossEntropyLoss"]))
    monkeypatch.setattr(Digits, "train_dataloader", lambda self: None, raising=False)
    with pytest.raises(ConfigError, match=f"regularization.{option}  Digits makes training batches of its own"):
        build(compose(words))

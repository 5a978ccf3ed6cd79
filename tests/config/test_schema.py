import pytest

from lightune import compose
from lightune.config import schema
from lightune.config.static.annotations import mismatch


@pytest.mark.parametrize(
    ("path", "argument", "value", "fits"),
    [
        ("torch.optim.AdamW", "lr", 1e-3, True),
        ("torch.optim.AdamW", "lr", 0, False),
        ("torch.optim.AdamW", "betas", [0.9, 0.999], True),
        ("torch.optim.AdamW", "betas", [0.9, 1.5], False),
        ("torch.optim.lr_scheduler.StepLR", "step_size", 0, False),
        ("pytorch_lightning.trainer.trainer.Trainer", "max_epochs", 10, True),
        ("pytorch_lightning.trainer.trainer.Trainer", "max_epochs", -1, False),
    ],
)
def test_ranges_of_arguments_that_are_not_ours_are_known(path, argument, value, fits):
    annotation = schema.foreign_annotation(path, argument)
    assert annotation is not None
    assert (mismatch(value, annotation) is None) == fits


def test_the_more_special_package_comes_first():
    plateau = schema.foreign_annotation("torch.optim.lr_scheduler.ReduceLROnPlateau", "factor")
    other = schema.foreign_annotation("torch.optim.lr_scheduler.ConstantLR", "factor")
    assert (mismatch(1.0, plateau) is None, mismatch(1.0, other) is None) == (False, True)


def test_of_other_arguments_nothing_is_known():
    assert schema.foreign_annotation("my.Optimizer", "lr") is None
    assert schema.foreign_annotation("torch.optim.AdamW", "amsgrad") is None


def test_the_root_of_every_configuration_is_what_the_schema_says():
    known = {*schema.ROOT, "monitor", *schema.GROUPS, "search"}
    assert set(map(str, compose())) == known


def test_keys_that_lightune_sets_itself_are_arguments_of_the_trainer():
    from lightune.config.static.signatures import describe

    parameters = describe("pytorch_lightning.Trainer").parameters
    assert set(schema.TRAINER_TAKEN) <= set(parameters)
    assert not set(schema.TRAINER_OURS) & set(parameters)

import pytest
import torch
from omegaconf import OmegaConf, open_dict
from refusals import problem_of

from lightune import compose
from lightune.config.build import build
from lightune.errors import ConfigError


@pytest.mark.parametrize(
    ("overrides", "outputs"),
    [
        (["data=digits"], 10),
        (["data=wine"], 3),
        (["data=breast_cancer"], 2),
        (["data=breast_cancer", "loss=bce"], 1),
        (["data=diabetes"], 1),
    ],
)
def test_shapes_flow_from_the_data_to_the_model(overrides, outputs):
    parts = build(compose(overrides))
    x, _ = next(iter(parts.data.train_dataloader()))
    assert parts.task(x).shape == (len(x), outputs)


def test_the_same_seed_gives_the_same_weights_and_the_same_split():
    one, two, other = (build(compose([f"seed={seed}"])) for seed in (3, 3, 4))
    weights = [torch.cat([p.flatten() for p in parts.task.parameters()]) for parts in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    rows = [next(iter(parts.data.test_dataloader()))[1] for parts in (one, two, other)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


def test_dropout_of_the_regularization_reaches_the_model():
    parts = build(compose(["regularization=dropout", "regularization.dropout=0.3"]))
    assert [m.p for m in parts.task.modules() if isinstance(m, torch.nn.Dropout)] == [0.3, 0.3]


def test_what_the_model_says_of_dropout_wins():
    parts = build(compose(["regularization=dropout", "model.dropout=0.1"]))
    assert {m.p for m in parts.task.modules() if isinstance(m, torch.nn.Dropout)} == {0.1}


def test_a_part_too_small_to_split_is_refused():
    key, message = problem_of(build, compose(["data=wine", "validation.val_fraction=0.005"]))
    assert key == "validation"
    assert "val_fraction leaves a part too small for" in message


def test_missing_files_are_refused_with_their_folder(tmp_path):
    key, message = problem_of(build, compose(["data=mnist", f"data.root={tmp_path}/no", "data.download=false"]))
    assert key == "data"
    assert f"MNIST is not in {tmp_path}/no; put its files at" in message


@pytest.mark.parametrize("group", ["data", "model", "loss", "callbacks.evil", "logger.evil", "trainer"])
def test_hydra_itself_runs_nothing_outside_the_whitelist(tmp_path, group):
    marker = tmp_path / "marker"
    cfg = compose()
    with open_dict(cfg):
        OmegaConf.update(cfg, group, {"_target_": "pathlib.Path.touch", "_args_": [str(marker)]}, merge=False)
    with pytest.raises(ConfigError, match="whitelist") as refusal:  # the validator is not asked here
        build(cfg)
    assert [problem.key for problem in refusal.value.problems] == [group]
    assert not marker.exists()


def test_a_task_that_is_no_task_is_refused(own):
    name = own("class Task: ...\n")
    assert problem_of(build, compose([f"task._target_={name}.Task"]))[0] == "task"


def test_data_that_are_no_data_module_are_refused(own):
    name = own("class Data: ...\n")
    cfg = compose()
    cfg.data = OmegaConf.create({"_target_": f"{name}.Data"})
    assert problem_of(build, cfg)[0] == "data"

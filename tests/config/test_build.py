import pytest
import torch
from omegaconf import OmegaConf, open_dict

from lightune import compose
from lightune.config.build import build
from lightune.config.trainer import build_trainer
from lightune.errors import ConfigError

KEYS_OF_MLP = ("layers", "units", "activation", "dropout", "batch_norm", "connections")
NO_MLP_KEYS = [f"~model.{key}" for key in KEYS_OF_MLP]


def problem_of(cfg):
    """Return key and message of the one refusal of a build."""
    with pytest.raises(ConfigError) as refusal:
        build(cfg)
    (problem,) = refusal.value.problems
    return problem.key, problem.message


@pytest.fixture
def own(tmp_path, monkeypatch, request):
    """Make a module of the user's own, trusted; return how to write it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"own_{abs(hash(request.node.nodeid))}"
    monkeypatch.setenv("LIGHTUNE_TRUST", name)

    def write(source):
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return write


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


def test_gradient_clip_reaches_the_trainer(tmp_path):
    cfg = compose(["regularization=gradient_clip", "trainer=cpu"])
    assert build_trainer(cfg, run_dir=tmp_path).gradient_clip_val == 1.0


def test_precision_is_full_on_a_cpu(tmp_path):
    assert build_trainer(compose(["trainer.accelerator=cpu"]), run_dir=tmp_path).precision == "32-true"


def test_building_a_trainer_writes_nothing(tmp_path):
    build_trainer(compose(), run_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_constructor_that_refuses_names_its_key():
    key, message = problem_of(compose(["model.units=[1,2,3]"]))
    assert key == "model"
    assert message == "units must be one number or a list of 2 (layers=2), got [1, 2, 3]"


def test_a_part_too_small_to_split_is_refused():
    key, message = problem_of(compose(["data=wine", "validation.val_fraction=0.005"]))
    assert key == "validation"
    assert "val_fraction leaves a part too small for" in message


def test_missing_files_are_refused_with_their_folder(tmp_path):
    key, message = problem_of(compose(["data=mnist", f"data.root={tmp_path}/no", "data.download=false"]))
    assert key == "data"
    assert f"MNIST is not in {tmp_path}/no; put its files at" in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_machine_without_a_gpu_refuses_to_train_on_one():
    assert problem_of(compose(["trainer=gpu"]))[0] == "trainer.accelerator"


def test_a_model_that_cannot_take_the_data_is_refused(own):
    name = own("from torch import nn\nclass Net(nn.Linear):\n    def __init__(self): super().__init__(3, 10)\n")
    key, message = problem_of(compose([f"model._target_={name}.Net", *NO_MLP_KEYS]))
    assert key == "model"
    assert "RuntimeError" in message


def test_a_model_with_the_wrong_number_of_outputs_is_refused(own):
    name = own(
        "from torch import nn\nclass Net(nn.Sequential):\n"
        "    def __init__(self): super().__init__(nn.Flatten(), nn.Linear(64, 3))\n"
    )
    key, message = problem_of(compose([f"model._target_={name}.Net", *NO_MLP_KEYS]))
    assert key == "model"
    assert message == "must map 2 samples to 10 outputs each, got shape (2, 3)"


def test_a_module_that_cannot_be_imported_is_refused(own):
    name = own("import no_such_dependency\nclass Net: ...\n")
    key, message = problem_of(compose([f"model._target_={name}.Net", *NO_MLP_KEYS]))
    assert key == "model"
    assert "no_such_dependency" in message


def test_an_alias_made_at_run_time_is_refused(own, tmp_path):
    name = own("import os\nNet = getattr(os, 'system')\n")
    key, message = problem_of(compose([f"model._target_={name}.Net", *NO_MLP_KEYS]))
    assert key == "model"
    assert "whitelist" in message


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


def test_an_alias_of_a_trusted_module_does_not_run_either(own, tmp_path):
    marker = tmp_path / "marker"
    name = own("import os\n")
    cfg = compose()
    cfg.model = OmegaConf.create({"_target_": f"{name}.os.mkdir", "_args_": [str(marker)]})
    with pytest.raises(ConfigError):
        build(cfg)
    assert not marker.exists()


def test_an_optimizer_that_refuses_its_arguments_is_refused_before_training():
    key, message = problem_of(compose(["optimizer=sgd", "optimizer.nesterov=true"]))
    assert key == "optimizer"
    assert message == "Nesterov momentum requires a momentum and zero dampening"


def test_a_scheduler_that_refuses_its_arguments_is_refused_before_training(own):
    name = own(
        "def scheduler(optimizer, steps: int, total_steps: int):\n"
        "    raise ValueError(f'{steps} of {total_steps} is odd')\n"
    )
    cfg = compose()
    cfg.scheduler = OmegaConf.create({"_target_": f"{name}.scheduler", "_partial_": True, "steps": 3})
    key, message = problem_of(cfg)
    assert key == "scheduler"
    assert message.startswith("3 of ")


def test_a_task_that_is_no_task_is_refused(own):
    name = own("class Task: ...\n")
    assert problem_of(compose([f"task._target_={name}.Task"]))[0] == "task"


def test_data_that_are_no_data_module_are_refused(own):
    name = own("class Data: ...\n")
    cfg = compose()
    cfg.data = OmegaConf.create({"_target_": f"{name}.Data"})
    assert problem_of(cfg)[0] == "data"

import pytest
from refusals import problem_of

from lightune import compose
from lightune.config import finders
from lightune.config.finders import asked_for, swept_problems
from lightune.config.static.signatures import describe
from lightune.config.validate import find_problems
from lightune.run import prepare


def problems(*words):
    return [str(problem) for problem in find_problems(compose(words))]


def test_a_finder_is_found_by_its_key():
    assert asked_for({"lr_find": True, "batch_size_find": False}) == ["lr_find"]
    assert asked_for({"lr_find": True, "batch_size_find": True}) == ["lr_find", "batch_size_find"]
    assert asked_for({}) == asked_for(None) == []


def test_a_batch_of_all_samples_has_no_size_to_find():
    (line,) = problems("trainer.batch_size_find=true", "data.batch_size=full")
    assert line.startswith("trainer.batch_size_find: finds data.batch_size, and full is one batch of all samples")
    assert problems("data.batch_size=full") == []


def test_a_size_that_changes_is_not_found():
    (line,) = problems("trainer.batch_size_find=true", "schedule=batch_growth")
    assert "finds one size, and schedule.batch_growth=2.0 changes it" in line
    assert problems("trainer.batch_size_find=true", "schedule=regularization_growth") == []


def test_an_optimizer_without_a_rate_has_none_to_find():
    tree = {"trainer": {"lr_find": True}, "optimizer": {}}
    (problem,) = finders.find_problems(tree, {"optimizer": describe("torch.optim.Optimizer")})
    assert problem.key == "trainer.lr_find"
    assert "finds optimizer.lr, which Optimizer does not take" in problem.message
    assert not list(finders.find_problems(tree, {"optimizer": describe("torch.optim.SGD")}))


@pytest.mark.parametrize("name", ["lr_find", "batch_size_find"])
def test_a_finder_is_true_or_false(name):
    (line,) = problems(f"trainer.{name}=yes_please")
    assert line.startswith(f"trainer.{name}: must be true or false")


def test_what_is_swept_is_not_found():
    trainer = {"lr_find": True, "batch_size_find": True}
    keys = [problem.key for problem in swept_problems(trainer, ["model.units", "optimizer.lr", "data.batch_size"])]
    assert keys == ["optimizer.lr", "data.batch_size"]
    assert not list(swept_problems({"lr_find": False}, ["optimizer.lr"]))


def test_what_is_decided_for_a_process_is_not_swept():
    (problem,) = swept_problems({"portable": True}, ["trainer.portable"])
    assert (problem.key, "type it for the whole study" in problem.message) == ("trainer.portable", True)
    assert not list(swept_problems({"portable": True}, ["optimizer.lr"]))


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["validation=kfold", "validation.k=3"], "finds one optimizer.lr of one network, and this run trains 3"),
        (["repeats=2"], "and this run trains 2; find it in a run with validation=holdout and repeats=1"),
        (["trainer=ddp_cpu"], "tries steps in one process, and this run has 2"),
    ],
)
def test_several_networks_or_processes_have_no_one_place_for_it(words, rule, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = compose(["trainer=cpu", "data=wine", "model.units=8", "test=false", *words, "trainer.lr_find=true"])
    key, message = problem_of(prepare, cfg)
    assert key == "trainer.lr_find"
    assert rule in message
    assert list(tmp_path.iterdir()) == []

"""What is decided of a device is decided of plain values; what compiles is a network like any other."""

import pytest
import torch
from torch import nn

from lightune import compose, evaluate, train
from lightune.checkpoints import read_checkpoint
from lightune.errors import ConfigError
from lightune.models import CNN, MLP
from lightune.run import prepare
from lightune.runtime import hardware
from lightune.runtime.hardware import (
    compiled,
    in_channels_last,
    matmul_precision,
    resolved_precision,
    use_matmul_precision,
    why_not_compiled,
)


@pytest.mark.parametrize(
    ("wanted", "on_cuda", "has_bf16", "got"),
    [
        ("auto", True, True, "bf16-mixed"),
        ("auto", True, False, "32-true"),
        ("auto", False, False, "32-true"),
        ("32-true", True, True, "32-true"),
        (64, True, True, 64),
    ],
)
def test_auto_precision_is_bf16_where_a_gpu_computes_in_it(wanted, on_cuda, has_bf16, got):
    assert resolved_precision(wanted, on_cuda=on_cuda, has_bf16=has_bf16) == got


def test_matrices_are_multiplied_in_tf32_on_a_gpu_unless_the_run_is_deterministic():
    assert matmul_precision("cuda", deterministic=False) == "high"
    assert matmul_precision("cuda", deterministic=True) == "highest"
    assert matmul_precision("cpu", deterministic=False) is None


def test_the_precision_of_products_is_set_without_a_warning(recwarn):
    before = torch.get_float32_matmul_precision()
    try:
        use_matmul_precision("cpu", deterministic=False)
        assert torch.get_float32_matmul_precision() == before
        use_matmul_precision("cuda", deterministic=False)
        assert torch.get_float32_matmul_precision() == "high"
        use_matmul_precision("cuda", deterministic=True)
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision(before)
    assert not recwarn.list


def test_convolutions_lie_in_channels_last_on_a_gpu_and_compute_the_same():
    torch.manual_seed(0)
    model, x = CNN((3, 8, 8), 2, channels=[4, 8]).eval(), torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        before = model(x)
        assert not in_channels_last(model, "cpu")
        assert in_channels_last(model, "cuda")
        torch.testing.assert_close(model(x), before)
    weights = [part.weight for part in model.modules() if isinstance(part, nn.Conv2d)]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    assert not in_channels_last(MLP((4,), 2), "cuda")


def test_a_compiled_network_keeps_the_names_of_its_parameters():
    model = MLP((4,), 2)
    names = list(model.state_dict())
    compiled(model, "default")
    assert list(model.state_dict()) == names
    assert model._compiled_call_impl is not None
    plain = MLP((4,), 2)
    compiled(plain, "none")
    assert plain._compiled_call_impl is None


def test_compiling_without_a_compiler_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler is not there" in why_not_compiled("cpu")
    with pytest.raises(ConfigError) as refused:
        prepare(compose(["trainer=cpu", "trainer.compile=default"]))
    (problem,) = refused.value.problems
    assert problem.key == "trainer.compile"
    assert "needs a compiler, and no-such-compiler is not there; install it, or choose none" in problem.message
    assert list(tmp_path.iterdir()) == []
    prepare(compose(["trainer=cpu"]))


def test_compiling_without_pythons_headers_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "sh")
    monkeypatch.setattr(hardware.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert "Python.h" in why_not_compiled("cpu")


def test_a_mode_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"trainer\.compile"):
        prepare(compose(["trainer=cpu", "trainer.compile=fast"]))


@pytest.mark.slow
@pytest.mark.skipif(why_not_compiled("cpu") is not None, reason="there is no compiler")
def test_a_compiled_training_is_that_of_the_plain_network_and_a_schedule_compiles_nothing_anew(
    tmp_path, monkeypatch
):
    from torch._dynamo.utils import counters

    monkeypatch.chdir(tmp_path)
    base = ["trainer=cpu", "trainer.max_epochs=4", "model.units=16", "model.dropout=0.0", "data.batch_size=100"]
    base += ["metrics.bootstrap=0"]
    graphs, results = {}, {}
    for name, overrides in {
        "plain": [],
        "constant": ["trainer.compile=default"],
        "schedule": ["trainer.compile=default", "scheduler=warmup_cosine", "optimizer.lr=0.003"],
    }.items():
        torch._dynamo.reset()
        counters.clear()
        results[name] = train(compose([*base, *overrides]))
        graphs[name] = counters["stats"]["unique_graphs"]
    train(compose([*base, "trainer.compile=default", "scheduler=warmup_cosine", "optimizer.lr=0.01", "seed=1"]))
    assert counters["stats"]["unique_graphs"] == graphs["schedule"]  # nor does the next trial of a sweep
    assert graphs["plain"] == 0
    assert graphs["schedule"] == graphs["constant"] > 0
    assert results["constant"].metrics == pytest.approx(results["plain"].metrics, rel=1e-3, abs=1e-3)
    saved = {
        name: read_checkpoint(result.run_dir / "checkpoints/best.ckpt")["state_dict"]
        for name, result in results.items()
    }
    assert saved["constant"].keys() == saved["plain"].keys()
    assert not any("_orig_mod" in name for name in saved["constant"])
    measured = evaluate(results["constant"].run_dir)
    tested = {name: value for name, value in results["constant"].metrics.items() if name.startswith("test/")}
    assert measured == pytest.approx(tested, rel=1e-5)

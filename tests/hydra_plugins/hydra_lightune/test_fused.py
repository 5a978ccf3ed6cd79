from executor_contexts import context_of
from omegaconf import OmegaConf

from hydra_plugins.hydra_lightune.fused import FusedLauncher, FusedLauncherConf
from lightune.study.executors.fused import open as opening
from lightune.study.executors.fused import repeated_batch


def test_its_executor_trains_groups_of_the_width_that_it_was_given(monkeypatch):
    made = []
    monkeypatch.setattr(opening, "open_executor", lambda context, *, fused_width: made.append(fused_width) or "it")
    assert FusedLauncher(fused_width=8).make_executor(context_of()) == "it"
    assert made == [8]


def test_a_batch_may_have_been_cut_off_before(monkeypatch):
    launched = []
    monkeypatch.setattr(
        repeated_batch, "run_repeated_batch", lambda *given: launched.append(given) or ["returned"]
    )
    launcher = FusedLauncher()
    assert launcher.launch([["x=1"]], 4) == ["returned"]
    assert launched == [(launcher, [["x=1"]], 4)]


def test_its_width_follows_the_search_where_there_is_one():
    node = OmegaConf.structured(FusedLauncherConf())
    assert OmegaConf.create({"search": {"fused_width": 6}, "launcher": node}).launcher.fused_width == 6
    assert OmegaConf.create({"launcher": node}).launcher.fused_width is None
    assert node._target_ == f"{FusedLauncher.__module__}.{FusedLauncher.__name__}"

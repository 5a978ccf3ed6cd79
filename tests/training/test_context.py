import logging
import os
import signal
from types import SimpleNamespace

import pytest
import torch
from fused_members import Pairs, blobs
from omegaconf import OmegaConf
from rich.console import Console

from lightune.errors import ConfigError, StopRequested
from lightune.paths import RANK_VARIABLE
from lightune.reporting.result import Objective, Result, read_result, write_result
from lightune.training.context import RunContext, opened
from lightune.training.resumption import load_run_config
from lightune.training.run_owner import only_owner

PARTS = SimpleNamespace(data=None)
ON_CPU = SimpleNamespace(root_device=torch.device("cpu"))
ALONE = SimpleNamespace(world_size=1, strategy=ON_CPU)
CONFIG = {"name": "mine", "output_root": "${oc.env:PLACE}/out", "trainer": {"max_epochs": 2}}
CONFIG["callbacks"] = {"early_stopping": {"patience": 3}}


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.delenv(RANK_VARIABLE, raising=False)


@pytest.fixture
def cfg():
    return OmegaConf.create(CONFIG)


def open_new(cfg, trainer=ALONE, run_dir=None, resume=False, parts=PARTS):
    return opened(cfg, parts, trainer, run_dir=run_dir, resume=resume, verbose=False)


def is_owned(run_dir):
    try:
        with only_owner(run_dir):
            return False
    except ConfigError:
        return True


@pytest.mark.parametrize(("fits", "folders"), [(1, ["."]), (3, ["fits/0", "fits/1", "fits/2"])])
def test_each_of_several_fits_has_a_folder_of_its_own(tmp_path, cfg, fits, folders):
    plans = [SimpleNamespace(index=index) for index in range(fits)]
    context = RunContext(cfg, SimpleNamespace(plans=plans), tmp_path, Console(quiet=True))
    assert context.has_several_fits == (fits > 1)
    assert [os.path.relpath(context.folder(plan), tmp_path) for plan in plans] == folders


def test_a_run_makes_its_folder_below_the_output_root_and_keeps_its_configuration(tmp_path, cfg):
    with open_new(cfg) as context:
        assert context.run_dir.parent == tmp_path / "out" / "runs" / "mine"
        assert load_run_config(context.run_dir) == cfg
        text = (context.run_dir / ".hydra" / "config.yaml").read_text()
        assert "${oc.env:PLACE}" in text  # values of the environment are not kept
        assert (context.cfg, context.parts, context.resumed) == (cfg, PARTS, False)
        assert (context.processes.size, context.console.quiet) == (1, False)
    with open_new(cfg) as another:
        assert another.run_dir != context.run_dir


def test_a_run_owns_its_folder_as_long_as_it_lasts(tmp_path, cfg):
    with open_new(cfg, run_dir=tmp_path):
        assert is_owned(tmp_path)
        with (
            pytest.raises(ConfigError, match="is at work in another process"),
            open_new(cfg, run_dir=tmp_path),
        ):
            pass
    assert not is_owned(tmp_path)


def test_what_is_logged_meanwhile_is_in_its_log(tmp_path, cfg):
    with open_new(cfg, run_dir=tmp_path):
        logging.getLogger("lightune").info("meanwhile")
    logging.getLogger("lightune").warning("afterwards")
    said = (tmp_path / "train.log").read_text()
    assert ("meanwhile" in said, "afterwards" in said) == (True, False)


def test_a_signal_while_nothing_is_trained_stops_the_run_at_once(tmp_path, cfg):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(StopRequested), open_new(cfg, run_dir=tmp_path):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    assert not is_owned(tmp_path)


@pytest.mark.parametrize(("resume", "status"), [(True, "interrupted"), (False, "completed")])
def test_a_run_that_is_resumed_counts_as_cut_off_and_keeps_what_it_is_resumed_with(tmp_path, cfg, resume, status):
    (tmp_path / ".hydra").mkdir()
    OmegaConf.save(cfg, tmp_path / ".hydra" / "config.yaml")
    write_result(Result(tmp_path, "run", "completed", Objective("a", "max", 1.0, 1), {}, 0, 2, 2, {}, None, None))
    cfg.trainer.max_epochs = 3
    with open_new(cfg, run_dir=tmp_path, resume=resume) as context:
        assert context.resumed == resume
        assert read_result(tmp_path).status == status
        assert load_run_config(tmp_path).trainer.max_epochs == (3 if resume else 2)


def test_another_number_of_processes_is_refused_before_any_is_started(tmp_path, cfg, checkpoint_after):
    run_dir = tmp_path / "run"
    checkpoint_after(run_dir / "checkpoints" / "last.ckpt", step=1)
    before = sorted(run_dir.rglob("*"))
    two = SimpleNamespace(world_size=2)  # it has nothing that could start one
    with pytest.raises(ConfigError, match="1 processes share, got 2"), open_new(cfg, two, run_dir, resume=True):
        pass
    assert sorted(run_dir.rglob("*")) == before


def test_a_run_is_not_resumed_with_other_data_than_it_was_trained_on(tmp_path, cfg):
    with open_new(cfg, run_dir=tmp_path, parts=SimpleNamespace(data=blobs(0))):
        assert (tmp_path / "data.json").is_file()
    (tmp_path / ".hydra").mkdir()
    OmegaConf.save(cfg, tmp_path / ".hydra" / "config.yaml")
    cfg.trainer.max_epochs = 3
    others = SimpleNamespace(data=blobs(0, data=Pairs))
    with (
        pytest.raises(ConfigError, match=r"data +are not what the run was trained on"),
        open_new(cfg, run_dir=tmp_path, resume=True, parts=others),
    ):
        pass
    assert load_run_config(tmp_path).trainer.max_epochs == 2
    with open_new(cfg, run_dir=tmp_path, resume=True, parts=SimpleNamespace(data=blobs(0))):
        assert load_run_config(tmp_path).trainer.max_epochs == 3


def test_a_process_that_another_one_leads_leaves_the_folder_to_that(tmp_path, cfg, monkeypatch):
    monkeypatch.setenv(RANK_VARIABLE, "1")
    with only_owner(tmp_path), open_new(cfg, run_dir=tmp_path) as context:
        assert context.run_dir == tmp_path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from lightune.cli.checks import check_multirun, check_run
from lightune.errors import ConfigError
from lightune.job.handover import handover
from lightune.paths import conf_dir


@pytest.fixture
def train_config(tmp_path, monkeypatch):
    """Compose the application's runs and multiruns as Hydra hands them to its callbacks."""
    monkeypatch.chdir(tmp_path)
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()

        def compose(*overrides, mode=RunMode.MULTIRUN):
            config = loader.load_configuration("train", list(overrides), run_mode=mode)
            HydraConfig.instance().set_config(config)
            return config

        yield compose
        HydraConfig.instance().cfg = None


def test_a_multirun_without_the_group_of_the_search_is_a_study_as_it_is_by_default(train_config):
    words = ["optimizer.lr=1e-3,1e-2"]
    found = [check_multirun(train_config(*words, *more)) for more in ([], ["~search"])]
    assert [(one.is_grid, one.settings.seed, list(one.space.grid())) for one in found] == [
        (True, 0, [{"optimizer.lr": "0.001"}, {"optimizer.lr": "0.01"}])
    ] * 2


def test_a_run_is_built_and_has_its_folder_before_its_task_is_called(train_config, tmp_path):
    config = train_config("trainer=cpu", "model.units=4", mode=RunMode.RUN)
    check_run(config)
    assert handover.parts.task.model is not None
    assert [
        folder.parent.name for folder in tmp_path.rglob("*") if str(folder).endswith(config.hydra.run.dir)
    ] == ["run"]


@pytest.mark.parametrize(("check", "mode"), [(check_run, RunMode.RUN), (check_multirun, RunMode.MULTIRUN)])
def test_all_problems_are_told_and_nothing_is_written(train_config, tmp_path, check, mode):
    with pytest.raises(ConfigError) as refusal:
        check(train_config("model.units=0", "optimizer.lr=-1", mode=mode))
    assert {problem.key for problem in refusal.value.problems} == {"model.units", "optimizer.lr"}
    assert list(tmp_path.iterdir()) == []

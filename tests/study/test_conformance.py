"""Hydra's own suites for plugins, run against the sweeper and the launcher."""

import importlib.util

import pytest
from hydra.core.plugins import Plugins
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite

from hydra_plugins.hydra_lightune.launcher import LocalLauncher
from hydra_plugins.hydra_lightune.sweeper import LightuneSweeper

pytestmark = pytest.mark.filterwarnings("ignore")  # what Hydra's suites do is theirs


Plugins.instance()  # so that the suites put back a Hydra that knows its plugins


def test_hydra_finds_both():
    assert LightuneSweeper in Plugins.instance().discover()
    assert LocalLauncher in Plugins.instance().discover()


@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [
        pytest.param("local", [], id="launcher"),
        pytest.param("local", ["hydra/sweeper=lightune"], id="both"),
        pytest.param("basic", ["hydra/sweeper=lightune"], id="sweeper"),
    ],
)
class TestLauncher(LauncherTestSuite):
    """The suite for launchers: ours under Hydra's sweeper, under ours, and Hydra's under ours."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [
        pytest.param("local", ["hydra/sweeper=lightune", "hydra.sweeper.max_batch_size=2"], id="local"),
        pytest.param("basic", ["hydra/sweeper=lightune", "hydra.sweeper.max_batch_size=2"], id="basic"),
    ],
)
class TestBatches(BatchedSweeperTestSuite):
    """The suite for sweepers that run batches."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [
        pytest.param({}, ["-m", "hydra/launcher=local"], id="launcher"),
        pytest.param({}, ["-m", "hydra/sweeper=lightune", "hydra/launcher=local"], id="both"),
    ],
)
class TestIntegration(IntegrationTestSuite):
    """The suite of whole applications."""

    def test_to_absolute_path_multirun(self, tmpdir, task_launcher_cfg, extra_flags):
        """Runs one command twice in one folder, of which the second finds the study finished."""
        if "hydra/sweeper=lightune" in extra_flags:
            pytest.skip("the same command on a finished study runs nothing again")
        super().test_to_absolute_path_multirun(tmpdir, task_launcher_cfg, extra_flags)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lightune[ray]'"
)
@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [
        pytest.param("cluster", [], id="launcher"),
        pytest.param("cluster", ["hydra/sweeper=lightune"], id="both"),
    ],
)
class TestCluster(LauncherTestSuite):
    """The suite for launchers, on one Ray cluster of this machine."""

    @pytest.fixture(scope="class", autouse=True)
    def _ray(self):
        import ray

        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.2"
        )
        yield
        ray.shutdown()

import pytest
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton

from lightune.config.search_path import trusted_packages_only
from lightune.config.trust import inherit, trust
from lightune.errors import ConfigError
from lightune.private_api.hydra import loader_of

IN_MAIN, IN_COMMAND = "hydra.searchpath in main", "hydra.searchpath in command-line"


@pytest.mark.parametrize("provider", [IN_MAIN, IN_COMMAND, "main", "command-line"])
@pytest.mark.parametrize("path", ["pkg://email", "pkg://email/mime", "pkg://hydra.conf"])
def test_a_package_that_a_configuration_names_is_refused_unless_it_is_trusted(provider, path):
    inherit(())
    with trusted_packages_only(), pytest.raises(ConfigError, match="start with LIGHTUNE_TRUST="):
        loader_of([(provider, path)])
    trust(path.removeprefix("pkg://").replace("/", "."))
    with trusted_packages_only():
        loader_of([(provider, path)])


@pytest.mark.parametrize(("provider", "path"), [("hydra", "pkg://hydra.conf"), ("a-plugin", "pkg://email")])
def test_what_installed_code_names_is_searched(provider, path):
    inherit(())
    with trusted_packages_only():
        loader_of([(provider, path)])


def test_other_applications_search_as_before():
    Plugins.instance()
    with trusted_packages_only():
        pass
    loader_of([(IN_MAIN, "pkg://email")])
    assert Singleton.get_state()

"""Which packages may hold configuration files: Hydra imports a package to read them.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.core.plugins import Plugins

from lightune.config.trust import ENVIRONMENT_VARIABLE, is_own
from lightune.errors import ConfigError, Problem
from lightune.private_api.hydra import PackageSource, judged_packages

__all__ = ["trusted_packages_only"]

_OURS = "lightune"
_CHOSEN = ("main", "command-line", "hydra.searchpath")
"""How the providers begin that a configuration or a command names; the others are installed code's."""


@contextmanager
def trusted_packages_only() -> Iterator[None]:
    """Let Hydra import packages for their configuration files meanwhile only if they are trusted."""
    Plugins.instance()  # which registers Hydra's own source
    with judged_packages(ImportlibResourcesConfigSource):
        yield


class ImportlibResourcesConfigSource(PackageSource):  # the name by which Hydra knows it in other processes
    """The configuration files of a package that is trusted.

    Args:
        provider: who has named the package.
        path: its name, as Hydra takes it.

    Raises:
        ConfigError: if it is not trusted; it was not imported.
    """

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        name = self.path.removeprefix("pkg://")
        package = name.partition(".")[0]
        if provider.startswith(_CHOSEN) and package != _OURS and not is_own(name):
            rule = f"is not trusted, got pkg://{name}"
            advice = f"if it is code of yours, start with {ENVIRONMENT_VARIABLE}={package}"
            raise ConfigError([Problem("hydra.searchpath", f"{rule}; {advice}")])

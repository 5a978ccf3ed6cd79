"""The configuration files of the project that was entered, on the search path before lightune's own.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

__all__ = ["ProjectSearchPath"]


class ProjectSearchPath(SearchPathPlugin):
    """Add the folder, in lightune's own application and tools; in any other there is none."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Put it first.

        Args:
            search_path: of the application.
        """
        from lightune.config.project import conf_in_use

        if (folder := conf_in_use()) is not None:
            search_path.prepend(provider="lightune-project", path=f"file://{folder}")

"""What is known of a study when it is prepared: handed to all that run it, show it and write its files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydra.types import HydraContext
from omegaconf import DictConfig

from lightune.config.own_code import OwnCode
from lightune.study.definition.settings import Settings
from lightune.study.definition.spec import Spec
from lightune.study.space.space import Space
from lightune.study.storage.backends import open_storage
from lightune.study.storage.lease import Lease
from lightune.study.storage.trial_store import TrialStore

__all__ = ["StudyContext"]


@dataclass(frozen=True)
class StudyContext:
    """A study that is ready to run.

    Args:
        folder: the study's.
        hydra_context: with a loader that reads the study's own configuration files.
        config: of the multirun, composed from those.
        settings: how it searches.
        space: what its trials may be.
        url: of its storage, with the password; None for the journal.
        print_line: shows a line to whoever started the study.
        spec: what `study.json` says.
        code: that it calls, as it was at this start.
        resumed: whether it began earlier.
        kept: names of what was in its folder before this start, if that had trials.
        lease: our sign of life.
    """

    folder: Path
    hydra_context: HydraContext
    config: DictConfig
    settings: Settings
    space: Space
    url: str | None
    print_line: Callable[[str], None]
    spec: Spec
    code: OwnCode
    resumed: bool
    kept: frozenset[str]
    lease: Lease

    def open_store(self) -> TrialStore:
        """Open the record of its trials, or begin it.

        Raises:
            ConfigError: if its storage has a study of this name that is another.
            StorageError: if the storage cannot be opened.
        """
        return TrialStore(
            open_storage(self.url, self.folder, vocabulary=self.settings.vocabulary),
            folder=self.folder,
            space=self.space,
            settings=self.settings,
            lease=self.lease,
            name=self.spec.name,
            identity=self.spec.identity,
        )

"""Studies within one process: their record, and the whole of them."""

import pytest

from lightune.study.definition.settings import Objective, Settings
from lightune.study.space.space import read_space
from lightune.study.storage.backends import open_storage
from lightune.study.storage.lease import Lease
from lightune.study.storage.trial_store import TrialStore

ONE = (Objective(None, "min"),)
SPACE = ("x=interval(0,5)", "y=a,b,c", "z=range(1,10)")


@pytest.fixture
def open_store(tmp_path):
    """Open the record of a study's trials, as a new process would."""
    leases = []

    def store_of(*arguments, folder="study", objectives=ONE, params=None, **settings):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        leases.append(Lease(place))
        return TrialStore(
            open_storage(None, place),
            folder=place,
            space=read_space(arguments or SPACE, params=params or {}),
            settings=Settings(objectives=objectives, **settings),
            lease=leases[-1],
        )

    yield store_of
    for lease in leases:
        lease.end()

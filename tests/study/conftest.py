"""Studies within one process: their record, and the whole of them."""

import pytest

from lightune.study.definition.settings import Objective, Settings
from lightune.study.space.space import read_space
from lightune.study.storage.backends import open_storage
from lightune.study.storage.lease import Lease
from lightune.study.storage.trial_store import Book

ONE = (Objective(None, "min"),)
SPACE = ("x=interval(0,5)", "y=a,b,c", "z=range(1,10)")


@pytest.fixture
def book(tmp_path):
    """Open the book of a study, as a new process would."""
    leases = []

    def open_book(*arguments, folder="study", objectives=ONE, params=None, **settings):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        leases.append(Lease(place))
        return Book(
            open_storage(None, place),
            folder=place,
            space=read_space(arguments or SPACE, params=params or {}),
            settings=Settings(objectives=objectives, **settings),
            lease=leases[-1],
        )

    yield open_book
    for lease in leases:
        lease.end()

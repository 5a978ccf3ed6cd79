"""Configuration files of an application, whose defaults lists name each other in all the ways that there are."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import setup_globals
from hydra.types import RunMode

from lightune.study.definition.config_files import chosen_options
from lightune.study.space.reader import read_space

FILES = {
    "config.yaml": "defaults: [base, db: mysql, shape@here: flat, optional local: machine, _self_]\nx: 1",
    "base.yaml": "b: 1",
    "db/mysql.yaml": "defaults: [engine: innodb]\nport: 1",
    "db/sqlite.yaml": "port: 2",
    "db/engine/innodb.yaml": "rows: 1",
    "db/engine/wal.yaml": "rows: 2",
    "shape/flat.yaml": "n: 1",
    "plan/small.yaml": "# @package _global_\n"
    "defaults: ['/tool@tool': '${db}_tool', _self_, override /db: sqlite]\nx: 2",
    "tool/sqlite_tool.yaml": "t: 1",
    "unused/other.yaml": "u: 1",
    "notes.yaml": "defaults: [nowhere]",
    "deep/below/data.yaml": "no: 1",
}


@pytest.fixture
def files(tmp_path):
    """Lay out the files; return their folder."""
    folder = tmp_path / "files"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")
    return folder


@pytest.fixture
def options(files):
    """Return the options that a multirun's arguments choose."""
    with initialize_config_dir(str(files), job_name="app"):
        setup_globals()
        loader = GlobalHydra.instance().config_loader()

        def of(*arguments):
            config = loader.load_configuration("config", list(arguments), run_mode=RunMode.MULTIRUN)
            return chosen_options(config, read_space(arguments, loader=loader))

        yield of

import logging
import pickle
import sys
from logging.handlers import MemoryHandler
from types import ModuleType
from unittest.mock import Mock

import pytest
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, RangeSweep
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import ConfigCompositionException
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.types import RunMode
from omegaconf import OmegaConf

from lightune.private_api.hydra import (
    apply_overrides,
    flush_loggers,
    is_basic_launcher,
    is_files_loader,
    judge_of,
    judged_callbacks,
    loader_of,
    names_a_group,
    note_failure,
    points_of_grid,
    returned_or_raised,
    start_others,
    start_ray,
    unshuffled,
)


@pytest.fixture
def loader(tmp_path):
    """Make a loader of two folders, the first of which wins."""
    for folder, lr in (("first", 0.1), ("second", 0.2)):
        (tmp_path / folder / "model").mkdir(parents=True)
        (tmp_path / folder / "model" / "net.yaml").write_text(f"lr: {lr}\n")
    (tmp_path / "second" / "model" / "other.yaml").write_text("lr: 0.3\n")
    (tmp_path / "second" / "config.yaml").write_text("defaults: [{model: net}, _self_]\nseed: 0\nnote: ''\n")
    places = [
        ("main", f"file://{tmp_path}/first"),
        ("mine", f"file://{tmp_path}/second"),
        ("hydra", "pkg://hydra.conf"),
        ("schema", "structured://"),
    ]
    Plugins.instance()  # which knows how to read files and packages
    return loader_of(places)


def composed(loader, *overrides):
    return loader.load_configuration("config", [*overrides], run_mode=RunMode.RUN)


def own_keys(cfg):
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])


def parsed(*lines):
    return OverridesParser.create().parse_overrides([*lines])


def test_a_loader_looks_in_its_places_in_their_order(loader):
    assert composed(loader).model.lr == 0.1
    assert composed(loader, "model=other").model.lr == 0.3
    assert [place.provider for place in loader.get_search_path().get_path()][:2] == ["main", "mine"]


def test_hydras_own_loader_is_known_from_others(loader):
    assert is_files_loader(loader)
    assert not is_files_loader(Mock(spec=ConfigLoader))


def test_plain_values_are_set_as_hydra_sets_them(loader):
    cfg = composed(loader)
    lines = ["model.lr=0.5", "note='a,b'", "++added={x: 1}", "~seed"]
    apply_overrides(parsed(*lines), cfg)
    assert own_keys(cfg) == own_keys(composed(loader, *lines))
    assert (cfg.model.lr, cfg.note, cfg.added.x, "seed" in cfg) == (0.5, "a,b", 1, False)
    with pytest.raises(ConfigCompositionException, match="'sede'"):
        apply_overrides(parsed("sede=1"), cfg)


def test_a_group_is_told_from_a_key(loader):
    assert names_a_group(loader, "model")
    assert not names_a_group(loader, "model.lr")
    assert not names_a_group(loader, "seed")


def test_the_launcher_that_hydra_takes_is_known_from_others():
    assert is_basic_launcher(BasicLauncher())
    assert not is_basic_launcher(Mock(spec=Launcher))


def test_a_grid_has_the_points_that_hydra_runs_in_its_order():
    grid = parsed("lr=1,2", "note=x", "seed=range(0,3)")
    points = [[f"lr={lr}", "note=x", f"seed={seed}"] for lr in (1, 2) for seed in (0, 1, 2)]
    assert points_of_grid(grid, 6) == points
    assert points_of_grid(grid, 4) == points[:4]


@pytest.mark.parametrize(
    ("line", "kind", "values"),
    [
        ("seed=shuffle(3,1,2)", ChoiceSweep, ["3", "1", "2"]),
        ("seed=shuffle(range(0,5))", RangeSweep, ["0", "1", "2", "3", "4"]),
    ],
)
def test_a_shuffled_sweep_has_its_written_order_back(line, kind, values):
    (shuffled,) = parsed(line)
    ordered = unshuffled(shuffled)
    assert isinstance(ordered.value(), kind)
    assert [*ordered.sweep_string_iterator()] == values
    assert (shuffled.value().shuffle, ordered.key_or_group) == (True, "seed")


def test_what_a_job_has_returned_or_raised_is_handed_out_without_a_word(capsys):
    error = ValueError("told to")
    assert returned_or_raised(JobReturn(status=JobStatus.COMPLETED, _return_value=0.5)) == 0.5
    assert returned_or_raised(JobReturn(status=JobStatus.FAILED, _return_value=error)) is error
    assert capsys.readouterr() == ("", "")


def failing():
    raise ValueError("told to") from KeyError("why")


def test_a_failure_travels_with_its_traceback_and_its_cause(tmp_path):
    returned, handler = JobReturn(), logging.FileHandler(tmp_path / "job.log")
    logging.getLogger().addHandler(handler)
    try:
        failing()
    except ValueError as error:
        note_failure(returned, error)
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    arrived = pickle.loads(pickle.dumps(returned))
    assert arrived.status == JobStatus.FAILED
    with pytest.raises(ValueError, match="told to") as raised:
        _ = arrived.return_value
    assert raised.traceback[-1].name == "failing"
    assert type(raised.value.__cause__).__name__ == "KeyError"
    assert "ValueError: told to" in (tmp_path / "job.log").read_text()


def test_a_group_of_failures_travels_with_the_traceback_of_each():
    returned = JobReturn()
    try:
        try:
            failing()
        except ValueError as error:
            raise ExceptionGroup("several", [error]) from None
    except ExceptionGroup as error:
        note_failure(returned, error)
    with pytest.raises(ExceptionGroup) as raised:
        _ = pickle.loads(pickle.dumps(returned)).return_value
    (member,) = raised.value.exceptions
    assert member.__traceback__.tb_next.tb_frame.f_code.co_name == "failing"


def test_what_handlers_hold_is_written():
    written = []

    class Target(logging.Handler):
        def emit(self, record):
            written.append(record.getMessage())

    handler = MemoryHandler(capacity=100, target=Target())
    handler.handle(logging.makeLogRecord({"msg": "hello", "levelno": logging.INFO}))
    assert written == []
    flush_loggers()
    assert written == ["hello"]


def test_ray_is_started_by_its_own_launcher(monkeypatch):
    called = []
    util = ModuleType("hydra_plugins.hydra_ray_launcher._launcher_util")
    util.start_ray = called.append
    for name in ("hydra_plugins.hydra_ray_launcher", util.__name__):
        monkeypatch.setitem(sys.modules, name, util)
    start_ray({"address": "auto"})
    assert called == [{"address": "auto"}]


def test_callbacks_are_judged_before_one_is_made_and_the_first_is_asked_by_itself():
    class First(Callback):
        began = 0

        def on_multirun_start(self, config, **kwargs):
            self.began += 1

    class Other(First):
        pass

    judge, config = Mock(), OmegaConf.create({"hydra": {"callbacks": {}}})
    callbacks = judged_callbacks(judge, First, config)
    judge.assert_called_once_with(config)
    assert judge_of(callbacks) is judge
    callbacks.callbacks.append(Other())
    start_others(callbacks, config, "train")
    assert [each.began for each in callbacks.callbacks] == [0, 1]

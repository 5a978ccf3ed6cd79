import errno
import logging

import pytest
from omegaconf import OmegaConf

from lightune.paths import TRAIN_LOG
from lightune.training.fused.member_log import LogRouter, open_member_log

PLAIN = OmegaConf.create({"name": "run"})

log = logging.getLogger("lightune.of.a.group")


@pytest.fixture
def opened():
    """Open the log of a member in a folder, which is closed in the end."""
    handlers = []

    def open_in(folder, cfg=PLAIN):
        folder.mkdir(exist_ok=True)
        handlers.append(open_member_log(folder, cfg))
        return handlers[-1]

    yield open_in
    for handler in handlers:
        handler.close()


def words(folder):
    """Return the last word of each line of a log."""
    return [line.split()[-1] for line in (folder / TRAIN_LOG).read_text().splitlines()]


def test_what_is_logged_while_a_member_acts_is_in_its_own_log_alone(opened, tmp_path):
    one, other = opened(tmp_path / "0"), opened(tmp_path / "1")
    router = LogRouter()
    with router.listening():
        log.info("nobody's")
        with router.to(one):
            log.info("one's")
        with router.to(other):
            log.warning("other's")
        log.info("nobody's")
    with router.to(one):
        log.warning("unheard")
    assert words(tmp_path / "0") == ["one's"]
    assert words(tmp_path / "1") == ["other's"]


def test_a_member_that_fails_while_it_acts_gets_no_more_of_the_log(opened, tmp_path):
    router = LogRouter()
    with router.listening():
        with pytest.raises(RuntimeError), router.to(opened(tmp_path / "0")):
            raise RuntimeError
        log.info("nobody's")
    assert words(tmp_path / "0") == []


def test_nothing_below_info_is_heard_and_the_level_is_as_it_was_afterwards(opened, tmp_path, monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "level", logging.ERROR)
    handlers = list(root.handlers)
    router = LogRouter()
    with router.listening(), router.to(opened(tmp_path / "0")):
        log.debug("too-much")
        log.info("heard")
    assert words(tmp_path / "0") == ["heard"]
    assert (root.level, list(root.handlers)) == (logging.ERROR, handlers)


def test_a_resumed_member_adds_to_its_log(opened, tmp_path):
    router = LogRouter()
    for word in ("first", "second"):
        with router.listening(), router.to(opened(tmp_path / "0")):
            log.info(word)
    assert words(tmp_path / "0") == ["first", "second"]


def test_values_of_the_environment_are_not_written(opened, tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "very-secret")
    router = LogRouter()
    with router.listening(), router.to(opened(tmp_path / "0", OmegaConf.create({"key": "${oc.env:TOKEN}"}))):
        log.info("connecting with very-secret")
    assert words(tmp_path / "0") == ["${oc.env:TOKEN}"]


def test_a_full_disk_is_no_reason_to_speak_on_the_terminal(opened, tmp_path, monkeypatch, capsys):
    def full(text):
        raise OSError(errno.ENOSPC, "No space left on device")

    handler, router = opened(tmp_path / "0"), LogRouter()
    monkeypatch.setattr(handler.stream, "write", full)
    with router.listening(), router.to(handler):
        log.info("lost")
    monkeypatch.undo()
    assert capsys.readouterr().err == ""

import logging

import pytest
from omegaconf import OmegaConf

from lightune.paths import TRAIN_LOG
from lightune.reporting.train_log import train_log

PLAIN = OmegaConf.create({"name": "run"})


@pytest.fixture
def read(tmp_path):
    return lambda: (tmp_path / TRAIN_LOG).read_text()


def test_what_is_worth_knowing_is_in_the_file_and_warnings_on_the_terminal(tmp_path, read, capsys):
    with train_log(tmp_path, PLAIN, verbose=False):
        logging.getLogger("a").info("of interest")
        logging.getLogger("a").warning("beware")
        logging.getLogger("a").debug("too much")
    assert "INFO    a: of interest" in read()
    assert "WARNING a: beware" in read()
    assert "too much" not in read()
    err = capsys.readouterr().err
    assert ("beware" in err, "of interest" in err) == (True, False)


def test_all_of_it_is_shown_where_that_is_asked_for(tmp_path, read, capsys):
    with train_log(tmp_path, PLAIN, verbose=True):
        logging.getLogger("a").debug("for developers")
    assert "for developers" in read()
    assert "for developers" in capsys.readouterr().err


def test_a_resumed_run_adds_to_its_log_and_everything_is_as_it_was_afterwards(tmp_path, read):
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    for word in ("first", "second"):
        with train_log(tmp_path, PLAIN, verbose=False):
            logging.getLogger("a").info(word)
    assert [line.rpartition(" ")[2] for line in read().splitlines()] == ["first", "second"]
    assert (root.level, list(root.handlers)) == before


def test_values_of_the_environment_are_not_written(tmp_path, read, monkeypatch):
    monkeypatch.setenv("TOKEN", "very-secret")
    with train_log(tmp_path, OmegaConf.create({"key": "${oc.env:TOKEN}"}), verbose=False):
        logging.getLogger("a").info("connecting with very-secret")
    assert "connecting with ${oc.env:TOKEN}" in read()

import atexit
import threading

from lightune.private_api import cpython


def test_the_interpreter_waits_for_threads_then_calls_what_was_registered(monkeypatch):
    called = []
    monkeypatch.setattr(threading, "_shutdown", lambda: called.append("threads"))
    monkeypatch.setattr(atexit, "_run_exitfuncs", lambda: called.append("functions"))
    cpython.at_exit()()
    assert called == ["threads", "functions"]


def test_this_interpreter_has_both():
    assert cpython.at_exit() is not None


def test_an_interpreter_without_them_ends_as_usual(monkeypatch):
    monkeypatch.delattr(threading, "_shutdown")
    assert cpython.at_exit() is None

"""The changes of the current repository: whole, without credentials, and nothing of it run or changed."""

import hashlib
import subprocess

import pytest

from lightune.reporting import repository as module
from lightune.reporting.repository import changes_here, one_look_at_the_code


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The current folder, a repository with one commit of `code.py`."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    (folder / "code.py").write_text("a = 1\n\n \n")
    git("init", "--quiet")
    git("add", "code.py")
    commit()
    return folder


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit():
    git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "first")


def applied(diff, tmp_path):
    """Undo all changes and make them again from a diff."""
    file = tmp_path / "kept.diff"
    file.write_bytes(diff)
    git("reset", "--quiet", "--hard")
    git("clean", "--quiet", "-f", "-d")
    git("apply", "--allow-empty", str(file))


def test_a_clean_repository_is_named_by_its_commit(repository):
    found = changes_here()
    assert (found.commit, found.diff) == (git("rev-parse", "HEAD"), b"")
    assert (found.untracked, found.left_out, found.submodules) == ((), (), ())


@pytest.mark.parametrize("changed", ["a = 2\n\n \n", "a = 2\r\n\n \n", "a = '\xe4'\n\n \n", "a = 2", "\0\1\2"])
def test_uncommitted_changes_can_be_applied_again(repository, tmp_path, changed):
    (repository / "code.py").write_bytes(changed.encode("latin-1"))
    applied(changes_here().diff, tmp_path)
    assert (repository / "code.py").read_bytes() == changed.encode("latin-1")


def test_files_that_were_never_added_are_changes(repository, tmp_path):
    new = repository / "my models" / "net.py"
    new.parent.mkdir()
    new.write_text("class Net: pass\n")
    (repository / "code.py").write_text("a = 2\n")
    (repository / "empty.py").touch()
    found = changes_here()
    assert set(found.untracked) == {"my models/net.py", "empty.py"}
    applied(found.diff, tmp_path)
    assert new.read_text() == "class Net: pass\n"
    assert (repository / "code.py").read_text() == "a = 2\n"
    assert (repository / "empty.py").exists()


def test_nothing_of_the_repository_changes(repository):
    git("config", "core.fsync", "none")
    (repository / "new.py").write_text("b = 1\n")
    before = digests(repository)
    assert changes_here().untracked == ("new.py",)
    assert digests(repository) == before


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_git_ignores_and_what_is_no_code_is_left_out(repository):
    (repository / ".gitignore").write_text("ignored.py\n")
    for name in ("ignored.py", "table.csv", "outputs/a.py", "results/a.py", ".venv/a.py", "taken.py"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("x = 1\n")
    found = changes_here(repository / "results")
    assert set(found.untracked) == {".gitignore", "taken.py"}
    assert found.left_out == ("table.csv (no code)",)


def test_what_is_large_is_left_out_with_its_size(repository):
    (repository / "large.py").write_bytes(b"#" * 2_000_000)
    (repository / "code.py").write_bytes(b"#" * 3_000_000)
    found = changes_here()
    assert (found.diff, found.untracked) == (b"", ())
    assert set(found.left_out) == {"large.py (2.0 MB)", "code.py (3.0 MB)"}


def test_many_files_have_room_for_some(repository, monkeypatch):
    monkeypatch.setattr(module, "_MOST_TOGETHER", 1000)
    for number in range(10):
        (repository / f"file_{number}.py").write_text("#" * 150)
    found = changes_here()
    assert len(found.untracked) == 6
    assert {line.partition("(")[2] for line in found.left_out} == {"no room: there are too many changes)"}


def test_of_many_files_that_are_left_out_some_are_named(repository):
    for number in range(100):
        (repository / f"table_{number}.csv").touch()
    assert len(changes_here().left_out) == 21
    assert changes_here().left_out[-1] == "80 more"


TOKEN = "q7Xz91LmPw34Rt"


def test_credentials_are_not_kept(repository, monkeypatch):
    monkeypatch.setenv("MY_SERVICE_TOKEN", TOKEN)
    (repository / ".env").write_text("OTHER_PASSWORD='from-the-file-9'\n")
    (repository / "code.py").write_text(f'login("{TOKEN}")\nx = 1\n')
    (repository / "cells.ipynb").write_text('{"source": ["open(\\"https://me:pass-9word@example.org/x\\")"]}\n')
    (repository / "net.py").write_text("connect('from-the-file-9')\ny = 1\n")
    (repository / "packed.py").write_bytes(b"\0" + TOKEN.encode())
    found = changes_here()
    for value in (TOKEN, "pass-9word", "from-the-file-9"):
        assert value.encode() not in found.diff
    for kept in (b"+x = 1", b"+y = 1", b"https://me:***@example.org/x"):
        assert kept in found.diff
    assert set(found.left_out) == {
        ".env (it is there to hold credentials)",
        "packed.py (it holds what looks like a credential)",
    }


def test_a_tracked_file_of_credentials_is_not_kept_either(repository):
    (repository / ".env").write_text("A=1\n")
    git("add", ".env")
    commit()
    (repository / ".env").write_text("A=another\n")
    (repository / "code.py").write_text("a = 5\n")
    found = changes_here()
    assert b"+a = 5" in found.diff
    assert b"another" not in found.diff
    assert found.left_out == (".env (it is there to hold credentials)",)


def test_submodules_are_named_with_their_commits(repository, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.py").touch()
    for words in (("init", "--quiet"), ("add", "a.py")):
        git("-C", str(other), *words)
    git("-C", str(other), "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "x")
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "part")
    commit()
    assert changes_here().submodules == (f"part {git('-C', 'part', 'rev-parse', 'HEAD')}",)


def test_a_repository_within_the_repository_is_named(repository):
    (repository / "inner").mkdir()
    (repository / "inner" / "a.py").touch()
    for words in (("init", "--quiet"), ("add", "a.py")):
        git("-C", "inner", *words)
    git("-C", "inner", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "x")
    assert changes_here().left_out == ("inner/ (a repository of its own)",)


def test_changes_are_kept_from_below_the_root_of_the_repository_too(repository, monkeypatch):
    (repository / "code.py").write_text("a = 3\n")
    (repository / "new.py").write_text("b = 3\n")
    (repository / "deep").mkdir()
    monkeypatch.chdir(repository / "deep")
    assert b"+a = 3" in changes_here().diff
    assert b"+b = 3" in changes_here().diff


def test_a_repository_without_a_commit_is_none(tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    git("init", "--quiet")
    assert changes_here() is None


def test_outside_a_repository_there_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert changes_here() is None


def test_without_git_there_is_none(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert changes_here() is None


def test_runs_that_end_together_have_the_code_of_the_first(repository):
    with one_look_at_the_code():
        first = changes_here()
        (repository / "code.py").write_text("a = 2\n")
        assert changes_here() == first
    assert changes_here().diff


PROGRAMS = {
    "a file system monitor": ({"core.fsmonitor": "{run}"}, None),
    "a program for differences": ({"diff.external": "{run}"}, None),
    "a driver": ({"diff.odd.command": "{run}"}, "* diff=odd"),
    "a conversion to text": ({"diff.odd.textconv": "{run}"}, "* diff=odd"),
    "a filter": ({"filter.odd.clean": "{run}"}, "* filter=odd"),
    "a required filter": ({"filter.odd.process": "{run}", "filter.odd.required": "true"}, "* filter=odd"),
    "a filter of an odd name": ({"filter.odd=x.y.clean": "{run}"}, "* filter=odd=x.y"),
    "a filter that looks well known": ({"filter.lfs.clean": "git-lfs clean -- %f; {run}"}, "* filter=lfs"),
    "a pager": ({"core.pager": "{run}", "pager.diff": "true"}, None),
}


@pytest.mark.parametrize("names", PROGRAMS)
def test_nothing_runs_that_a_repository_names(repository, tmp_path, names):
    settings, attributes = PROGRAMS[names]
    mark, script = tmp_path / "it_ran", tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    for key, value in settings.items():
        git("config", key, value.format(run=script))
    if attributes:
        (repository / ".git" / "info").mkdir(exist_ok=True)
        (repository / ".git" / "info" / "attributes").write_text(attributes + "\n")
    (repository / "code.py").write_text("a = 2\n")
    (repository / "new.py").write_text("b = 2\n")
    found = changes_here()
    assert not mark.exists()
    assert b"+a = 2" in found.diff
    assert b"+b = 2" in found.diff
    subprocess.run(["git", "diff", "HEAD"], check=False, capture_output=True)
    assert mark.exists() == (names != "a pager")  # git itself does run it


def test_a_filter_of_the_users_own_keeps_working(repository, tmp_path, monkeypatch):
    (tmp_path / "gitconfig").write_text('[filter "upper"]\n\tclean = tr a-z A-Z\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (repository / ".git" / "info" / "attributes").write_text("* filter=upper\n")
    (repository / "code.py").write_text("a = 2\n")
    assert b"+A = 2" in changes_here().diff

import sys

import pytest

from lightune.config.static.sources import TargetNotFoundError, UnreadableTargetError, find


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "some_package"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "some_package"]:
        del sys.modules[name]


def test_follows_re_exports_to_the_canonical_path():
    assert find("torch.optim.AdamW").path == "torch.optim.adamw.AdamW"
    assert find("pytorch_lightning.Trainer").path == "pytorch_lightning.trainer.trainer.Trainer"


def test_follows_an_alias_into_the_standard_library():
    assert find("lightune.config.static.sources.importlib.util.find_spec").path == "importlib.util.find_spec"


def test_follows_star_imports_relative_imports_and_plain_aliases(package):
    (package / "__init__.py").write_text("from .inner import *\nfrom . import inner as other\nNet = other.Base\n")
    (package / "inner.py").write_text("class Base:\n    class Nested:\n        pass\n")
    assert find("some_package.Base").path == "some_package.inner.Base"
    assert find("some_package.Net").path == "some_package.inner.Base"
    assert find("some_package.inner.Base.Nested").path == "some_package.inner.Base.Nested"


def test_names_the_part_that_is_missing():
    with pytest.raises(TargetNotFoundError, match="no package 'no_such_package'"):
        find("no_such_package.Thing")
    with pytest.raises(TargetNotFoundError, match=r"'lightune.models' has no 'Nope'"):
        find("lightune.models.Nope")


def test_leaves_names_made_at_run_time_to_an_import(package):
    (package / "__init__.py").write_text("Net = make()\ndef __getattr__(name): ...\n")
    with pytest.raises(UnreadableTargetError):
        find("some_package.Net")
    with pytest.raises(UnreadableTargetError):
        find("some_package.Other")


def test_gives_up_on_a_circle_of_re_exports(package):
    (package / "__init__.py").write_text("from some_package.a import Net\n")
    (package / "a.py").write_text("from some_package.b import Net\n")
    (package / "b.py").write_text("from some_package.a import Net\n")
    with pytest.raises(UnreadableTargetError, match="too many times"):
        find("some_package.Net")


def test_leaves_a_file_that_does_not_parse_to_an_import(package):
    (package / "__init__.py").write_text("class Net(:\n")
    with pytest.raises(UnreadableTargetError, match="cannot be read"):
        find("some_package.Net")


def test_imports_nothing(package):
    (package / "__init__.py").write_text("raise RuntimeError('imported')\nclass Net: pass\n")
    assert find("some_package.Net").path == "some_package.Net"
    assert "some_package" not in sys.modules

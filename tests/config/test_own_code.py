"""Which version of somebody's code there is, told from its files alone."""

import importlib
import sys
from importlib import metadata
from pathlib import Path

import pytest

from lightune.config import own_code as module
from lightune.config.own_code import changed_code, loaded_code, own_code
from lightune.config.trust import inherit


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """Write a package that is trusted, beside a module that it imports and one that it does not."""
    name = f"own_{abs(hash(request.node.nodeid))}"
    for file, text in {
        f"{name}/__init__.py": f"from {name} import part",
        f"{name}/part.py": f"import json, beside_{name} as b\nvalue = 1",
        f"{name}/__pycache__/part.py": "",
        f"{name}/.hidden/part.py": "",
        f"beside_{name}.py": "def f():\n    from numpy import ones",
        f"unrelated_{name}.py": "",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    inherit((f"{name}.part",))
    return name


def edit(folder, name):
    (folder / name).write_text((folder / name).read_text() + "\n# another\n")


def own(code):
    return sorted(name for name in code.files if not name.startswith("lightune"))


def test_a_trusted_package_counts_with_what_it_imports_of_the_folder_and_is_not_imported(package):
    assert own(own_code()) == sorted([f"{package}/__init__.py", f"{package}/part.py", f"beside_{package}.py"])
    assert not {package, f"{package}.part", f"beside_{package}"} & sys.modules.keys()


@pytest.mark.parametrize("edited", ["{}/__init__.py", "{}/part.py", "beside_{}.py"])
def test_an_edit_is_another_version_and_named(package, tmp_path, edited):
    before = own_code()
    assert own_code().digest == before.digest
    edit(tmp_path, edited.format(package))
    after = own_code()
    assert after.digest != before.digest
    assert changed_code(before.files, after.files) == [edited.format(package)]


def test_files_that_were_added_or_removed_are_named_and_others_are_not(package, tmp_path):
    before = own_code()
    (tmp_path / package / "more.py").touch()
    (tmp_path / f"beside_{package}.py").unlink()
    edit(tmp_path, f"unrelated_{package}.py")
    assert changed_code(before.files, own_code().files) == sorted([f"{package}/more.py", f"beside_{package}.py"])


def test_what_is_installed_counts_by_its_version(package):
    inherit(("torchmetrics", "PIL", "no_such_package_at_all"))
    code = own_code(["numpy.ones", f"{package}.part.value"])
    assert code.files["torchmetrics"] == metadata.version("torchmetrics")
    assert "PIL/Image.py" in code.files  # its distribution has another name
    assert f"{package}/part.py" in code.files
    assert not any("numpy" in name for name in code.files)


def test_a_script_counts_with_what_it_imports(package, tmp_path):
    inherit(())
    (tmp_path / "script.py").write_text(f"import os\nimport beside_{package}\n")
    assert own(own_code(script=tmp_path / "script.py")) == sorted(["script.py", f"beside_{package}.py"])


def test_parts_of_lightune_count_where_they_may_be_edited(tmp_path):
    root = Path(module.__file__).parents[2]
    listed = dict(module._of_lightune(root))
    assert {"lightune", "lightune/models/mlp.py", "lightune/tasks/supervised.py"} <= listed.keys()
    assert "lightune/study/sweep.py" not in listed
    assert dict(module._of_lightune(tmp_path / "site-packages")) == {"lightune": metadata.version("lightune")}


def test_beyond_a_size_files_count_by_theirs(package, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 40)
    (tmp_path / package / "part.py").write_text("# " + "a" * 100)
    before = own_code().files
    assert before[f"{package}/part.py"] == "102 bytes"
    (tmp_path / package / "part.py").write_text("# " + "a" * 101)
    assert changed_code(before, own_code().files) == [f"{package}/part.py"]


def test_a_process_works_with_the_files_as_they_were_when_it_imported_them(package, tmp_path, monkeypatch):
    importlib.import_module(f"{package}.part")
    loaded = loaded_code()
    assert loaded.digest == own_code().digest
    edit(tmp_path, f"{package}/part.py")
    assert loaded_code().digest == loaded.digest
    assert own_code().digest != loaded.digest
    for name in (package, f"{package}.part", f"beside_{package}"):  # as a worker does between two trials
        monkeypatch.delitem(sys.modules, name)
    importlib.import_module(f"{package}.part")
    assert loaded_code().digest == own_code().digest

"""The wheel, installed where nothing else is, trains from an empty folder."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def call(*command, cwd, **environment):
    """Run a command; return what it printed, or fail with all of it."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**clean, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    files = call("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), files):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    (source / "conf" / "local").mkdir(exist_ok=True)
    (source / "conf" / "local" / "default.yaml").write_text("output_root: /the/builder/s/own\n")
    (source / ".gitignore").unlink()  # what git ignores is not what keeps a machine's settings out
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Make an environment with the wheel and what it asks for, and nothing else; return its folder of programs."""
    folder = tmp_path_factory.mktemp("environment")
    uv = Path(sys.executable).with_name("uv")
    call(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    install = [uv, "pip", "install", "--python", python, "--compile-bytecode", "--link-mode", "hardlink"]
    call(*install, "--constraint", ROOT / "constraints.txt", wheel, cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_every_option_and_no_test(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    options = {
        str(path.relative_to(ROOT)) for path in (ROOT / "conf").rglob("*.yaml") if "local" not in path.parts
    }
    assert {f"lightune/{option}" for option in options} <= set(names)
    assert "lightune/reporting/result.schema.json" in names
    assert "hydra_plugins/hydra_lightune/__init__.py" in names
    assert "hydra_plugins/__init__.py" not in names
    assert not [name for name in names if name.startswith("tests")]


def test_the_wheel_holds_its_data_and_says_their_licences(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        (folder,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
        described = message_from_bytes(packed.read(f"{folder}/METADATA"))
        listed = packed.read("lightune/data/files/LICENSES.md").decode()
    data = {path.name for path in (ROOT / "src/lightune/data/files").iterdir()} - {"LICENSES.md"}
    assert {f"lightune/data/files/{name}" for name in data} <= set(names)
    assert set(re.findall(r"^\| `(\S+)` \|", listed, re.MULTILINE)) == data
    named = {"Apache-2.0", *re.findall(r"^\| `\S+` \| (\S+) \|", listed, re.MULTILINE)}
    assert set(described["License-Expression"].split(" AND ")) == named
    assert set(described.get_all("License-File")) == {"LICENSE", "src/lightune/data/files/LICENSES.md"}
    assert {f"{folder}/licenses/{name}" for name in described.get_all("License-File")} <= set(names)


def test_the_wheel_holds_no_settings_of_the_machine_that_built_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "lightune/conf/train.yaml" in names
    assert not [name for name in names if name.startswith("lightune/conf/local")]


def test_the_installed_program_trains_and_evaluates_in_an_empty_folder(installed, tmp_path):
    out = call(installed / "lightune-train", "trainer=smoke", cwd=tmp_path)
    assert "tensorboard --logdir outputs" in out
    (result,) = tmp_path.rglob("result.json")
    tested = json.loads(result.read_text())["metrics"]
    metrics = json.loads(call(installed / "lightune", "evaluate", result.parent, "--json", cwd=tmp_path))
    assert metrics == {name: value for name, value in tested.items() if name.startswith("test/")}


def test_the_installed_program_finds_a_package_in_the_current_folder(installed, tmp_path):
    source = "from lightune.models import MLP\nclass Mine(MLP):\n    pass\n"
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").write_text(source)
    command = [installed / "lightune-train", "trainer=smoke", "model._target_=my_package.Mine"]
    call(*command, cwd=tmp_path, LIGHTUNE_TRUST="my_package")
    (result,) = tmp_path.rglob("result.json")
    assert json.loads(result.read_text())["status"] == "completed"

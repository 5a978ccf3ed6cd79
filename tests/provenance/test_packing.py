"""What is packed, what is not, and that it repeats every figure elsewhere."""

import json
import subprocess
import zipfile

import pytest

from lightune import compose, train
from lightune.config.trust import trust
from lightune.errors import ConfigError
from lightune.provenance.capsule import opened
from lightune.provenance.packing import pack
from lightune.provenance.recorded import read_recorded
from lightune.provenance.reproduction import reproduce

SECRETS = {
    "environment": "Zq8mW2xK7vTn4pLr", "address": "p4ssw0rd-in-url", "dotenv": "from-dot-env-77",
    "diff": "ghp_" + "Ab3" * 12, "notebook": "hf_" + "Cd5" * 12, "option": "sk-" + "Ef7" * 12,
}  # fmt: skip


def contents(file):
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def packed(tmp_path):
    """Pack a run, or a study whose best trial is named."""

    def call(folder, best=None, **settings):
        return pack(folder, tmp_path / "a.zip", best=lambda _: best, **settings)

    return call


def again(file, tmp_path, trial=""):
    """Reproduce what was packed, in a clean folder."""
    (tmp_path / "clean").mkdir()
    with opened(file) as capsule:
        recorded = read_recorded(capsule.path / trial)
        return reproduce(recorded, tmp_path / "clean", changes=capsule.places)


def test_a_run_on_data_of_its_own_is_the_same_where_they_are_not(make, packed, tmp_path):
    run = make("run", "text")
    about = packed(run).about
    assert about.places == {"data.path": "data/0/table.csv"}
    assert about.left_out == []
    (tmp_path / "table.csv").unlink()
    answer = again(tmp_path / "a.zip", tmp_path)
    assert answer.is_same
    assert answer.weights


@pytest.mark.long
def test_the_same_gives_the_same_file(make, packed, tmp_path):
    run = make("run", "text")
    packed(run)
    first = (tmp_path / "a.zip").read_bytes()
    packed(run)
    assert (tmp_path / "a.zip").read_bytes() == first


@pytest.mark.long
def test_packages_are_listed_as_pip_takes_them(make, packed, tmp_path):
    run = make("run")
    about = json.loads((run / "environment.json").read_text())
    about |= {
        "packages": {"a": "1.0", "b": "2.0", "c": "3"},
        "sources": {"b": "git+https://x.org/b@abc", "c": "a folder"},
    }
    (run / "environment.json").write_text(json.dumps(about))
    packed(run)
    lines = contents(tmp_path / "a.zip")["requirements.txt"].decode().splitlines()
    assert lines[1:] == ["a==1.0", "b @ git+https://x.org/b@abc", "# c==3 was installed from a folder"]


@pytest.mark.long
def test_weights_and_data_can_be_left_out(make, packed, tmp_path):
    run = make("run", "text")
    about = packed(run, checkpoints=False, data=False).about
    assert about.left_out == ["data.path: as it was asked for"]
    names = list(contents(tmp_path / "a.zip"))
    assert not [
        name for name in names if name.endswith(".ckpt") or name.startswith("data/") or "predictions" in name
    ]
    answer = again(tmp_path / "a.zip", tmp_path)
    assert answer.is_same
    assert (answer.weights, answer.lost) == ([], ["checkpoints/best.ckpt"])


@pytest.mark.long
def test_data_that_are_large_are_left_out_with_their_size(make, packed, monkeypatch):
    run = make("run", "text")
    monkeypatch.setattr("lightune.provenance.packing._MOST_DATA", 100)
    assert packed(run).about.left_out == ["data.path: 0 MB, and there is room for 0 MB"]


@pytest.mark.long
def test_weights_that_others_trained_are_packed_with_the_network(make, packed, tmp_path):
    run = make("run")
    (tmp_path / "body.pt").write_bytes(b"weights")
    config = (run / ".hydra" / "config.yaml").read_text()
    (run / ".hydra" / "config.yaml").write_text(config.replace("units: 8", "weights: body.pt"))
    assert packed(run).about.places == {"model.weights": "data/0/body.pt"}
    assert packed(run, checkpoints=False).about.places == {}


@pytest.mark.long
def test_files_of_credentials_among_the_data_are_left_out(make, packed, tmp_path):
    run = make("run", "cnn")
    (tmp_path / "files" / ".env").write_text("A_TOKEN=123456789")
    assert packed(run).about.left_out == ["data/0/files/.env: it is there to hold credentials"]
    assert again(tmp_path / "a.zip", tmp_path).is_same


@pytest.mark.long
def test_a_study_has_all_results_and_the_weights_of_the_best(make, packed, tmp_path):
    best = make("trial", "text")
    study = best.parents[1]
    about = packed(study, best).about
    names = list(about.files)
    assert sum(name.endswith("result.json") for name in names) == 3
    assert [name for name in names if name.endswith(".ckpt")] == ["content/trials/1/checkpoints/best.ckpt"]
    assert {"content/study.json", "content/trials.csv", "content/best.yaml"} <= set(names)
    assert again(tmp_path / "a.zip", tmp_path, "trials/1").is_same


@pytest.mark.long
@pytest.mark.parametrize("kind", ["fold", "resumed", "fused"])
def test_every_kind_of_run_can_be_packed(make, packed, tmp_path, kind):
    folder = make(kind, "text")
    packed(folder.parents[1] if kind == "fold" else folder)
    (tmp_path / "table.csv").unlink()
    answer = again(tmp_path / "a.zip", tmp_path)
    assert answer.is_same
    assert answer.differing == []


OWN = """
from lightune.models import MLP


class Net(MLP):
    pass
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """A package of one's own with a model, in the folder that is worked in."""
    name = f"packed_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.long
def test_code_of_ones_own_is_packed_if_it_is_what_was_trained(make, packed, tmp_path, own_code):
    trust(own_code)
    run = make("run", "mlp", f"model._target_={own_code}.Net")
    packed(run)
    name = f"code/{own_code}/__init__.py"
    assert contents(tmp_path / "a.zip")[name].decode() == OWN
    (tmp_path / own_code / "__init__.py").write_text(OWN + "\n# changed\n")
    about = packed(run).about
    assert "code: it is not what the run was trained with any more" in about.left_out
    assert name not in about.files


@pytest.mark.long
def test_code_that_is_not_trusted_is_named(make, packed, own_code):
    trust(own_code)
    run = make("run", "mlp", f"model._target_={own_code}.Net")
    from lightune.config import trust as module

    module.inherit([])
    (line,) = packed(run).about.left_out
    assert line == f"code of {own_code}: it is not trusted by name (LIGHTUNE_TRUST={own_code})"


@pytest.mark.parametrize("what", ["nowhere", "empty"])
def test_what_is_no_run_is_refused(packed, tmp_path, what):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="is no run"):
        packed(tmp_path / what)
    assert not (tmp_path / "a.zip").exists()


def git(*arguments):
    named = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *named, *arguments], check=True, capture_output=True)


def test_no_credential_is_packed(packed, tmp_path, monkeypatch):
    home = tmp_path / "project"
    home.mkdir()
    monkeypatch.chdir(home)
    (home / "code.py").write_text("a = 1\n")
    git("init", "--quiet")
    git("add", "code.py")
    git("commit", "--quiet", "--message", "first")
    monkeypatch.setenv("MY_SERVICE_TOKEN", SECRETS["environment"])
    (home / ".env").write_text(f"DB_PASSWORD={SECRETS['dotenv']}\n")
    (home / "code.py").write_text(f"login('{SECRETS['diff']}', '{SECRETS['environment']}')\nkept = 1\n")
    (home / "cells.ipynb").write_text(
        json.dumps({"source": [f"login('{SECRETS['notebook']}')", SECRETS["dotenv"]]})
    )
    note = f"note='https://me:{SECRETS['address']}@example.org {SECRETS['option']} {SECRETS['environment']}'"
    run = train(
        compose(
            ["trainer=cpu", "trainer.max_epochs=1", "model.units=8", note, "tags=['${oc.env:MY_SERVICE_TOKEN}']"]
        )
    ).run_dir
    about = packed(run).about
    for name, content in contents(tmp_path / "a.zip").items():
        for kind, secret in SECRETS.items():
            assert secret.encode() not in content, (name, kind)
    diff = contents(tmp_path / "a.zip")["content/uncommitted.diff"]
    assert b"+kept = 1" in diff
    assert b"cells.ipynb" in diff
    assert "content/.hydra/config.yaml" in about.hidden
    assert not [name for name in about.files if ".env" in name]


def test_every_file_of_a_run_is_packed_or_left_out_on_purpose(make, packed):
    run = make("run", "text")
    names = contents(packed(run).file)
    every = [path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()]
    left = [name for name in every if not any(packed.endswith(f"/{name}") for packed in names)]
    for_people_or_machines = ("events.", ".hydra/hydra.yaml", "checkpoints/last.ckpt", "hparams.yaml", ".lock")
    assert [name for name in sorted(left) if not name.startswith(for_people_or_machines)] == []

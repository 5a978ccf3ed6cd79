"""`lightune pack`, and `lightune reproduce` of what was packed."""

import shutil
import zipfile

import pytest
from studies import write_study


def test_a_run_is_packed_and_verified_elsewhere(run, tool, tmp_path, monkeypatch):
    code, out, _ = tool("pack", "run")
    assert code == 0
    packed, verify = out.splitlines()
    assert packed.startswith("packed     run.zip: ")
    assert verify == "verify it  lightune reproduce run.zip"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run.zip").rename(tmp_path / "elsewhere" / "run.zip")
    shutil.rmtree(run)
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, _ = tool("reproduce", "run.zip")
    assert code == 0
    assert "reproduces   run.zip\n" in out
    assert "identical: " in out


@pytest.mark.long
def test_a_study_is_packed_with_its_best_trial(trained, tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = write_study(tmp_path / "s", "completed,0.5,1e-3", "completed,0.9,1e-2")
    for number in (0, 1):
        shutil.copytree(trained, study / "trials" / str(number), dirs_exist_ok=True)
    assert tool("pack", "s", "--output", "other.zip")[0] == 0
    code, out, _ = tool("reproduce", "other.zip")
    assert code == 0
    assert "reproduces   other.zip: trials/1\n" in out
    assert "checkpoints/best.ckpt" in out
    code, out, _ = tool("reproduce", "other.zip", "--all")
    assert code == 0
    assert out.startswith("other.zip: trials/0  val/accuracy ")
    assert "\n2 of 2 trials identical\n" in out


def test_what_is_left_out_and_hidden_is_said(run, tool):
    file = run / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("note: ''", "note: 'https://me:passw0rd@example.org'"))
    config = file.read_text().replace("lightune.data.Digits", "lightune.data.Digits\n  path: gone/table.csv")
    file.write_text(config)
    code, out, _ = tool("pack", "run", "--checkpoints", "none")
    assert code == 0
    assert "left out   data.path: there is no file or folder gone/table.csv here" in out
    assert "hidden     credentials in content/.hydra/config.yaml" in out


def test_a_strangers_capsule_runs_none_of_its_code(run, tool, stranger, tmp_path):
    file = run / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("lightune.models.MLP", stranger.function))
    code, out, _ = tool("pack", str(run), "--output", "a.zip")
    assert code == 0
    assert f"code of {stranger.package}: it is not trusted by name" in out
    code, _, err = tool("reproduce", "a.zip")
    assert code == 2
    assert "model._target_" in err
    assert not stranger.mark.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--output", "a.tar"], "--output  must end with .zip, got a.tar"),
        (["run", "--output", "there.zip"], "--output  there.zip exists; choose another name, or remove it"),
        (["run", "--output", "no/folder.zip/x.zip"], "cannot be written"),
        (["nowhere"], "nowhere  is no run: there is no such folder"),
        (["run", "--checkpoints", "all"], "must be one of best, none, got all"),
    ],
)
def test_what_cannot_be_packed_is_refused(run, tool, tmp_path, words, said):
    (tmp_path / "there.zip").touch()
    (tmp_path / "no").touch()
    code, _, err = tool("pack", *words)
    assert code == 2
    assert said in err


def test_what_is_no_capsule_is_refused(run, tool, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", "y")
    code, _, err = tool("reproduce", "a.zip")
    assert code == 2
    assert "a.zip  is no capsule: it has no capsule.json" in err


def test_data_that_lie_elsewhere_are_named(run, tool, tmp_path):
    for words, said in (
        (["--data", "nowhere"], "--data  there is no file or folder"),
        (["--data", "run"], "--data  is for data in files, and those of the run come with lightune"),
    ):
        code, _, err = tool("reproduce", "run", *words)
        assert code == 2
        assert said in err

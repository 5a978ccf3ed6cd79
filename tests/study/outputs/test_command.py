"""The line that goes on with a study repeats the command that began it, and nothing that a file may not say."""

import shlex
import shutil
from dataclasses import replace

import pytest
from studies import write_command, write_study

from lightune.study.definition.identity import study_name
from lightune.study.definition.spec import read_spec
from lightune.study.outputs.command import command_to_go_on

SWEEP = "optimizer.lr=1e-3,1e-2"
CODES = "\x1b[2J"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return the line for a study that was begun with some words."""
    monkeypatch.chdir(tmp_path)

    def call(
        *task, hydra=(), name=None, root="outputs", config="train", sources=(), text=None, more=None, **about
    ):
        identity = {"--config-name": config, **{str(line): line for line in (*hydra, *task)}}
        folder = tmp_path / root / "studies" / (name or study_name("run", identity))
        about = {"program": "lightune-train", **about}
        write_study(folder, identity=identity, **about)
        write_command(folder, *task, hydra=hydra, config=config, sources=sources)
        if text is not None:
            (folder / "multirun.yaml").write_text(text)
        return command_to_go_on(folder, read_spec(folder), more)

    return call


def test_the_command_that_began_a_study_goes_on_with_it(command):
    words = ["hydra/launcher=fused", "note='two words'", SWEEP]
    line = command(*words[1:], hydra=words[:1], program="python train.py")
    assert shlex.split(line) == ["python", "train.py", "-m", *words]


def test_a_study_of_another_name_is_found_by_its_folder(command):
    assert command(SWEEP, name="mine").endswith(f"{SWEEP} hydra.sweep.dir=outputs/studies/mine")
    assert command(SWEEP, "search.study=named", name="named").endswith(f"{SWEEP} search.study=named")


def test_a_study_goes_on_to_the_number_of_trials_that_was_asked_for_last(command):
    assert command("search.n_trials=4", SWEEP, n_trials=9).endswith(f"search.n_trials=9 {SWEEP}")


def test_a_study_gets_the_trials_that_are_asked_for(command):
    assert command("search.n_trials=4", SWEEP, n_trials=9, more=20).endswith(f"search.n_trials=20 {SWEEP}")
    hydra = ["hydra.sweeper.n_trials=4"]
    assert command(SWEEP, hydra=hydra, more=20).endswith(f"hydra.sweeper.n_trials=20 {SWEEP}")
    assert command(SWEEP, more=20, n_trials=9).endswith(f"{SWEEP} search.n_trials=20")


def test_folders_and_files_of_ones_own_are_named(command, tmp_path):
    (tmp_path / "my options").mkdir()
    line = command(SWEEP, sources=[tmp_path / "my options"], config="best")
    assert " -m --config-dir 'my options' --config-name best " in line
    assert " output_root=results " in command("output_root=results", SWEEP, root="results")


@pytest.mark.parametrize(
    "study",
    [
        {"program": "rm -rf /"},
        {"hydra": ["hydra.launcher.setup=[curl]"]},
        {"hydra": ["hydra.launcher={setup: [curl]}"]},
        {"hydra": ["hydra.job.env_set.A=1"]},
        {"hydra": ["hydra.searchpath=[pkg://evil]"]},
        {"hydra": ["+model@hydra.launcher=evil"]},
        {"config": f"best{CODES}"},
        {"text": "hydra: [1"},
        {"text": "a: b"},
        {"text": "!!python/object/apply:os.system [exit]"},
        {"sources": ["/nowhere/at/all"]},
    ],
    ids=str,
)
def test_what_cannot_be_repeated_gives_no_command(command, study):
    assert command(SWEEP, **study) is None


@pytest.mark.parametrize(
    "word", ["output_root=/home/ada", f"note='{CODES}'", "search.storage='mysql://a:***@h/d'", "a b=(", "x.y", 3]
)
def test_a_word_that_cannot_be_repeated_hides_the_whole_command(command, word):
    assert command(word, SWEEP, name="s") is None


def test_where_the_users_own_options_are_gone_those_that_the_study_keeps_are_named(command, tmp_path):
    folder = tmp_path / "outputs" / "studies" / "s"
    (tmp_path / "mine").mkdir()
    kept, own = folder / "trials", str(tmp_path / "mine")
    assert " --config-dir mine " in command(SWEEP, name="s", sources=[kept], config_dir=own)
    shutil.rmtree(folder)
    (tmp_path / "mine").rmdir()
    assert " --config-dir outputs/studies/s/trials " in command(SWEEP, name="s", sources=[kept], config_dir=own)
    shutil.rmtree(folder)
    (tmp_path / f"mine{CODES}").mkdir()
    assert command(SWEEP, name="s", sources=[kept], config_dir=f"{own}{CODES}") is None


def test_a_study_without_its_command_gives_none(command, tmp_path):
    command(SWEEP, name="s")
    folder = tmp_path / "outputs" / "studies" / "s"
    (folder / "multirun.yaml").unlink()
    assert command_to_go_on(folder, read_spec(folder)) is None


def test_a_study_on_options_of_ones_own_names_them(cli, tmp_path):
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "small.yaml").write_text("defaults: [mlp, _self_]\nunits: 4\n")
    words = ["model=small", "data=wine", "trainer=cpu", "trainer.max_epochs=1", "logger=none", SWEEP]
    code, _, err = cli("--config-dir", "mine", "-m", "hydra/launcher=basic", "search.n_trials=1", *words)
    assert code == 0, err
    (folder,) = (tmp_path / "outputs" / "studies").iterdir()
    line = command_to_go_on(folder, replace(read_spec(folder), program="python train.py"), 2)
    assert shlex.split(line)[2:5] == ["-m", "--config-dir", "mine"]
    code, _, err = cli(*shlex.split(line)[2:])
    assert (code, len(list((folder / "trials").iterdir()))) == (0, 2), err

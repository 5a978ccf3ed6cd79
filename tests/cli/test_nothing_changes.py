"""A refusal changes nothing: what lies below the output root, and beside it, is the same before and after."""

import hashlib
import os
from pathlib import Path

import pytest
from command_line import run_tool, run_train
from refused_words import ANY, BY_BUILDING, INTO_THE_STUDY, QUESTIONS, RESUMED, RESUMING, SWEEPS

pytestmark = pytest.mark.long

SMALL = ["trainer=cpu", "trainer.max_epochs=1", "model.units=4", "logger=none"]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Make an output root with a run and a study in it, and a folder of other things beside it."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "other").mkdir()
    (folder / "other" / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_train(*SMALL, "output_root=out") == 0
        swept = ["optimizer.lr=1e-3,1e-2", "search.study=s", "hydra/launcher=basic"]
        assert run_train("-m", *swept, *SMALL, "output_root=out") == 0
    (run,) = (folder / "out" / "runs").glob("*/*")
    root = folder / "out"
    return {
        "root": str(root),
        "run": str(run),
        "study": str(root / "studies" / "s"),
        "other": str(folder / "other"),
    }


def state_of(folder):
    """Return what lies below a folder: path → what it is, with the digest of a file."""
    return {
        os.path.join(place, name): hashlib.sha256(Path(place, name).read_bytes()).hexdigest()
        if Path(place, name).is_file()
        else "folder"
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }


@pytest.fixture
def refused(places, monkeypatch, capfd):
    """Run a program on words that it must refuse; the words may name the places."""
    folder = Path(places["root"]).parent
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LIGHTUNE_TRUST", raising=False)

    def check(main, *words):
        before = state_of(folder)
        given = [place(word, places) for word in words]
        capfd.readouterr()
        code = main(*given)
        out, err = capfd.readouterr()
        assert code == 2, out + err
        assert "Traceback" not in out + err
        assert err.strip()
        assert state_of(folder) == before

    return check


def place(word, places):
    for name, path in places.items():
        word = word.replace(f"{{{name}}}", path)
    return word


def ids(words):
    return " ".join(words)


@pytest.mark.parametrize("words", [*ANY, *BY_BUILDING], ids=ids)
def test_as_a_run(refused, words):
    refused(run_train, "output_root={root}", "trainer=cpu", *words)


@pytest.mark.parametrize(
    "words",
    [*ANY[::4], *(pytest.param(words, marks=pytest.mark.slow) for words in ANY if words not in ANY[::4])],
    ids=ids,
)
def test_beside_a_sweep(refused, words):
    refused(run_train, "-m", "output_root={root}", "trainer=cpu", "scheduler=constant,cosine", *words)


@pytest.mark.parametrize("words", SWEEPS, ids=ids)
def test_as_a_sweep(refused, words):
    refused(run_train, "-m", "output_root={root}", "trainer=cpu", *words)


@pytest.mark.parametrize("words", INTO_THE_STUDY, ids=ids)
def test_under_the_name_of_a_study(refused, words):
    refused(run_train, "-m", "output_root={root}", "search.study=s", "hydra/launcher=basic", *SMALL, *words)


@pytest.mark.parametrize("words", [*RESUMING, *(["resume={run}", *words] for words in RESUMED)], ids=ids)
def test_as_a_resumption(refused, words):
    refused(run_train, "output_root={root}", *words)


@pytest.mark.parametrize("words", QUESTIONS, ids=ids)
def test_as_a_question(refused, words):
    refused(run_tool, *words)

"""What docs/faq.md quotes in its text blocks is what lightune says: each message is provoked."""

import importlib.util
import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from command_line import run_train

from lightune import compose, resume
from lightune import train as run_training
from lightune.errors import ConfigError
from lightune.training.failures import explain
from lightune.training.run_owner import only_owner

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "faq.md"
QUOTED = re.findall(r"^```text\n(.*?)\n```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
SHORT = ["trainer=smoke", "trainer.accelerator=cpu"]
STUDY = ["-m", "search.study=named", "hydra/launcher=basic", *SHORT]


def without_ray(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest)
    )


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Return all that is said by commands and functions that meet what the page tells of."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(out):
        patch.chdir(tmp_path_factory.mktemp("faq"))
        run = run_training(compose(SHORT)).run_dir
        run_train(f"resume={run}")
        run_train(f"resume={run}", "optimizer.lr=1")
        with only_owner(run), pytest.raises(ConfigError) as refusal:
            resume(run, ["trainer.max_epochs=2"])
        run_train(*SHORT, "optimizer=sgd", "optimizer.lr=1e20")
        run_train("data=csv", "data.path=gone.csv", "data.target=x")
        run_train(*STUDY, "optimizer.lr=1e-3,1e-2")
        run_train(*STUDY, "optimizer.lr=1e-3,1e-2")
        run_train(*STUDY, "optimizer.lr=1e-3,1e-1")
        run_train("resume=outputs/studies/named/trials/0")
        patch.setattr("torch.cuda.is_available", lambda: False)
        patch.setattr("torch.backends.mps.is_available", lambda: False)
        run_train("trainer=gpu")
        without_ray(patch)
        run_train("-m", "hydra/launcher=cluster", "seed=0,1")
    return "\n".join([out.getvalue(), str(refusal.value), explain(MemoryError("4 GB were asked for"))])


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_message_is_what_is_said(quoted, said):
    key = re.match(r"(\S+)  (?=\S)", quoted)  # a problem is shown as on the terminal, or as `key: message`
    message = quoted[key.end() :] if key else quoted
    places = re.split(r"\b(?:NAME|PATH|REASON|RUN|STEP|STUDY|COMMAND)\b", message)
    assert re.search(".+".join(map(re.escape, places)), said)
    assert key is None or key[1] == "RUN" or key[1] in said


def test_the_page_quotes_what_is_provoked():
    assert len(QUOTED) > 8

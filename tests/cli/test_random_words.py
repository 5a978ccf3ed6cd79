"""Any words end in a training, in a refusal, or in a failure of one line, and never in another configuration."""

import json
import os
import sys

import pytest
from command_line import run_train
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from random_words import Words, plain_commands

from lightune import compose
from lightune.cli import checks
from lightune.config.compose import composing
from lightune.study import sweep as sweep_module
from lightune.study.definition.definition import read_definition
from lightune.study.definition.identity import overrides_of
from lightune.study.hydra.composer import Composer

pytestmark = pytest.mark.slow

GROUPS = ("data", "model", "loss", "optimizer", "scheduler", "regularization", "metrics", "validation",
          "callbacks", "trainer", "logger", "task", "experiment", "augmentation", "schedule")  # fmt: skip
COMMANDS = 50  # of each of ten seeds
TRAININGS = 20  # of each of four


@pytest.fixture(scope="module")
def words():
    """Draw commands on the groups and keys that there are, by a seed."""
    with composing() as files:
        listed = {group: files.loader.get_group_options(group) for group in GROUPS}
    groups = {group: options for group, options in listed.items() if options}
    return lambda seed, **how: Words(compose(), groups, seed, **how)


@pytest.fixture
def judged(tmp_path, monkeypatch, capfd):
    """Run commands up to where a network would be built; return exit code, what was said, configurations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    composed = []

    def begin_run():
        composed.append(None)
        sys.exit(0)

    def begin_study(config, hydra_context, arguments, *_):
        definition = read_definition(config, hydra_context.config_loader, overrides_of(config, "task"))
        composer, space = Composer(hydra_context.config_loader, config), definition.space
        size = space.size()
        points = list(space.grid()) if size is not None and size <= 12 else [space.first_point()]
        composed.append((size, [plain(composer.compose(space.overrides(point))) for point in points]))
        sys.exit(0)

    monkeypatch.setattr(checks, "import_training", begin_run)
    monkeypatch.setattr(sweep_module, "prepare", begin_study)

    def call(*arguments):
        composed.clear()
        capfd.readouterr()
        code = run_train(*arguments)
        return code, "".join(capfd.readouterr()), list(composed)

    return call


def plain(cfg):
    """Return a configuration as text, without what a study decides."""
    content = OmegaConf.to_container(cfg, resolve=False)
    content.pop("hydra", None)
    if isinstance(content.get("validation"), dict):
        content["validation"].pop("split_seed", None)
    return json.dumps(content, sort_keys=True, default=str)


def composed_by_runs(commands):
    found = set()
    with composing():
        loader = GlobalHydra.instance().config_loader()
        for lines in commands:
            try:
                found.add(plain(loader.load_configuration("train", lines, run_mode=RunMode.RUN)))
            except HydraException:
                found.add("refused")
    return found


def require_one_end(command, code, said):
    assert code in (0, 2), (command, said)
    assert "Traceback" not in said, (command, said)
    assert code == 0 or said.strip(), command


def require_alike(judged, drawn):
    texts = [word.text for word in drawn]
    code, said, _ = judged("trainer=cpu", *texts)
    require_one_end(texts, code, said)
    code, said, composed = judged("-m", "trainer=cpu", *texts)
    require_one_end(["-m", *texts], code, said)
    assert os.listdir() == [], texts
    if code == 0 and composed and (commands := plain_commands(drawn)):
        ((size, trials),) = composed
        runs = composed_by_runs(["trainer=cpu", *lines] for lines in commands)
        if (
            size is not None
            and size <= 12
            and not any(word.text.lstrip("+~").startswith("search") or "(" in word.text for word in drawn)
        ):
            assert set(trials) == runs, texts


@pytest.mark.parametrize("seed", [0])
def test_some_words_at_random(words, judged, seed):
    drawn = words(seed)
    for _ in range(12):
        require_alike(judged, drawn.command())


@pytest.mark.parametrize("seed", range(10, 20))
def test_many_words_at_random(words, judged, seed):
    drawn = words(seed)
    for _ in range(COMMANDS):
        require_alike(judged, drawn.command())


def saved_by_jobs(folder):
    """Return of each job below a folder its overrides and its configuration as text, as Hydra has saved them."""
    return [
        (list(OmegaConf.load(file.with_name("overrides.yaml"))), plain(OmegaConf.load(file)))
        for file in sorted(folder.rglob(".hydra/config.yaml"))
    ]


def require_trained_alike(cli, folder, *words):
    """Train; return how many jobs have begun, each of which has what Hydra composes of its words."""
    code, out, err = cli(*words)
    said = out + err
    assert code in (0, 1, 2), (words, said)
    assert "Traceback" not in said, (words, said)
    if code == 1:
        reasons = [line for line in said.splitlines() if line.startswith(("error ", "failed: "))]
        assert len(reasons) == 1, (words, said)
    jobs = saved_by_jobs(folder)
    assert code != 2 or not jobs, (words, said)
    for lines, saved in jobs:
        assert composed_by_runs([lines]) == {saved}, (words, lines)
    for file in folder.rglob("result.json"):
        result = json.loads(file.read_text())
        assert (result["status"] == "failed") == (result["error"] is not None)
        error = result["error"]  # a text where a trial ended before its run began
        message = error["message"] if isinstance(error, dict) else error
        assert message is None or len(message.splitlines()) == 1
    return len(jobs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4, 8))
def test_a_share_of_the_words_trains(words, cli, tmp_path, monkeypatch, seed):
    drawn, begun = words(seed, short=True), 0
    monkeypatch.setattr(sys, "path", list(sys.path))
    for number in range(TRAININGS):
        texts = [word.text for word in drawn.command()]
        for form in ([], ["-m", "search.n_trials=2", "hydra/launcher=basic"]):
            folder = tmp_path / f"{number}{len(form)}"
            folder.mkdir()
            monkeypatch.chdir(folder)
            begun += require_trained_alike(cli, folder, *form, *texts, "trainer=smoke", "metrics.bootstrap=0")
    assert begun > TRAININGS / 4

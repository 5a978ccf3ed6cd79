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
from lightune.cli import preflight
from lightune.config.compose import composing
from lightune.study import sweep as sweep_module
from lightune.study.definition.definition import read_definition
from lightune.study.definition.identity import overrides_of
from lightune.study.hydra.composer import Composer

GROUPS = ("data", "model", "loss", "optimizer", "scheduler", "regularization", "metrics", "validation",
          "callbacks", "trainer", "logger", "task", "experiment", "augmentation", "schedule")  # fmt: skip
COMMANDS = 500


@pytest.fixture(scope="module")
def words():
    """Draw commands on the groups and keys that there are, by a seed."""
    with composing() as files:
        listed = {group: files.loader.get_group_options(group) for group in GROUPS}
    groups = {group: options for group, options in listed.items() if options}
    return lambda seed: Words(compose(), groups, seed)


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

    monkeypatch.setattr(preflight, "import_training", begin_run)
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
            and not any(word.text.startswith("search") or "(" in word.text for word in drawn)
        ):
            assert set(trials) == runs, texts


@pytest.mark.parametrize("seed", [0])
def test_some_words_at_random(words, judged, seed):
    drawn = words(seed)
    for _ in range(12):
        require_alike(judged, drawn.command())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_words_at_random(words, judged, seed):
    drawn = words(seed)
    for _ in range(COMMANDS):
        require_alike(judged, drawn.command())

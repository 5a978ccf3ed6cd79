"""The same words compose the same configuration, whether a run or the trials of a study are made of them."""

import itertools
import json
from dataclasses import dataclass

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from lightune.study.definition.definition import read_definition
from lightune.study.hydra.composer import Composer

FILES = {
    "config.yaml": """
defaults:
  - _self_
  - model: mlp
  - model@other: mlp
  - optimizer: adam
  - experiment: null
  - override hydra/sweeper: lightune
  - override hydra/launcher: basic
  - override hydra/job_logging: none
x: 1
search: {n_trials: null, space: {}}
""",
    "model/mlp.yaml": "{kind: mlp, units: 0, layers: 0}",
    "model/cnn.yaml": "{kind: cnn, units: 1, layers: 1, channels: 1}",
    "optimizer/adam.yaml": "{lr: 0}",
    "optimizer/sgd.yaml": "{lr: 1, momentum: 0}",
    "experiment/big.yaml": "# @package _global_\ndefaults: [override /model: cnn]\nmodel: {units: 2, layers: 2}",
    "experiment/fast.yaml": "# @package _global_\ndefaults: [override /optimizer: sgd]\noptimizer: {lr: 2}\nx: 2",
}


@dataclass(frozen=True)
class Word:
    """A word of a command.

    Args:
        text: as it is typed.
        instead: what a run says in its place, one for each value; by default the word itself.
        first: whether that stands before all other words, as what is searched in YAML does.
    """

    text: str
    instead: tuple[str, ...] = ()
    first: bool = False

    def __str__(self) -> str:
        return self.text


def swept(key, *values):
    return Word(f"{key}={','.join(values)}", tuple(f"{key}={value}" for value in values))


def searched(key, *values):
    return Word(f"++search.space={{{key}: [{','.join(values)}]}}", tuple(f"{key}={v}" for v in values), first=True)


WORDS = [
    Word("model.units=3"),
    Word("other.units=3"),
    Word("model={units: 4}"),
    Word("model={units: 4, layers: 4}"),
    Word("model=cnn"),
    Word("model@other=cnn"),
    Word("optimizer={lr: 5}"),
    swept("model.units", "10", "11"),
    swept("model", "{layers: 12, units: 12}", "{layers: 13, units: 13}"),
    swept("model", "{units: 14}", "{layers: 15}"),
    swept("model", "mlp", "cnn"),
    swept("model", "cnn", "{units: 16}"),
    swept("model@other", "mlp", "cnn"),
    swept("optimizer", "adam", "sgd"),
    swept("experiment", "big", "fast"),
    Word("experiment=big"),
    searched("model.units", "20", "21"),
    searched("model", "mlp", "cnn"),
    searched("model", "{units: 22}", "{units: 23}"),
    searched("optimizer", "adam", "sgd"),
    Word("+model.more=6"),
    swept("+model.more", "24", "25"),
    Word("++model.units=7"),
    swept("++model.units", "26", "27"),
    Word("++model={units: 8, more: 8}"),
    swept("++optimizer", "{lr: 28}", "{lr: 29}"),
    Word("~model.units"),
    Word("~optimizer"),
]


@pytest.fixture(scope="module")
def _hydra(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conf")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with initialize_config_dir(str(folder), job_name="app"):
        yield


def configurations(make, commands):
    """Return the configurations that commands compose, as texts; of those that Hydra refuses, that it does."""
    found = set()
    for lines in commands:
        try:
            cfg = OmegaConf.to_container(make(lines), resolve=False)
        except (HydraException, ValueError):
            found.add("refused")
        else:
            cfg.pop("hydra", None)
            found.add(json.dumps(cfg, sort_keys=True))
    return found


def runs_of(words):
    """Return what runs compose whose words are those of the trials, each sweep with one of its values."""
    before, typed = (
        [w for w in words if w.first],
        [(w.text,) if w.first else w.instead or (w.text,) for w in words],
    )
    commands = itertools.product(*[w.instead for w in before], *typed)
    return configurations(lambda lines: compose("config", list(lines)), commands)


def trials_of(words):
    """Return what the trials of a study compose."""
    arguments = [word.text for word in words]
    loader = GlobalHydra.instance().config_loader()
    try:
        config = loader.load_configuration("config", arguments, run_mode=RunMode.MULTIRUN)
    except (HydraException, ValueError):
        return {"refused"}
    space = read_definition(config, loader, arguments).space
    return configurations(Composer(loader, config).compose, map(space.overrides, space.grid()))


PAIRS = [
    ("model=cnn", "model={units: 4}"),
    ("model=mlp,cnn", "model={units: 4}"),
    ("model={units: 4}", "model.units=3"),
    ("model.units=10,11", "model={units: 4, layers: 4}"),
    ("model={layers: 12, units: 12},{layers: 13, units: 13}", "model=mlp,cnn"),
    ("model={units: 14},{layers: 15}", "model={layers: 12, units: 12},{layers: 13, units: 13}"),
    ("++search.space={model: [{units: 22},{units: 23}]}", "model=mlp,cnn"),
    ("experiment=big,fast", "model.units=3"),
    ("+model.more=6", "++model={units: 8, more: 8}"),
    ("model@other=mlp,cnn", "model={units: 4}"),
    ("optimizer=adam,sgd", "optimizer={lr: 5}"),
    ("model.units=10,11", "~model.units"),
]


def difference(words):
    """Return what runs and trials of words compose if that differs."""
    runs, trials = runs_of(words), trials_of(words)
    return [] if runs == trials else [(list(map(str, words)), sorted(runs), sorted(trials))]


@pytest.mark.usefixtures("_hydra")
@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_words_compose_the_same_for_a_run_and_for_the_trials(pair):
    known = {str(word): word for word in WORDS}
    assert difference([known[text] for text in pair]) == []


@pytest.mark.slow
@pytest.mark.usefixtures("_hydra")
@pytest.mark.parametrize("word", WORDS, ids=str)
def test_every_pair_of_words_composes_the_same_for_a_run_and_for_the_trials(word):
    others = [other for other in WORDS if not (word.first and other.first)]  # of which the later is the only one
    assert [found for other in others for found in difference([word, other])] == []

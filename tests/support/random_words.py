"""Commands at random: words of Hydra's grammar on random groups and keys, sound and unsound, by a seed."""

import itertools
import random
import re
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

_NUMBERS = [
    "0", "1", "2", "3", "-1", "0.5", "1e-3", "1e-400", "1e400", "nan", "inf", "0x1", "1_000", "10000000000",
]  # fmt: skip
_TEXTS = [
    "null", "true", "false", "yes", "auto", "full", "min", "a", "val/loss", "''", "'a b'", '"x"', "é", "a:b",
    "1a",
]  # fmt: skip
_ODD = [
    "", "=", "[", "{a:", "a b", "don't", "a=b", "(1)", "$", "${", "${nothing}", "${oc.env:NO_SUCH}", "${seed}",
    "???",
]  # fmt: skip
_WRONG = ["a", "=1", "key", "a.b", "+", "~", "model", "--odd", "model.units 3", "a=1=2", ".a=1"]
_NESTED = [
    "[]", "[1,2]", "[8,8]", "[a,b]", "{}", "{a:1}", "{units:4}", "{_target_:os.system}", "[[1],[2]]", "{lr:0.1}",
]  # fmt: skip
_SWEEPS = [
    "range(1,4)", "range(3)", "range(1,3,0)", "interval(0,1)", "interval(1,0)", "tag(log,interval(1e-3,1e-1))",
    "interval(a,b)", "choice()", "choice(1)", "glob(*)", "glob(nothing*)", "shuffle(1,2)", "sort(2,1)",
    "tag(odd,1,2)", "int(interval(1,3))", "choose(1,2)", "choice(1,2",
]  # fmt: skip
_SEARCH = [
    "search=tpe", "search=random", "search=grid", "search=asha", "search=odd", "search.n_trials=2",
    "search.n_trials=0", "search.space={model.units: [4, 8]}", "search.space={odd: [4, 8]}", "search.space=3",
    "search.seed=1", "search.n_jobs=0", "search.enqueue=[{model.units: 4}]", "search.pruner=null",
    "search.objectives=[{metric: val/loss, mode: min}]", "hydra/launcher=basic", "hydra/launcher=fused",
    "hydra/launcher=odd", "search.changed_code=refuse", "search.study=a/b", "search.storage=odd",
    "~search", "search=null", "~search.n_trials", "~hydra/launcher", "~hydra/sweeper", "search.seed=${nothing}",
    "search.space={model: [{layers: 1}, {layrs: 2}]}", "++search.space={model: [{layers: 1}, {layrs: 2}]}",
    "++search.space={model.units: [4, 8]}", "hydra.job.chdir=true", "hydra.sweeper.sampler.seed=1",
    "search.odd=1", "hydra.sweep.subdir=a", "hydra.run.dir=/", "hydra.job.name=odd",
]  # fmt: skip


_LONG = re.compile(
    r"1_000|10000000000|trainer\.(devices|strategy|num_nodes|compile|accelerator)|ddp|fsdp|mnist|cifar|data\.num_workers"
    r"|hydra/launcher|hydra/sweeper|search\.(n_jobs|storage)"
)
"""What may take minutes, needs a download, or starts processes."""


@dataclass(frozen=True)
class Word:
    """A word of a command, and the words that it stands for, one for each value that it sweeps."""

    text: str
    instead: tuple[str, ...]


class Words:
    """Draw commands.

    Args:
        cfg: a composed configuration, whose keys are drawn.
        groups: group → its options.
        seed: of the draws.
        short: whether most of what is drawn is sound, and trains in this process, in seconds.
    """

    def __init__(self, cfg: DictConfig, groups: dict[str, list[str]], seed: int, *, short: bool = False) -> None:
        self._random, self._groups, self._short = random.Random(seed), groups, short
        self._keys = list(_keys(cfg, ""))
        self._cfg = cfg

    def command(self) -> list[Word]:
        """Return one to four words."""
        while True:
            words = [self._word() for _ in range(self._random.choice([1, 1, 2, 2, 3, 4]))]
            if not (self._short and any(_LONG.search(word.text) for word in words)):
                return words

    def _word(self) -> Word:
        draw = self._random.random()
        if self._short and self._random.random() < 0.8:
            return self._sound_word()
        if draw < 0.08:
            text = self._random.choice(_SEARCH)
            return Word(text, (text,))
        if draw < 0.12:
            text = self._random.choice(_WRONG)
            return Word(text, (text,))
        key, value = self._group() if draw < 0.4 else (self._key(), self._value)
        key = self._random.choice(["", "", "", "", "+", "++", "~"]) + self._misspelt(key)
        if key.startswith("~") and self._random.random() < 0.7:
            return Word(key, (key,))
        if self._random.random() < 0.3:
            values = [value() for _ in range(self._random.choice([2, 2, 3]))]
            return Word(f"{key}={','.join(values)}", tuple(f"{key}={each}" for each in values))
        text = f"{key}={value()}"
        return Word(text, (text,))

    def _sound_word(self):
        """Choose options, or values near those that stand, one or several."""
        if self._random.random() < 0.3:
            key = self._random.choice(list(self._groups))
            values = self._groups[key]
        else:
            key = self._random.choice(self._keys)
            values = _near(OmegaConf.select(self._cfg, key, throw_on_resolution_failure=False))
        several = self._random.sample(values, min(len(values), self._random.choice([1, 1, 1, 2])))
        return Word(f"{key}={','.join(several)}", tuple(f"{key}={value}" for value in several))

    def _group(self):
        group = self._random.choice(list(self._groups))
        options = self._groups[group]
        odd = ["odd", "null", "MLP", "[mlp]", "{units: 4}", "glob(*)"]
        return group, lambda: self._random.choice(odd if self._random.random() < 0.1 else options)

    def _key(self):
        key = self._random.choice(self._keys)
        return f"{key}.more" if self._random.random() < 0.05 else key

    def _misspelt(self, key):
        if self._random.random() < 0.07 and len(key) > 2:
            place = self._random.randrange(len(key))
            return key[:place] + self._random.choice(["", "x", ".", "/", "@"]) + key[place + 1 :]
        return key

    def _value(self):
        kinds = [(_NUMBERS, 10), (_TEXTS, 5), (_NESTED, 3), (_ODD, 2), (_SWEEPS, 2)]
        (kind,) = self._random.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
        return self._random.choice(kind)


def _near(value: object) -> list[str]:
    """Return values of the kind of one that stands."""
    if isinstance(value, bool):
        return ["true", "false"]
    if isinstance(value, int | float):
        return [str(value), str(value * 2), str(value // 2 if isinstance(value, int) else value / 2)]
    return [value] if isinstance(value, str) and value.isidentifier() else ["null"]


def plain_commands(words: list[Word], most: int = 12) -> list[list[str]]:
    """Return the commands of runs that a sweep stands for; none if there are too many."""
    count = 1
    for word in words:
        count *= len(word.instead)
    return [list(each) for each in itertools.product(*(word.instead for word in words))] if count <= most else []


def _keys(node: DictConfig, path: str):
    for key in node:
        where = f"{path}{key}"
        if where == "hydra":
            continue
        yield where
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_interpolation():
            yield from _keys(child, f"{where}.")

"""The password in a storage's URL: used to open it, never written down.

This module must not import Optuna, torch or Lightning.
"""

import re
import sys
from collections.abc import Callable
from typing import Literal

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightune.config.override_text import value_text
from lightune.study.definition.identity import overrides_of

__all__ = ["conceal", "has_bare_at", "hidden", "hider", "hider_of"]

_IN_URL = re.compile(r"^([\w+.-]+://[^:@/?]*):.*@")
_BARE_AT = re.compile(r"^[\w+.-]+://[^:@/?]*:[^?]*@[^?]*@")
_IN_QUERY = re.compile(r"([?&](?:password|passwd|pwd)=)[^&#]*", re.IGNORECASE)


def hidden(url: str) -> str:
    """Return a URL with `***` where its password stands: before its last `@`, or in its query."""
    return _IN_QUERY.sub(r"\1***", _IN_URL.sub(r"\1:***@", url))


def hider(url: str | None) -> Callable[[str], str]:
    """Return what hides a URL's password in any text that has the URL, also as a command or YAML spells it.

    Args:
        url: of a storage; None for the journal, which has none.
    """
    if url is None or hidden(url) == url:
        return str
    spelled = re.compile("".join(map(_spelled, url)))

    def hide(text: str) -> str:
        return spelled.sub(lambda found: hidden(found.group()), text)

    return hide


def hider_of(config: DictConfig) -> Callable[[str], str]:
    """Return what hides the password of a multirun's storage in any text, as `hider` does.

    Args:
        config: of the multirun, with Hydra's own node.
    """
    storage = config.hydra.sweeper.storage
    return hider(storage if isinstance(storage, str) else None)


def _spelled(character: str) -> str:
    """Return a pattern of a character of a value: it may be escaped, and a quote may stand twice."""
    return r"\\*" + re.escape(character) + ("+" if character in "'\"" else "")


def has_bare_at(url: str) -> bool:
    """Return True if a password has an `@` as it is, with which a URL's host begins."""
    return _BARE_AT.match(url) is not None


def conceal(config: DictConfig, url: str | None, *, pin: bool = False) -> None:
    """Keep a storage's password out of a multirun's configuration, and out of this process's command.

    Args:
        config: of the multirun; its overrides and the keys of the storage are changed.
        url: of the storage.
        pin: whether an override is to hide what is left, which is of no file of the study but of a package, say:
            each trial is composed anew.
    """
    hide = hider(url)
    if url is None or hide(url) == url:
        return
    sys.argv[:] = map(hide, sys.argv)
    with read_write(config), read_write(config.hydra), open_dict(config), open_dict(config.hydra):
        kinds: tuple[Literal["hydra", "task"], ...] = ("hydra", "task")
        for kind in kinds:
            config.hydra.overrides[kind] = [hide(line) for line in overrides_of(config, kind)]
        for key in ("search.storage", "hydra.sweeper.storage"):
            if OmegaConf.select(config, key) == url and not _refers(config, key):
                OmegaConf.update(config, key, hidden(url))
                if pin:
                    config.hydra.overrides.hydra.append(f"{key}={value_text(hidden(url))}")


def _refers(config: DictConfig, key: str) -> bool:
    parent, _, name = key.rpartition(".")
    return OmegaConf.is_interpolation(OmegaConf.select(config, parent), name)

"""The words of the companion tool: what is wrong with them is said like all that is refused, and all at once.

argparse stops at the first wrong word and prints how the command is used. This module must not import torch or
Lightning.
"""

import argparse
import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Never

from lightune.config.static.annotations import did_you_mean
from lightune.errors import ConfigError, Problem
from lightune.paths import expanded

__all__ = ["Parser", "typed_path"]

_NO_CHOICE = re.compile(r"invalid choice: (?P<word>.+?) \(choose from .*", re.DOTALL)
_AMBIGUOUS = re.compile(r"ambiguous option: (?P<word>\S+) could match (?P<known>.+)")
_WITH_VALUE = re.compile(r"ignored explicit argument (?P<word>.+)")
_COMMAND = "chosen_command"
_TRAINING = ("train", "fit", "search", "tune", "sweep", "optimize")  # what the other program does


class Parser(argparse.ArgumentParser):
    """A parser that raises what it refuses.

    Args:
        settings: as `argparse.ArgumentParser` takes them.
    """

    def __init__(self, **settings: Any) -> None:
        self._actions_by_name: dict[str, argparse.Action] = {}
        super().__init__(**settings, exit_on_error=False)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """Declare an argument, as `argparse.ArgumentParser` does."""
        action = super().add_argument(*names, **settings)
        self._actions_by_name[_name_of(action)] = action
        return action

    def add_subparsers(self, **settings: Any) -> Any:
        """Declare that there are commands, as `argparse.ArgumentParser` does."""
        commands = super().add_subparsers(**{"dest": _COMMAND, **settings})
        self._actions_by_name[_name_of(commands)] = commands
        return commands

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """Read words; none is left over.

        Args:
            args: the words; this process's own by default.
            namespace: what the values are put into; a new one by default.

        Raises:
            ConfigError: with all that is wrong with them.
        """
        problems: list[Problem] = []
        required = [action for action in self._actions_by_name.values() if action.required]
        judged = {action: (action.type, action.choices) for action in self._actions_by_name.values()}
        try:
            for action in required:
                action.required = False  # what is missing is seen below
            found, unknown = self._read(args, namespace, problems)
        finally:
            for action in required:
                action.required = True
            for action, (kind, choices) in judged.items():
                action.type, action.choices = kind, choices
        problems += self._unknown(unknown)
        hints = " ".join(problem.message for problem in problems)
        for action in required:
            if getattr(found, action.dest, None) is None and f"'{_name_of(action)}'" not in hints:
                problems.append(Problem(_name_of(action), _missing(action)))
        if problems:
            raise ConfigError(problems)
        return found, []

    def error(self, message: str) -> Never:
        """Refuse what argparse does not say of an argument.

        Raises:
            ConfigError: always.
        """
        if ambiguous := _AMBIGUOUS.fullmatch(message):
            raise ConfigError([Problem(ambiguous["word"], f"may be {ambiguous['known']}; write it in full")])
        raise ConfigError([Problem(self.prog, message)])

    def _read(
        self, args: Sequence[str] | None, namespace: Any, problems: list[Problem]
    ) -> tuple[argparse.Namespace, list[str]]:
        """Read words; a value that cannot be is noted, and read again as it is, to see what else is wrong."""
        while True:
            try:
                return super().parse_known_args(args, copy.copy(namespace))
            except argparse.ArgumentError as error:
                if error.argument_name is None:
                    self.error(error.message)
                action = self._actions_by_name.get(error.argument_name)
                problems.append(Problem(error.argument_name, _rule(error.message, action)))
                if action is None or action.dest == _COMMAND or (action.type, action.choices) == (None, None):
                    raise ConfigError(problems) from error
                action.type = action.choices = None

    def _unknown(self, words: Sequence[str]) -> Iterator[Problem]:
        """Yield a problem for each option that there is not; where there is none, for each word too many."""
        options = [name for action in self._actions_by_name.values() for name in action.option_strings]
        wrong = [word for word in words if word.startswith("-")] or words
        for word in wrong:
            name = word.partition("=")[0]
            hint = did_you_mean(name, options) if word.startswith("-") else ""
            rule = f"is no option of {self.prog}" if word.startswith("-") else f"is more than {self.prog} takes"
            advice = hint or f" {self.prog} --help lists what it takes"
            yield Problem(name, f"{rule};{advice}")


def typed_path(text: str) -> Path:
    """Return a path as it is typed, `--input=~/new.csv` among them, of which a shell leaves the `~`."""
    return Path(expanded(text))


def _name_of(action: argparse.Action) -> str:
    """Return what argparse calls an argument in what it says of it."""
    if action.option_strings:
        return "/".join(action.option_strings)
    return action.metavar if isinstance(action.metavar, str) else action.dest


def _missing(action: argparse.Action) -> str:
    if action.dest == _COMMAND:
        return f"must be one of {', '.join(map(str, action.choices or ()))}; --help says what each does"
    return f"must be given: {action.help}"


def _rule(message: str, action: argparse.Action | None) -> str:
    """Return what is wrong with a value in words of ours, where argparse has its own."""
    if action is not None and (choice := _NO_CHOICE.fullmatch(message)):
        known, word = [str(each) for each in action.choices or ()], choice["word"].strip("'\"")
        if action.dest == _COMMAND and word in _TRAINING:
            return f"is no command of lightune, got {word}; lightune-train trains, and with -m searches"
        hint = did_you_mean(word, known)
        return f"must be {'one of ' if len(known) > 1 else ''}{', '.join(known)}, got {word}{hint and f';{hint}'}"
    if explicit := _WITH_VALUE.fullmatch(message):
        return f"takes no value, got {explicit['word'].strip(chr(39))}"
    if message.startswith("expected"):
        return f"needs a value: {action.help}" if action is not None else "needs a value"
    return message

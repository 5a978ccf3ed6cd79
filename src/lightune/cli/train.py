"""`lightune-train` and `python train.py`: the Hydra application that trains.

This module must not import torch or Lightning at its top: help, completion, `--cfg` and refusals are light.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import hydra

from lightune.cli.completion import question_of, wants_file
from lightune.cli.preflight import Preflight, leave_refused
from lightune.cli.version import version
from lightune.config.project import enter_project
from lightune.config.search_path import trusted_packages_only
from lightune.config.trust import read_environment, whitelist
from lightune.errors import ConfigError, StopRequested, StudyFailedError, TrialError
from lightune.job.handover import handover
from lightune.job.hydra_node import judge
from lightune.job.task import task
from lightune.paths import FROM, conf_dir, plugin_folders, use_plugin_folders
from lightune.private_api.hydra import judging
from lightune.runtime.plain_text import say

_FULL_ERROR = "HYDRA_FULL_ERROR"


def main(project: str | None = None) -> None:
    """Run the application on this process's arguments.

    Args:
        project: a file of the project whose code and configuration files are to be found; by default the project
            that the current folder belongs to, if there is one.

    Exit codes: 0 done; 1 training failed; 2 refused, nothing was started; 129, 130 or 143 interrupted.
    """
    if "--version" in sys.argv[1:]:
        print(version())  # Hydra would show its own
        return
    if wants_file(sys.argv[1:]):
        return  # which a shell completes by itself
    sys.argv[1:] = question_of(sys.argv[1:])
    read_environment()
    try:
        prepare_path(project)
    except ConfigError as refusal:
        say(refusal, error=True)
        sys.exit(2)
    handover.clear()
    wants_traceback = os.environ.get(_FULL_ERROR) == "1"
    os.environ[_FULL_ERROR] = "1"  # Hydra hands us its exceptions instead of printing them
    base = ExitStack()  # what is wrong with a command is told while its files are there
    try:
        base.enter_context(_base())
        with trusted_packages_only(), judging(judge, Preflight):
            application = hydra.main(
                config_path=str(conf_dir().absolute()), config_name="train", execution_whitelist=list(whitelist())
            )(task)
            application()
    except (StudyFailedError, TrialError):
        if wants_traceback:
            raise
        sys.exit(1)  # the sweeper has said which trials and why
    except KeyboardInterrupt:
        sys.exit(130)
    except StopRequested as stop:
        sys.exit(128 + stop.signum)
    except Exception as error:
        if wants_traceback or (handover.passed and not isinstance(error, ConfigError)):
            raise
        leave_refused(_words_of(error))
    finally:
        base.close()
        if not wants_traceback:
            del os.environ[_FULL_ERROR]


def _words_of(error: Exception) -> str:
    from lightune.cli.refusal import words_of  # which every command that is not refused starts faster without

    return words_of(error)


@contextmanager
def _base() -> Iterator[None]:
    """Let `from=RUN` be what Hydra composes, if it is among this process's arguments."""
    if not any(word.startswith(f"{FROM}=") for word in sys.argv[1:]):
        yield
        return
    from lightune.cli.starting_point import started_from  # which every other command starts faster without

    with started_from(sys.argv[1:]) as words:
        sys.argv[1:] = words
        yield


def prepare_path(project: str | None = None) -> None:
    """Let configurations name a package in the current folder, or in its project; what is installed comes first.

    Hydra imports all plugins that it finds, which are not to be those of the current folder.

    Args:
        project: a file of the project; by default the one that the current folder belongs to, if there is one.

    Raises:
        ConfigError: if the project's `pyproject.toml` says what cannot be.
    """
    use_plugin_folders(plugin_folders())
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    enter_project(Path(project).absolute().parent if project else Path.cwd())


if __name__ == "__main__":
    from lightune.cli import start

    start.train()

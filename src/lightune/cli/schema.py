"""`lightune schema`: what may stand in the configuration files, for editors that complete and check YAML.

This module must not import torch or Lightning.
"""

import argparse
import json
from pathlib import Path

from lightune.cli.arguments import typed_path
from lightune.cli.train import prepare_path
from lightune.config.json_schema import group_schemas
from lightune.config.project import conf_in_use
from lightune.errors import ConfigError, Problem
from lightune.runtime.plain_text import say

__all__ = ["add_arguments", "schema"]

_FOLDER = Path(".schemas")
_SETTINGS = Path(".vscode", "settings.json")
_KEY = "yaml.schemas"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune schema` takes."""
    add = parser.add_argument
    add("group", nargs="?", metavar="GROUP", help="print the schema of its files alone, such as model")
    add("--write", action="store_true", help=f"write them to {_FOLDER}, and a setting that names them")
    what = "with the options of a folder of yours, too"
    add("--config-dir", "-cd", type=typed_path, metavar="FOLDER", help=what)


def schema(options: argparse.Namespace) -> None:
    """Print the schemas, or write them.

    Args:
        options: as `add_arguments` declares them.

    Raises:
        ConfigError: if there is no such group or folder, or it cannot be written.
    """
    folder: Path | None = options.config_dir
    if folder is not None and not folder.is_dir():
        raise ConfigError([Problem("--config-dir", f"there is no folder {folder.absolute()}")])
    prepare_path()
    schemas = group_schemas(folder)
    if options.group is not None and options.group not in schemas:
        raise ConfigError([Problem("GROUP", f"must be one of {', '.join(schemas)}, got {options.group}")])
    if options.write:
        _write(schemas, folder or conf_in_use() or Path("conf"))
        return
    print(json.dumps(schemas if options.group is None else schemas[options.group], indent=2))


def _write(schemas: dict[str, dict[str, object]], conf: Path) -> None:
    settings = {f"./{_FOLDER}/{group}.json": f"{_shown(conf)}/{group}/**/*.yaml" for group in schemas}
    try:
        _FOLDER.mkdir(exist_ok=True)
        for group, content in schemas.items():
            (_FOLDER / f"{group}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
        is_new = not _SETTINGS.exists()
        if is_new:
            _SETTINGS.parent.mkdir(exist_ok=True)
            _SETTINGS.write_text(json.dumps({_KEY: settings}, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            [Problem("--write", f"{error.filename} cannot be written ({error.strerror})")]
        ) from error
    print(f"{len(schemas)} schemas in {_FOLDER}")
    if is_new:
        print(f"{_SETTINGS} names them for editors that use the YAML language server")
    else:
        print(json.dumps({_KEY: settings}, indent=2))
        say(f"{_SETTINGS} is there already: put the lines above into it", error=True)


def _shown(conf: Path) -> str:
    folder = conf.absolute()
    return folder.relative_to(Path.cwd()).as_posix() if folder.is_relative_to(Path.cwd()) else folder.as_posix()

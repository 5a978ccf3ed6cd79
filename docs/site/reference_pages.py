"""The reference of the configuration and of the commands, made of the files, signatures and docstrings themselves.

What may stand in a key is told by the schemas that `lightune schema` prints; nothing is read here a second time.
"""

import json
import os
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

import hydra_plugins.hydra_lightune
from lightune.cli.tools import tool_parser
from lightune.config import schema
from lightune.config.json_schema import group_schemas, part_schema
from lightune.config.options import Option, options_of, remarks_of
from lightune.paths import conf_dir

__all__ = ["reference_pages"]

Schema = dict[str, Any]

_QUESTIONS = {
    "data": "Which data are learnt from.",
    "augmentation": "How training samples are varied.",
    "model": "Which network is trained.",
    "loss": "What counts as wrong.",
    "optimizer": "Which rule updates the weights.",
    "scheduler": "How the learning rate moves.",
    "schedule": "What else changes with the epochs.",
    "regularization": "What holds the network back.",
    "metrics": "What is measured.",
    "validation": "Which samples judge the network.",
    "callbacks": "What watches a training.",
    "trainer": "On which machine, how long and how exactly is trained.",
    "logger": "Where curves are written.",
    "task": "How learning goes.",
    "search": "How a study looks for good values.",
    "experiment": "Whole configurations with a name, each with the figure that it reaches.",
}
_GUIDES = {
    "data": "[Data of your own](../data.md)",
    "augmentation": "[Vary the training samples](../training.md#vary-the-training-samples)",
    "model": "[Choose a network](../training.md#choose-a-network)",
    "loss": "[Rare classes](../training.md#rare-classes), [Techniques](../techniques.md#losses)",
    "optimizer": "[Choose what an optimizer does to which "
    "parameters](../training.md#choose-what-an-optimizer-does-to-which-parameters), "
    "[Techniques](../techniques.md#optimizers)",
    "scheduler": "[Techniques](../techniques.md#learning-rate)",
    "schedule": "[Let batches and strengths grow](../training.md#let-batches-and-strengths-grow)",
    "regularization": "[Smooth, mix, average](../training.md#smooth-mix-average), "
    "[Techniques](../techniques.md#regularization)",
    "metrics": "[Techniques](../techniques.md#metrics)",
    "validation": "[Runs](../runs.md#what-the-figure-means)",
    "callbacks": "[How a run ends](../runs.md#how-a-run-ends)",
    "trainer": "[Change a value](../training.md#change-a-value), [Performance](../performance.md), "
    "[Several processes](../runs.md#several-processes)",
    "logger": "[TensorBoard](../training.md#tensorboard)",
    "task": "[A LightningModule of your own](../your_own_code.md#a-lightningmodule)",
    "search": "[Search](../search.md)",
    "experiment": "[Results](../results.md#experiments)",
}
_OTHER_LAUNCHERS = {
    "basic": "one trial after the other in the command's own process, for a debugger; Hydra's own.",
    "ray": "every trial is a new Ray task ([Clusters](../clusters.md#ray)); needs `lightune[ray]`.",
    "submitit_slurm": "job arrays of Slurm ([Clusters](../clusters.md#slurm)); needs `lightune[slurm]`.",
    "submitit_local": "the same without Slurm; needs `lightune[slurm]`.",
}
_DOORS = [
    import_module(f"{hydra_plugins.hydra_lightune.__name__}.{door.name}")
    for door in pkgutil.iter_modules(hydra_plugins.hydra_lightune.__path__)
]
"""The modules by which Hydra finds launchers and the sweeper; each stores its options when it is imported."""
_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "`true`, `false`",
    "array": "list",
    "object": "mapping",
    "null": "`null`",
}
_LIMITS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
_OWN_DEFAULT = re.compile(r"\s*\b(?:Default|Defaults to):? (?:``[^`]*``|'[^']*'|`[^`]*`|\S+)$")
_OF_HYDRA = {"_partial_", "_convert_", "_recursive_", "_args_"}
_NOTHING = "—"
_GAP = ":  "
"""What stands in the comment of a file between a sentence and the command that it ends with."""


@dataclass(frozen=True)
class _Part:
    """What an option builds, or one of several parts that it has.

    Args:
        group: that it belongs to.
        option: as its file says.
        name: of the option; below it, of the part.
        node: what the file sets for it.
        told: its schema; None where nothing is built.
    """

    group: str
    option: Option
    name: str
    node: Mapping[str, Any]
    told: Schema | None

    @property
    def target(self) -> str:
        """What is built, as the file writes it."""
        return str(self.node["_target_"])


def reference_pages() -> dict[str, str]:
    """Return the pages, by their path below the site's root; of the first, what stands below its written part."""
    schemas = group_schemas()
    chosen = _chosen()
    pages = {group: _group_page(group, schemas[group], chosen.get(group)) for group in schema.GROUPS}
    pages["search"] = _search_page(schemas["search"])
    pages["experiment"] = _experiment_page()
    pages["root"] = _root_page(schemas["experiment"])
    pages["hydra"] = _hydra_page(schemas["search"])
    pages["commands"] = _commands_page()
    pages["index"] = _index_page(pages, chosen)
    return {f"reference/{name}.md": text for name, text in pages.items()}


def _chosen() -> dict[str, str]:
    """Return the option of each group that is chosen by default."""
    (*entries,) = OmegaConf.to_container(OmegaConf.load(conf_dir() / "train.yaml"), resolve=False)["defaults"]
    named = {key: value for entry in entries if isinstance(entry, dict) for key, value in entry.items()}
    return {key: value for key, value in named.items() if isinstance(value, str) and " " not in key}


def _index_page(pages: Mapping[str, str], chosen: Mapping[str, str]) -> str:
    rows = [
        [f"[`{group}`]({group}.md)", sentence, _code(chosen[group]) if group in chosen else _NOTHING]
        for group, sentence in _QUESTIONS.items()
    ]
    return f"""
## Groups

`GROUP=OPTION` chooses an option, `GROUP.KEY=VALUE` sets a key of it.

{_table(["group", "what it decides", "by default"], rows)}

## Beside the groups

- [Keys of the root](root.md): `name`, `seed`, `monitor` and what else stands in no group
- [Launchers and the sweeper](hydra.md): `hydra/launcher=…`, `hydra.sweeper`
- [Commands](commands.md): `lightune` and its options, `lightune-train`
- [Python](python.md): what `import lightune` gives
- [Interfaces](interfaces.md): what a data set, network, metric or launcher of your own has to be
"""


def _group_page(group: str, content: Schema, chosen: str | None) -> str:
    options = list(options_of(group))
    parts = [part for option in options for part in _parts(group, option, content)]
    sections = [_overview(group, options, chosen)]
    bases = _bases(parts, chosen)
    for option in options:
        own = [part for part in parts if part.option is option]
        sections.append(f"## {option.name}\n\n{_opening(group, option)}")
        for part in own:
            if part.told is None:
                continue
            if len(own) > 1 or part.name != option.name:
                sections.append(f"### {part.name.rpartition('.')[2]} {{ #{_anchor(part.name)} }}")
            base, prefix = bases[part.target], f"{group}.{part.name.partition('.')[2]}".rstrip(".")
            sections.append(_whole(group, prefix, part) if base is part else _difference(base, part))
        if not own:
            sections.append("Builds nothing.")
        sections.append(_file_text(conf_dir() / group / f"{option.name}.yaml"))
    return "\n\n".join(sections) + "\n"


def _overview(group: str, options: Sequence[Option], chosen: str | None) -> str:
    rows = [
        [
            f"[`{option.name}`](#{_anchor(option.name)})" + (" (default)" if option.name == chosen else ""),
            _cell(option.sentence.partition(_GAP)[0]),
        ]
        for option in options
    ]
    return (
        f"# {group}\n\n{_QUESTIONS[group]} Guides: {_GUIDES[group]}.\n\n{_table(['option', 'what it is'], rows)}"
    )


def _bases(parts: Sequence[_Part], chosen: str | None) -> dict[str, _Part]:
    """Return, of all that build the same, that by which the others are told: the default, or what is called so."""

    def rank(part: _Part) -> tuple[bool, bool]:
        return part.option.name != chosen, part.target.rpartition(".")[2].lower() != part.option.name

    bases: dict[str, _Part] = {}
    for part in sorted(parts, key=rank):
        bases.setdefault(part.target, part)
    return bases


def _parts(group: str, option: Option, content: Schema) -> Iterator[_Part]:
    """Yield what an option builds, with the schema of it."""
    node = content.get("else", {})
    known: list[Schema] = node.get("anyOf") or node.get("additionalProperties", {}).get("anyOf", [])
    if group in ("callbacks", "logger"):
        nodes = {f"{option.name}.{key}": value for key, value in option.node.items() if isinstance(value, dict)}
    else:
        nodes = {option.name: option.node}
    for name, each in nodes.items():
        if "_target_" not in each:
            continue
        names = (part["properties"]["_target_"].get("enum", []) for part in known)
        place = next((place for place, named in enumerate(names) if each["_target_"] in named), None)
        yield _Part(group, option, name, each, None if place is None else known[place])


def _opening(group: str, option: Option) -> str:
    """Return what an option's file says of itself, and the commands that it shows."""
    sentences, commands = _header(conf_dir() / group / f"{option.name}.yaml")
    return _words(" ".join(sentences)) + (f"\n\n```bash\n{chr(10).join(commands)}\n```" if commands else "")


def _header(file: Path) -> tuple[list[str], list[str]]:
    """Return the sentences and the commands of the comment that a file begins with."""
    sentences: list[str] = []
    commands: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        said = line.removeprefix("#").strip()
        if said.startswith("@package"):
            continue
        if said.startswith("-m "):
            commands.append(f"python train.py {said}")
        elif said.startswith("python train.py"):
            commands.append(said)
        else:
            sentence, _, command = said.partition(_GAP)
            sentences.append(f"{sentence}:" if command else sentence)
            commands += [command] if command else []
    return sentences, commands


def _whole(group: str, prefix: str, part: _Part) -> str:
    """Return all that is known of what an option builds."""
    assert part.told is not None
    supplied = [name for name in _keys(part) if name in schema.SUPPLIED.get(group, ()) and name not in part.node]
    taken = [name for name in _keys(part) if group == "trainer" and name in schema.TRAINER_TAKEN]
    keys = [name for name in _keys(part) if name not in supplied and name not in taken]
    paragraphs = [f"Builds `{part.target}`. Keys stand below `{prefix}`, as in {_example(prefix, part, keys)}."]
    if sentence := part.told.get("description"):
        paragraphs.append(_words(sentence))
    if keys:
        paragraphs.append(_key_table(part, keys))
        if any(name not in part.node for name in keys):
            paragraphs.append(
                f"A key with `+` is not in the option's file, and is typed with it: `+{prefix}.KEY=VALUE`."
            )
    else:
        paragraphs[0] = f"Builds `{part.target}`, which has no keys."
    if part.told.get("additionalProperties"):
        paragraphs.append("It takes other keys, too, and hands them on.")
    if supplied:
        paragraphs.append(f"Given by lightune, unless a file says otherwise: {', '.join(map(_code, supplied))}.")
    if taken:
        rows = [[_code(name), _cell(schema.TRAINER_TAKEN[name])] for name in taken]
        paragraphs.append("Refused, for lightune decides them:")
        paragraphs.append(_table(["key", "instead"], rows))
    return "\n\n".join(paragraphs)


def _difference(base: _Part, part: _Part) -> str:
    """Return what an option has otherwise than another one that builds the same."""
    keys = [name for name in _keys(part) if part.node.get(name, _NOTHING) != base.node.get(name, _NOTHING)]
    like = f"[`{base.name}`](#{_anchor(base.name)})"
    if not keys:
        return f"Builds `{part.target}`, with the keys and defaults of {like}."
    return (
        f"Builds `{part.target}`, with the keys of {like}. What is otherwise by "
        f"default:\n\n{_key_table(part, keys)}"
    )


def _keys(part: _Part) -> list[str]:
    """Return the keys of what is built, those that the file sets first."""
    assert part.told is not None
    own = [name for name in part.node if not name.startswith("_")]
    others = [name for name in part.told["properties"] if name not in part.node]
    return own + [name for name in others if name not in _OF_HYDRA and name not in ("_target_", "defaults")]


def _example(prefix: str, part: _Part, keys: Sequence[str]) -> str:
    plain = [name for name in keys if isinstance(part.node.get(name), int | float | str)]
    fixed = [name for name in plain if "${" not in str(part.node[name])]
    key = next(iter([*fixed, *plain, *keys]), "")
    sign = "" if key in part.node else "+"
    return _code(f"{sign}{prefix}.{key}={_plain(part.node.get(key, 'VALUE'))}")


def _key_table(part: _Part, keys: Sequence[str]) -> str:
    assert part.told is not None
    known, remarks = part.told["properties"], _remarks(part)
    parameters = {} if part.option.target is None else part.option.target.parameters
    rows = []
    for name in keys:
        told = known.get(name, {})
        is_needed = name in parameters and parameters[name].required and name not in part.node
        default = part.node.get(name, told.get("default"))
        shown = "must be given" if is_needed else _code(_plain(default))
        rows.append(
            [
                _code(name if name in part.node else f"+{name}"),
                _takes(told),
                shown,
                _cell(_told_otherwise(told.get("description", ""), remarks.get(name))),
            ]
        )
    return _table(["key", "takes", "default", "what it is"], rows)


def _remarks(part: _Part) -> dict[str, str]:
    """Return the comments behind the keys of a file, where the sentences are those of others."""
    if part.target.startswith("lightune."):
        return {}
    file = conf_dir() / part.group / f"{part.option.name}.yaml"
    said = {key.rpartition(".")[2]: remark for key, remark in remarks_of(file).items()}
    return {key: remark for key, remark in said.items() if key not in schema.TRAINER_OURS}


def _told_otherwise(sentence: str, remark: str | None) -> str:
    """Return a sentence with our remark before it, and without the default of its own, which a file may change."""
    alone = _OWN_DEFAULT.sub("", sentence.partition(" .. ")[0])
    return f"{remark}. {alone}" if remark else alone


def _search_page(content: Schema) -> str:
    options = list(options_of("search"))
    rows = [
        [f"[`{option.name}`](#{_anchor(option.name)})", _cell(option.sentence.partition(_GAP)[0])]
        for option in options
    ]
    sections = [
        f"# search\n\n{_QUESTIONS['search']} Guide: {_GUIDES['search']}. The options are presets; all "
        f"have the same keys.",
        _table(["option", "what it is"], rows),
        f"## Keys\n\n{_plain_table(_below(content, 'search'), _defaults_of_search())}",
    ]
    for option in options:
        text = _file_text(conf_dir() / "search" / f"{option.name}.yaml")
        sections.append(f"## {option.name}\n\n{_opening('search', option)}\n\n{text}")
    return "\n\n".join(sections) + "\n"


def _defaults_of_search() -> dict[str, Any]:
    return dict(
        OmegaConf.to_container(OmegaConf.load(conf_dir() / "search" / "auto.yaml"), resolve=False)["search"]
    )


def _below(content: Schema, key: str) -> Schema:
    return dict(content["properties"][key]["properties"])


def _experiment_page() -> str:
    sections = [f"# experiment\n\n{_QUESTIONS['experiment']} Guide: {_GUIDES['experiment']}."]
    for file in sorted((conf_dir() / "experiment").glob("*.yaml")):
        comment = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        sentence = next(line.removeprefix("#").strip() for line in comment if "@package" not in line)
        sections.append(f"## {file.stem}\n\n{_words(sentence)}\n\n{_file_text(file, is_open=True)}")
    return "\n\n".join(sections) + "\n"


def _root_page(content: Schema) -> str:
    tree = OmegaConf.to_container(OmegaConf.load(conf_dir() / "train.yaml"), resolve=False)
    plain = {key: content["properties"][key] for key in schema.ROOT}
    return f"""# Keys of the root

What stands in no group. `name=VALUE` sets one.

Guides: [Training](../training.md), [Runs](../runs.md), [Configuration](../configuration.md).

{_plain_table(plain, tree)}

## monitor

What counts: early stopping, the best checkpoint and a search follow it. Data bring one that fits.

{_plain_table(_below(content, "monitor"), tree["monitor"], "monitor.")}
"""


def _hydra_page(content: Schema) -> str:
    sections = [
        "# Launchers and the sweeper\n\nHow the trials of a study are run, and what runs the study. "
        "The guides: [Search](../search.md#more-than-one-at-a-time), [Clusters](../clusters.md).",
        "`hydra/launcher=NAME` chooses a launcher; `hydra.launcher.KEY=VALUE` sets a key of it. By "
        "default it is `local`.",
    ]
    store = ConfigStore.instance()
    doors = tuple(door.__name__ for door in _DOORS)
    names = [name.removesuffix(".yaml") for name in store.list("hydra/launcher")]
    for name in sorted(names, key=lambda name: (name != "local", name != "fused", name)):
        if not str(store.load(f"hydra/launcher/{name}.yaml").node._target_).startswith(doors):
            continue
        node = OmegaConf.to_container(store.load(f"hydra/launcher/{name}.yaml").node, resolve=False)
        told = part_schema(node.pop("_target_"))
        sections.append(f"## hydra/launcher={name} {{ #{name} }}\n\n{_words(told['description'])}")
        sections.append(_plain_table({key: told["properties"][key] for key in node}, node, "hydra.launcher."))
    rows = [[_code(f"hydra/launcher={name}"), sentence] for name, sentence in _OTHER_LAUNCHERS.items()]
    sections.append(f"## Launchers of others\n\n{_table(['launcher', 'what it is'], rows)}")
    node = OmegaConf.to_container(store.load("hydra/sweeper/lightune.yaml").node, resolve=False)
    told = _below(content, "search") | _below(content, "monitor")
    own = {key: value for key, value in node.items() if key in told}
    sections.append(
        "## hydra/sweeper=lightune { #sweeper }\n\nMakes a study of every multirun, in lightune and in "
        "any other Hydra application "
        "([Search](../search.md#in-any-hydra-application)). In lightune's own its keys follow `search` "
        "and `monitor`: set those."
    )
    sections.append(_plain_table({key: told[key] for key in own}, own, "hydra.sweeper."))
    return "\n\n".join(sections) + "\n"


def _commands_page() -> str:
    os.environ["COLUMNS"] = "100"  # the width that argparse writes for
    parser = tool_parser()
    (commands,) = (action for action in parser._actions if isinstance(action.choices, dict))
    sections = [
        "# Commands",
        "`lightune-train`, or `python train.py` in a clone, trains and searches: its words are Hydra's, "
        "`GROUP=OPTION`, `KEY=VALUE`, and `-m` for a study. "
        "`--help` lists the groups, `--cfg job` prints the configuration, `--version` the versions. "
        "`lightune` does everything that is no training.",
    ]
    for name, each in commands.choices.items():
        sections.append(f"## lightune {name} {{ #{name} }}\n\n```text\n{each.format_help().rstrip()}\n```")
    return "\n\n".join(sections) + "\n"


def _plain_table(told: Mapping[str, Schema], defaults: Mapping[str, Any], prefix: str = "") -> str:
    rows = [
        [
            _code(f"{prefix}{key}"),
            _takes(each),
            _code(_plain(defaults.get(key))),
            _cell(each.get("description", "")),
        ]
        for key, each in told.items()
    ]
    return _table(["key", "takes", "default", "what it is"], rows)


def _takes(told: Schema) -> str:
    """Return in words what a value may be; anything where that is not known."""
    if "enum" in told:
        return ", ".join(dict.fromkeys(_code(_plain(each)) for each in told["enum"]))
    if "anyOf" in told:
        said = [_takes(each) for each in told["anyOf"] if "$ref" not in each]
        return " or ".join(dict.fromkeys(said))
    if told.get("type") == "array" and told.get("items"):
        return f"list of: {_takes(told['items'])}"
    if "type" in told:
        limits = [f"{sign}\u00a0{_plain(told[limit])}" for limit, sign in _LIMITS.items() if limit in told]
        return " ".join([_TYPES[told["type"]], " and ".join(limits)]).strip()
    return "anything"


def _plain(value: Any) -> str:
    """Return a value as YAML has it, on one line."""
    if isinstance(value, str) and value.isprintable():
        return value or '""'
    return json.dumps(value, ensure_ascii=False)


def _file_text(file: Path, *, is_open: bool = False) -> str:
    lines = file.read_text(encoding="utf-8").rstrip().splitlines()
    name = file.relative_to(conf_dir()).as_posix()
    if is_open:
        return f'```yaml title="conf/{name}"\n{chr(10).join(lines)}\n```'
    inside = "\n".join(f"    {line}".rstrip() for line in ["```yaml", *lines, "```"])
    return f'??? file "conf/{name}"\n\n{inside}'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _cell(text: str) -> str:
    said = re.sub(r"\b(None|True|False)\b", lambda found: {"None": "null"}.get(found[0], found[0].lower()), text)
    return _words(said.removesuffix(":")).replace("|", "\\|")


def _words(text: str) -> str:
    """Return a docstring's words as Markdown: roles of Sphinx as code, nothing that could be taken for a tag."""
    plain = re.sub(r":[\w:]+:`~?(?:[^`]*?\.)?([^`.]+(?:\.\.\.)?)`", r"`\1`", text)
    pieces = re.split(r"(``[^`]*``|`[^`]*`)", plain)
    return "".join(piece.replace("``", "`") if piece.startswith("`") else _escaped(piece) for piece in pieces)


def _escaped(text: str) -> str:
    return re.sub(r"([*_\[\]])", r"\\\1", text.replace("<", "&lt;"))


def _anchor(name: str) -> str:
    return name.replace(".", "-")

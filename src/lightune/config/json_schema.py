"""JSON schemas of the configuration files, for editors: what may stand in them, as signatures and docstrings say.

They say a part of what `find_problems` does: names of keys, types, ranges and choices, of each file by itself.
This module must not import torch or Lightning.
"""

import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from lightune.config import schema
from lightune.config.options import Option, options_of, remarks_of
from lightune.config.static.annotations import Opaque
from lightune.config.static.docstrings import described
from lightune.config.static.signatures import (
    Parameter,
    Target,
    TargetNotFoundError,
    UnreadableTargetError,
    describe,
)
from lightune.paths import conf_dir
from lightune.ranges import Range

__all__ = ["group_schemas", "part_schema"]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_LIMITS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
_PLAIN = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    list: "array",
    tuple: "array",
    dict: "object",
}
_TEXT = {"type": "string"}
_INTERPOLATION = "interpolation"
_DIRECTIVES = {
    "_partial_": {"type": "boolean", "description": "bind the target to its arguments, without calling it"},
    "_convert_": {"enum": ["none", "partial", "object", "all"]},
    "_recursive_": {"type": "boolean"},
    "_args_": {"type": "array"},
}
_DEFAULTS = {
    "type": "array",
    "description": "Hydra's defaults list: what this file builds on, and what it chooses",
}
_OF_MANY = ("callbacks", "logger")
"""Groups that hold several parts, each below a name."""
_WHOLE = ("experiment", "search", "local")
"""Groups whose files may set anything."""

Schema = dict[str, Any]


def group_schemas(folder: Path | None = None) -> dict[str, Schema]:
    """Return the schema of the files of each group, by its name.

    Args:
        folder: with options of one's own, as `--config-dir` takes it.
    """
    options = {group: list(options_of(group, folder)) for group in schema.GROUPS}
    whole = _whole({group: _below(group, options[group]) for group in schema.GROUPS})
    schemas = {group: _named(group, _file(group, options[group], whole)) for group in schema.GROUPS}
    return schemas | {group: _named(group, whole) for group in _WHOLE}


def part_schema(target: str) -> Schema:
    """Return the schema of a node that builds a target of no group, such as a launcher.

    Args:
        target: dotted path of what is built.

    Raises:
        TargetNotFoundError: if the package or the name does not exist.
        UnreadableTargetError: if only an import could tell.
    """
    return _of_target("", describe(target), target)


def _named(group: str, content: Schema) -> Schema:
    definitions = {_INTERPOLATION: {**_TEXT, "pattern": r"\$\{.*\}", "description": "such as ${seed}"}}
    return {"$schema": _DRAFT, "title": f"lightune: {group}", **content, "definitions": definitions}


def _file(group: str, options: Sequence[Option], whole: Schema) -> Schema:
    """Return the schema of a group's files: a node, or what sets more than that."""
    if group in _OF_MANY:
        node: Schema = {
            "type": ["object", "null"],
            "properties": {"defaults": _DEFAULTS},
            "additionalProperties": _part(group, _parts(options)),
        }
        return {"if": {"required": [group]}, "then": {}, "else": node}
    names = {str(option.node["_target_"]) for option in options if option.target is not None}
    sets_more = {"anyOf": [{"required": [group]}, {"not": {"required": ["_target_"]}}]}
    return {"if": sets_more, "then": whole if group == "data" else {}, "else": _part(group, names)}


def _parts(options: Sequence[Option]) -> set[str]:
    """Return the targets that the options of a group of several parts name."""
    parts = [part for option in options for part in option.node.values() if isinstance(part, dict)]
    return {str(part["_target_"]) for part in parts if "_target_" in part}


def _part(group: str, names: Collection[str]) -> Schema:
    """Return the schema of a node: that of each known target, or any mapping with another one."""
    targets = {name: target for name in sorted(names) if (target := _described(name)) is not None}
    known = {spelling for name, target in targets.items() for spelling in (name, target.path)}
    other: Schema = {
        "type": ["object", "null"],
        "properties": {"_target_": {**_TEXT, "not": {"enum": sorted(known)}}, "defaults": _DEFAULTS},
    }
    return {"anyOf": [*(_of_target(group, target, name) for name, target in targets.items()), other]}


def _described(target: str) -> Target | None:
    try:
        return describe(target)
    except (TargetNotFoundError, UnreadableTargetError):
        return None


def _of_target(group: str, target: Target, name: str) -> Schema:
    sentence, said = described(target.path)
    properties: Schema = {"_target_": {"enum": sorted({name, target.path})}, **_DIRECTIVES, "defaults": _DEFAULTS}
    properties |= {each: _of_argument(group, target, each, said) for each in _arguments(target)}
    if group == "trainer":
        properties |= _said(schema.TRAINER_OURS, schema.TRAINER_OURS_SAID)
    return {
        "type": "object",
        "description": sentence,
        "properties": properties,
        "required": ["_target_"],
        "additionalProperties": target.open_ended,
    }


def _arguments(target: Target) -> Iterator[str]:
    return (name for name, parameter in target.parameters.items() if parameter.keyword)


def _of_argument(group: str, target: Target, name: str, said: Mapping[str, str]) -> Schema:
    if name == "self":
        return {}
    parameter: Parameter = target.parameters[name]
    value = _value(schema.foreign_annotation(target.path, name) or parameter.annotation)
    if group == "trainer" and name in schema.TRAINER_TAKEN:
        value["description"] = schema.TRAINER_TAKEN[name]
    elif sentence := said.get(name) or schema.foreign_sentence(target.path, name):
        value["description"] = sentence
    if not parameter.required and parameter.default is not None and not isinstance(parameter.default, set):
        default = parameter.default
        value["default"] = list(default) if isinstance(default, tuple) else default
    return value


def _below(group: str, options: Sequence[Option]) -> Schema:
    """Return the schema of a group's node in a file that may set anything, where it adds to what is chosen."""
    if group in _OF_MANY:
        return {"type": ["object", "null"]}
    every: dict[str, list[Schema]] = {}
    is_open = False
    for option in options:
        if option.target is None:
            is_open = True
            continue
        whole = _of_target(group, option.target, str(option.node["_target_"]))
        is_open |= whole["additionalProperties"]
        for key, value in whole["properties"].items():
            if key != "_target_" and value not in every.setdefault(key, []):
                every[key].append(value)
        for key in option.node:
            every.setdefault(key, [])
    properties = {key: _any_of(values) for key, values in every.items()}
    properties["_target_"] = _TEXT
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": is_open}


def _any_of(schemas: Sequence[Schema]) -> Schema:
    if len(schemas) > 1:
        return {"anyOf": list(schemas)}
    return schemas[0] if schemas else {}


def _whole(below: Mapping[str, Schema]) -> Schema:
    said = remarks_of(conf_dir() / "train.yaml") | remarks_of(conf_dir() / "search" / "auto.yaml")
    search = {**schema.SEARCH, **dict.fromkeys(schema.SEARCH_NODES, Any), **schema.SEARCH_OF_RUNS}
    properties: Schema = {
        "defaults": _DEFAULTS,
        **_said(schema.ROOT, said),
        "monitor": _mapping(_said(schema.MONITOR, said, "monitor.")),
        "search": _mapping(_said(search, said, "search.")),
        "hydra": {"type": "object"},
        **below,
    }
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _said(annotations: Mapping[str, Any], said: Mapping[str, str], prefix: str = "") -> Schema:
    """Return the schemas of values, each with what is said of its dotted key."""
    return {
        key: _value(annotation) | ({"description": said[prefix + key]} if prefix + key in said else {})
        for key, annotation in annotations.items()
    }


def _mapping(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _value(annotation: Any) -> Schema:
    """Return the schema of a value, or of an interpolation in its place."""
    said = _of_type(annotation)
    if not said:
        return {}
    members = said["anyOf"] if set(said) == {"anyOf"} else [said]
    return {"anyOf": [*members, {"$ref": f"#/definitions/{_INTERPOLATION}"}]}


def _of_type(annotation: Any) -> Schema:
    """Return the schema of a type; {} where any value may stand."""
    origin = get_origin(annotation)
    if annotation is None or annotation is type(None):
        return {"type": "null"}
    if origin is Annotated:
        base, *marks = get_args(annotation)
        limits = {
            word: getattr(mark, limit)
            for mark in marks
            if isinstance(mark, Range)
            for limit, word in _LIMITS.items()
            if getattr(mark, limit) is not None
        }
        return {**_of_type(base), **limits}
    if origin is Literal:
        return {"enum": list(get_args(annotation))}
    if origin in (Union, types.UnionType):
        members = [_of_type(each) for each in get_args(annotation) if each is not Opaque]
        return {"anyOf": members} if members and all(members) else {}
    if origin is list:
        return {"type": "array", "items": _value(get_args(annotation)[0])}
    if origin in (tuple, dict):
        return {"type": _PLAIN[origin]}
    return {"type": _PLAIN[annotation]} if isinstance(annotation, type) and annotation in _PLAIN else {}

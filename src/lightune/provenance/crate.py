"""`ro-crate-metadata.json`: a capsule as RO-Crate 1.1 describes it, and its run as Process Run Crate 0.5 does.

This module must not import torch or Lightning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["FILE_NAME", "crate"]

FILE_NAME = "ro-crate-metadata.json"
_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_CRATE = "https://w3id.org/ro/crate/1.1"
_PROCESS = "https://w3id.org/ro/wfrun/process/0.5"
_KINDS = {
    ".json": "application/json", ".yaml": "application/yaml", ".csv": "text/csv", ".txt": "text/plain",
    ".md": "text/markdown", ".html": "text/html", ".diff": "text/x-diff", ".py": "text/x-python",
}  # fmt: skip


def crate(
    name: str,
    files: Mapping[str, int],
    *,
    version: str,
    ended: str,
    results: Sequence[str],
    inputs: Sequence[str],
    figures: Mapping[str, float],
) -> dict[str, Any]:
    """Return the description of a capsule, as JSON-LD.

    Args:
        name: of the study or run.
        files: path in the capsule → its size in bytes.
        version: lightune's.
        ended: when it ended, as ISO 8601 has it.
        results: paths of what came of it.
        inputs: paths of its configuration, data and code.
        figures: name → value of the best result.
    """
    action = {
        "@id": "#training",
        "@type": "CreateAction",
        "name": f"Training of {name}",
        "endTime": ended,
        "instrument": {"@id": "#lightune"},
        "object": [{"@id": path} for path in inputs],
        "result": [{"@id": path} for path in results],
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": f"What it takes to have every figure of {name} again: lightune reproduce",
        "datePublished": ended,
        "conformsTo": {"@id": _PROCESS},
        "hasPart": [{"@id": path} for path in files],
        "mentions": {"@id": "#training"},
        "variableMeasured": [
            {"@type": "PropertyValue", "name": each, "value": value} for each, value in figures.items()
        ],
    }
    parts = [
        {"@id": path, "@type": "File", "contentSize": str(size), **_kind(path)} for path, size in files.items()
    ]
    metadata = {
        "@id": FILE_NAME,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _CRATE},
        "about": {"@id": "./"},
    }
    program = {"@id": "#lightune", "@type": "SoftwareApplication", "name": "lightune", "softwareVersion": version}
    process = {"@id": _PROCESS, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    return {"@context": _CONTEXT, "@graph": [metadata, root, process, program, action, *parts]}


def _kind(path: str) -> dict[str, str]:
    ending = path[path.rfind(".") :]
    return {"encodingFormat": _KINDS[ending]} if ending in _KINDS else {}

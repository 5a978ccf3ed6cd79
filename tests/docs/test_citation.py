import tomllib
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[2]


def test_what_is_cited_is_what_is_released():
    cited = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cited["title"], cited["version"]) == (project["name"], project["version"])
    assert cited["license"] in project["license"]
    assert cited["abstract"] == project["description"]

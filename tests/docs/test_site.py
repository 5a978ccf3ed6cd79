"""The site has every page in its navigation, every option and key in its reference, and is built strictly."""

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from lightune.config import schema
from lightune.config.json_schema import group_schemas
from lightune.config.options import options_of
from lightune.config.static.signatures import describe

PROJECT = Path(__file__).parents[2]
SCRIPTS = PROJECT / "docs" / "site"
WITHOUT_ZENSICAL = pytest.mark.skipif(
    find_spec("zensical") is None or find_spec("mkdocstrings") is None,
    reason="Zensical is not installed; make docs does that",
)


@pytest.fixture(scope="module")
def make_site():
    sys.path.insert(0, str(SCRIPTS))
    try:
        import make_site
    finally:
        sys.path.remove(str(SCRIPTS))
    return make_site


@pytest.fixture(scope="module")
def site(make_site):
    return make_site.gather()


@pytest.fixture(scope="module")
def settings():
    return tomllib.loads((PROJECT / "zensical.toml").read_text(encoding="utf-8"))


def section(page, heading):
    """Return what stands below a heading of the second order."""
    return re.split(r"^## ", page.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def keys_in(text):
    """Return the keys of all tables, without the signs before them and the nodes that they stand below."""
    return {key.rpartition(".")[2] for key in re.findall(r"^\| `\+?([\w.]+)` \|", text, re.MULTILINE)}


def test_every_page_is_in_the_navigation_once_and_nothing_else(make_site, site, settings):
    assert sorted(make_site.navigation(settings)) == sorted(site.pages)


def test_no_link_leads_nowhere(site):
    assert site.broken == []


@WITHOUT_ZENSICAL
def test_a_page_that_the_navigation_lacks_is_told_and_one_too_many(make_site):
    found = make_site.problems(make_site.Site(pages={"a.md": "", "b.md": ""}), ["a.md", "c.md", "a.md"])
    assert found[:3] == [
        "b.md is not in the navigation of zensical.toml",
        "zensical.toml names c.md, which is no page",
        "zensical.toml names a.md twice",
    ]


def test_a_link_is_as_it_works_on_the_site(make_site, tmp_path, monkeypatch):
    docs = tmp_path / "docs"
    (docs / "decisions").mkdir(parents=True)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.yaml").touch()
    page = docs / "decisions" / "one.md"
    page.write_text(
        "[a](../guide.md#x) [b](../../conf/a.yaml) [c](../../README.md) [d](https://x.org) `[e](f.md)` "
        "[g](gone.md)\n"
        "```csv rows.csv\n[h](gone.md)\n```\n"
    )
    monkeypatch.setattr(make_site, "ROOT", tmp_path)
    monkeypatch.setattr(make_site, "DOCS", docs)
    made = make_site.Site()
    written = {page: "decisions/one.md", docs / "guide.md": "guide.md", tmp_path / "README.md": "readme.md"}
    text = make_site._as_on_the_site(page, "decisions/one.md", written, made)
    assert text == (
        "[a](../guide.md#x) [b](../files/conf/a.yaml) [c](../readme.md) [d](https://x.org) `[e](f.md)` "
        "[g](gone.md)\n"
        '```csv title="rows.csv"\n[h](gone.md)\n```\n'
    )
    assert made.files == {"files/conf/a.yaml": tmp_path / "conf" / "a.yaml"}
    assert made.broken == ["docs/decisions/one.md: gone.md leads nowhere"]


@pytest.mark.parametrize("group", [*schema.GROUPS, "search", "experiment"])
def test_the_reference_has_every_option_of_a_group(site, group):
    headings = re.findall(r"^## (\w+)$", site.pages[f"reference/{group}.md"], re.MULTILINE)
    assert {option.name for option in options_of(group)} <= {*headings}


@pytest.mark.parametrize("group", schema.GROUPS)
def test_the_reference_has_every_key_of_what_a_group_builds(site, group):
    page = site.pages[f"reference/{group}.md"]
    nodes = [option.node for option in options_of(group)]
    nodes += [part for node in nodes for part in node.values() if isinstance(part, dict)]
    targets = {str(node["_target_"]) for node in nodes if "_target_" in node}
    named = keys_in(page) | {*re.findall(r"`(\w+)`", "".join(re.findall(r"^Given by .*$", page, re.MULTILINE)))}
    taken = {name for target in targets for name, it in describe(target).parameters.items() if it.keyword}
    assert taken - named == set()
    assert bool(taken) or group == "task"


def test_the_reference_has_every_plain_key(site):
    told = group_schemas()["experiment"]["properties"]
    assert {*told["search"]["properties"]} == keys_in(section(site.pages["reference/search.md"], "Keys"))
    assert {*schema.ROOT, *schema.MONITOR} == keys_in(site.pages["reference/root.md"])
    assert {*schema.TRAINER_OURS} <= keys_in(site.pages["reference/trainer.md"])


def test_a_key_is_told_with_what_it_takes_its_default_and_a_sentence(site):
    adamw = section(site.pages["reference/optimizer.md"], "adamw")
    assert "| `lr` | number >\u00a00 | `0.001` | learning rate: how far a step goes. |" in adamw
    assert "| `+maximize` | `true`, `false` | `false` |" in adamw
    l2 = section(site.pages["reference/regularization.md"], "l2")
    assert keys_in(l2) == {"l2"}, "what is otherwise than in none, and nothing else"
    assert "with the keys of [`none`](#none)" in l2
    refused = section(site.pages["reference/trainer.md"], "auto").partition("Refused, ")[2]
    assert "| `gradient_clip_val` | set regularization.gradient\\_clip instead |" in refused


def test_every_row_of_a_table_has_as_many_cells_as_its_head(site):
    for place, page in site.pages.items():
        if place.startswith("reference/"):
            for table in re.findall(r"(?:^\|.*\|\n?)+", page, re.MULTILINE):
                sizes = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
                assert len(sizes) == 1, f"{place}: {table}"


def test_the_reference_has_every_command(site):
    from lightune.cli.tools import tool_parser

    (commands,) = (action.choices for action in tool_parser()._actions if isinstance(action.choices, dict))
    assert {*re.findall(r"^## lightune (\w+)", site.pages["reference/commands.md"], re.MULTILINE)} == {*commands}


def test_the_reference_has_every_public_name(site):
    import lightune

    shown = site.pages["reference/python.md"]
    assert [name for name in lightune.__all__ if f"heading: lightune.{name}\n" not in shown] == []


@WITHOUT_ZENSICAL
def test_a_docstring_that_cannot_be_read_is_told(make_site, tmp_path):
    (tmp_path / "odd.py").write_text(
        'def one(a: int):\n    """Do it.\n\n    Args:\n        b: what is not there.\n    """\n\n\ndef '
        "two():\n    pass\n\n\n"
        'def three(a: int):\n    """Do it.\n\n    Args:\n        a: what is there.\n    """\n'
    )
    names = ["odd.one", "odd.two", "odd.three", "odd.four"]
    missing, gone, *unread = make_site.docstring_problems(names, tmp_path, "odd")
    assert (missing, gone) == ("odd.two has no docstring", "odd.four does not exist")
    assert all("odd.py" in line for line in unread)
    assert any("Parameter 'b' does not appear" in line for line in unread)
    assert make_site.docstring_problems(["odd.three"], tmp_path, "odd") == []


@WITHOUT_ZENSICAL
@pytest.mark.long
def test_the_site_is_built_without_a_warning():
    command = [sys.executable, str(SCRIPTS / "make_site.py")]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)
    assert (ran.returncode, "No issues found" in ran.stdout + ran.stderr) == (0, True), ran.stdout + ran.stderr
    pages = {page.relative_to(PROJECT / "site").as_posix() for page in (PROJECT / "site").rglob("*.html")}
    assert {"index.html", "start.html", "reference/optimizer.html", "reference/python.html"} <= pages
    api = (PROJECT / "site" / "reference" / "python.html").read_text(encoding="utf-8")
    assert "Compose the configuration that" in api
    interfaces = (PROJECT / "site" / "reference" / "interfaces.html").read_text(encoding="utf-8")
    for member in (
        "data.InMemoryData.load",
        "study.executors.executor.Executor.submit",
        "metrics.meter.MetricSet.adapt",
    ):
        assert f'id="lightune.{member}"' in interfaces
    assert 'id="lightune.errors.ConfigError"' in api
    for page in (PROJECT / "site").rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]+)"', page.read_text("utf-8"))
        assert loaded == [], f"{page} loads from elsewhere"

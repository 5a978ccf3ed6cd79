"""What differs from what a run recorded, in words that can be acted on."""

import json

import pytest
from reported_studies import write_result

from lightune.provenance import differences as module
from lightune.provenance.differences import differences, what_is_the_same
from lightune.provenance.recorded import read_recorded
from lightune.reporting.environment import collect_environment
from lightune.reporting.repository import Changes


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """Compare a run that recorded some things with what there is; returns what differs and what is the same."""

    def call(environment=None, changes=None, diff=b"", **provenance):
        run = tmp_path / "run"
        write_result(run, 0.9)
        (run / "environment.json").write_text(json.dumps({**collect_environment(), **(environment or {})}))
        (run / "uncommitted.diff").write_bytes(diff)
        content = json.loads((run / "result.json").read_text())
        said = {
            "environment": "environment.json",
            "device": "cpu",
            "code": "c" * 64,
            "data": "d" * 32,
            **provenance,
        }
        (run / "result.json").write_text(json.dumps({**content, "provenance": said}))
        monkeypatch.setattr(module, "changes_here", lambda: changes)
        recorded = read_recorded(run)
        found = differences(recorded, device="cpu", code="c" * 64, data="d" * 32)
        return [(each.what, each.then, each.now) for each in found], what_is_the_same(recorded, found)

    return call


def test_nothing_differs_where_nothing_has_changed(compared):
    found, same = compared()
    count = len(collect_environment()["packages"])
    assert found == []
    assert same == f"{count} packages, Python, processor, threads, device, code, data"


def test_packages_that_changed_went_or_came_are_named(compared):
    packages = dict(collect_environment()["packages"])
    torch, missing = packages["torch"], packages.pop("numpy")
    found, same = compared({"packages": {**packages, "torch": "1.0", "gone": "2.0"}})
    assert missing
    assert found == [
        ("package torch", "1.0", torch),
        ("package gone", "2.0", "none"),
        ("packages that were not there", "none", "numpy"),
    ]
    assert "package" not in same


def test_of_many_packages_some_are_named(compared):
    many = {f"package-{number:02}": "1" for number in range(30)}
    found = compared({"packages": {**collect_environment()["packages"], **many}})[0]
    assert len(found) == 13
    assert found[-1] == ("package …", "18 more", "others")


def test_what_computes_is_compared(compared, monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    now = collect_environment()
    found, same = compared(
        {
            "python": "2.7.1 (PyPy)",
            "cpu": {"model": "Z80", "count": 1, "capability": "NONE"},
            "threads": {"intra": 99, "inter": 1},
            "variables": {"OMP_DYNAMIC": "TRUE"},
        },
        device="cuda (A card)",
    )
    said = {what: (then, now) for what, then, now in found}
    assert said["Python"][0] == "2.7.1 (PyPy)"
    assert said["processor"] == ("Z80", now["cpu"]["model"])
    assert said["processor's instructions"] == ("NONE", now["cpu"]["capability"])
    assert said["threads"] == ("99", str(now["threads"]["intra"]))
    assert said["variable OMP_DYNAMIC"] == ("TRUE", "none")
    assert said["variable MKL_CBWR"] == ("none", "AVX2")
    assert said["device"] == ("cuda (A card)", "cpu")
    assert same.endswith("code, data")


def test_code_and_data_are_compared_by_their_digests(compared):
    found, same = compared(code="e" * 64, data="f" * 32)
    assert found == [("code", "e" * 12, "c" * 12), ("data", "f" * 12, "d" * 12)]
    assert "code" not in same


@pytest.mark.parametrize(
    ("then", "diff", "now", "found"),
    [
        ({"commit": "a" * 40, "dirty": False}, b"", Changes("a" * 40, b""), []),
        ({"commit": "a" * 40}, b"", None, [("commit", "a" * 12, "no repository here")]),
        ({"commit": "a" * 40}, b"", Changes("b" * 40, b""), [("commit", "a" * 12, "b" * 12)]),
        (
            {"commit": "a" * 40, "dirty": True, "diff_file": "uncommitted.diff"},
            b"diff --git a b\n+x\n",
            Changes("a" * 40, b"diff --git a b\n+y\n"),
            [("changes that were not committed", "1 file", "1 file, others")],
        ),
        (
            {"commit": "a" * 40, "dirty": True, "diff_file": "elsewhere.diff"},
            b"",
            Changes("a" * 40, b""),
            [("changes that were not committed", "lost", "none")],
        ),
    ],
)
def test_the_repository_is_compared(compared, then, diff, now, found):
    assert compared(git=then, changes=now, diff=diff)[0] == found


def test_what_was_not_recorded_is_passed_over(compared):
    found, same = compared(
        {"packages": None, "cpu": None, "threads": None, "python": None}, device=None, code=None
    )
    assert [each for each in found if "package" not in each[0]] == []
    assert "Python" not in same


def test_what_is_damaged_is_no_reason_to_stop(compared):
    assert isinstance(compared({"packages": [1], "variables": "x", "libraries": None})[0], list)

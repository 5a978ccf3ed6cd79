import argparse
import json
import shutil
import sys

import pytest

from lightune.cli import doctor
from lightune.cli.doctor import Finding, findings

WHAT = ["version", "Python", "processor", "GPU", "plugins", "extras", "disk", "training"]


def found_by(output_root):
    return {finding.what: finding for finding in findings(str(output_root))}


def test_all_is_looked_at_and_a_network_trains(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = tool("doctor", "--json")
    seen = json.loads(answer.out)
    assert answer.code == 0, seen
    assert [each["what"] for each in seen] == WHAT
    assert not [each for each in seen if each["advice"]]
    assert seen[-1]["found"].startswith("an epoch of a small network, ")
    assert not [*tmp_path.iterdir()]


@pytest.fixture
def untrained(monkeypatch):
    """Leave the training out, which takes a second and is tested above."""
    monkeypatch.setattr(doctor, "_training", lambda: iter(()))


def test_what_is_wrong_is_said_with_what_to_do_and_the_exit_code(tool, tmp_path, untrained, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**12, 10**12, 2**20))
    answer = tool("doctor", "--output-root", tmp_path / "runs")
    assert answer.code == 1
    lines = answer.out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("disk"))
    assert lines[place].endswith(f"0.0 GiB free for {tmp_path}/runs")
    assert lines[place + 1].strip() == "-> make room, or choose another output_root"
    assert answer.err == "lightune: 1 of 7 need something\n"


def test_a_place_that_cannot_be_written_is_said(tmp_path, untrained):
    (tmp_path / "file").write_text("")
    finding = found_by(tmp_path / "file" / "runs")["disk"]
    assert (finding.found, finding.advice) == (
        f"{tmp_path}/file cannot be written to",
        "choose another output_root",
    )


def test_a_plugin_that_does_not_load_is_named(tmp_path, untrained, monkeypatch):
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_lightune.fused", None)
    finding = found_by(tmp_path)["plugins"]
    assert finding.found.startswith("hydra_plugins.hydra_lightune.fused does not load (")
    assert finding.advice == "install lightune again"


def test_an_extra_that_is_not_there_is_no_fault(tmp_path, untrained, monkeypatch):
    monkeypatch.setattr(doctor, "_is_installed", lambda package: package not in ("soundfile", "onnx"))
    finding = found_by(tmp_path)["extras"]
    assert finding.advice is None
    assert finding.found.endswith("; not there: audio, export (pip install 'lightune[audio]')")
    assert "dev" not in finding.found.partition(";")[0].split(", ")


def test_an_extra_for_developers_is_none_for_users(tmp_path, untrained, monkeypatch):
    required = ["pytest; extra == 'dev'", "zensical; extra == 'docs'", "plotly; extra == 'plots'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: required)
    monkeypatch.setattr(doctor, "_is_installed", lambda _: False)
    assert found_by(tmp_path)["extras"].found == "none; not there: plots (pip install 'lightune[plots]')"


def test_what_breaks_while_it_is_looked_at_is_a_finding(tmp_path, monkeypatch):
    def broken():
        raise RuntimeError("no kernel image is available")
        yield

    monkeypatch.setattr(doctor, "_training", broken)
    assert [*findings(str(tmp_path))][-1] == Finding(
        "training", "does not work", "RuntimeError: no kernel image is available"
    )


def test_lines_stand_below_each_other(capsys, tmp_path, untrained):
    doctor.doctor(argparse.Namespace(output_root=str(tmp_path), json=False))
    lines = capsys.readouterr().out.splitlines()
    assert {line[:11] for line in lines} == {f"{what:11}" for what in WHAT[:-1]}

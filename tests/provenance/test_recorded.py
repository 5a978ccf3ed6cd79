"""What a run recorded of itself is read, whoever wrote it."""

import json
from dataclasses import replace

import pytest
from omegaconf import OmegaConf
from reported_studies import write_result

from lightune.errors import ConfigError
from lightune.provenance.recorded import read_recorded


@pytest.fixture
def run(tmp_path):
    """Write a finished run that says little."""
    write_result(tmp_path / "run", 0.9, metrics={"val/accuracy": 0.9})
    return tmp_path / "run"


def say_in(run, **provenance):
    content = json.loads((run / "result.json").read_text())
    content["provenance"] = provenance
    (run / "result.json").write_text(json.dumps(content))


def test_what_is_beside_the_run_is_read(run):
    (run / "environment.json").write_text('{"packages": {"torch": "1"}, "threads": {"intra": 3}}')
    (run / "uncommitted.diff").write_bytes(b"+a")
    (run / "data.json").write_text('{"rows": 5}')
    say_in(run, environment="environment.json", git={"diff_file": "uncommitted.diff", "dirty": True}, data="f00d")
    recorded = read_recorded(run)
    assert recorded.environment["packages"] == {"torch": "1"}
    assert (recorded.diff, recorded.threads, recorded.is_tested) == (b"+a", 3, False)
    told = "recorded of them: 5 rows with the fingerprint f00d"
    assert recorded.told_of_data() == told
    in_files = OmegaConf.create({"data": {"path": "a.csv"}})
    assert replace(recorded, cfg=in_files).told_of_data() == f"{told}; --data names where they lie now"


def test_a_trial_reads_what_its_study_keeps(tmp_path):
    trial = tmp_path / "trials" / "0"
    write_result(trial, 0.9)
    (tmp_path / "provenance").mkdir()
    (tmp_path / "provenance" / "environment-0123456789ab.json").write_text('{"python": "3"}')
    say_in(trial, environment="../../provenance/environment-0123456789ab.json")
    assert read_recorded(trial).environment == {"python": "3"}


@pytest.mark.parametrize(
    "name", ["../secret.json", "/etc/passwd", "../../../../../../x/environment.json", "provenance/../a.json", 5]
)
def test_a_result_names_no_other_file(run, name):
    (run.parent / "secret.json").write_text('{"python": "3"}')
    say_in(run, environment=name)
    assert read_recorded(run).environment == {}


def test_an_older_run_tells_what_it_kept(run):
    say_in(run, python="3.11.7", packages={"torch": "1"}, device="cpu (4 threads)", cost=None)
    recorded = read_recorded(run)
    assert recorded.environment == {"python": "3.11.7", "packages": {"torch": "1"}}
    assert recorded.threads == 4
    assert recorded.told_of_data() == "nothing was recorded of them"


@pytest.mark.parametrize("fused", [None, True, [[2]], [["a", 1]], [[0, 1]], [[10**9, 1]], 7])
def test_what_cannot_be_a_program_is_none(run, fused):
    say_in(run, fused=fused)
    assert read_recorded(run).fused == []


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_only_what_is_finished_can_be_reproduced(run, status):
    content = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**content, "status": status}))
    with pytest.raises(ConfigError, match=f"is {status}, and has no figures"):
        read_recorded(run)
    (run / "result.json").unlink()
    with pytest.raises(ConfigError, match="has no result: it is under way, or was cut off"):
        read_recorded(run)


def test_a_fit_that_did_not_finish_is_refused(run):
    (run / "fits" / "1").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is a fit that did not finish"):
        read_recorded(run / "fits" / "1")


def test_a_run_that_was_made_longer_knows_what_it_began_with(run):
    (run / ".hydra" / "config.yaml").write_text("trainer: {max_epochs: 2}\n")
    assert read_recorded(run).begun_as is None
    (run / "resumed.yaml").write_text("trainer: {max_epochs: 5}\n")
    recorded = read_recorded(run)
    assert (recorded.begun_as.trainer.max_epochs, recorded.cfg.trainer.max_epochs) == (2, 5)


def test_code_is_told_by_its_digest_and_commit(run):
    say_in(run, code="c0de", git={"commit": "abc", "dirty": True})
    assert read_recorded(run).told_of_code() == "recorded of it: the digest c0de, the commit abc with changes"

"""Names of trials' folders, judged before the first trial."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lightune.study.trial_folders import FolderNames, has_number, is_number_alone, name_problem


def config(subdir):
    return OmegaConf.create({"hydra": {"sweep": {"subdir": subdir}, "job": {"num": 0, "id": "0"}}, "note": "a"})


@pytest.mark.parametrize(
    ("subdir", "has", "alone"),
    [
        ("trials/${hydra.job.num}", True, True),
        ("${hydra:job.num}", True, True),
        ("${hydra.job.id}_x", True, True),
        ("${hydra.job.num}_${note}", True, False),
        ("${note}", False, False),
        ("x", False, False),
    ],
)
def test_a_number_in_a_name_is_seen(subdir, has, alone):
    assert (has_number(config(subdir)), is_number_alone(config(subdir))) == (has, alone)


@pytest.mark.parametrize("subdir", ["${note}", "${hydra.job.num}_${note}"])
def test_names_are_refused_once_of_each_kind(subdir):
    names = FolderNames(config(subdir), lambda overrides, number: Path(*overrides))
    for text in ("a", "a", "x" * 256, "ü" * 128, "a\0b"):
        names.add([text], {"seed": str(len(text)), "other": text[:1]})
    found = [problem.message for problem in names.problems()]
    assert sorted(rule.partition(", got")[0] for rule in found) == [
        "must give names of at most 255 bytes",
        "must give names without a null character",
    ]
    names.add(["a"], {"seed": "2", "other": "a"})
    shared = [problem.message for problem in names.problems() if "a folder of its own" in problem.message]
    wanted = (
        "must give each trial a folder of its own, got a for seed=1 and for seed=2; add ${hydra.job.num} to it"
    )
    assert shared == ([wanted] if subdir == "${note}" else [])


def test_a_name_of_255_bytes_is_taken():
    assert name_problem(Path("trials", "x" * 255)) is None


def test_a_name_that_is_the_number_alone_is_not_composed():
    names = FolderNames(config("trials/${hydra.job.num}"), lambda *_: pytest.fail("composed"))
    names.add([], {})
    assert list(names.problems()) == []


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (
            ["hydra.sweep.subdir='${hydra.job.num}_${note}'", f"note=a,{'x' * 260},b"],
            "of at most 255 bytes",
        ),
        (["hydra.sweep.subdir=${note}", "seed=0,1"], "a folder of its own, got a for seed=0 and for seed=1"),
        (["hydra.sweep.subdir=t", "note=b,c"], "a folder of its own, got t for note=b and for note=c"),
    ],
    ids=["long", "shared", "one"],
)
def test_a_study_is_refused_before_it_writes(cli, tmp_path, words, rule):
    answer = cli("-m", *(["note=a"] if "seed=0,1" in words else []), *words)
    assert answer.code == 2
    head, line = answer.err.splitlines()
    assert head == "lightune: 1 problem, nothing was started"
    assert line.split()[0] == "hydra.sweep.subdir"
    assert rule in line
    assert not (tmp_path / "outputs").exists()

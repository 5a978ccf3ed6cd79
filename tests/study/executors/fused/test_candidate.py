from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from lightune.job.task import task
from lightune.study.executors.fused.candidate import CheckedFolders, why_no_job

PREFLIGHT = {"_target_": "lightune.cli.preflight.Preflight"}


def multirun(**hydra):
    return OmegaConf.create({"hydra": {"job": {"chdir": False}, "callbacks": {"lightune": PREFLIGHT}, **hydra}})


def test_jobs_of_our_own_application_may_train_together():
    assert why_no_job(multirun(), task) is None
    assert why_no_job(multirun(callbacks=None), task) is None


@pytest.mark.parametrize(
    ("config", "function", "reason"),
    [
        (multirun(), print, "the application is not lightune's"),
        (multirun(job={"chdir": True}), task, "hydra.job.chdir=true is for one job at a time"),
        (
            multirun(callbacks={"mine": {"_target_": "my.Callback"}}),
            task,
            "hydra.callbacks.mine watches every job",
        ),
    ],
)
def test_what_needs_every_job_by_itself_is_said(config, function, reason):
    assert reason in why_no_job(config, function)


class Base:
    """Stands for what compositions of one kind have in common."""


def composition(base, subdir="trials/${hydra.job.num}"):
    whole = OmegaConf.create({"hydra": {"sweep": {"subdir": subdir}, "job": {"num": 0}}})
    return SimpleNamespace(whole=whole, base=base)


def test_a_folder_that_differs_by_the_number_alone_is_checked_once():
    base, checked = Base(), CheckedFolders()
    assert composition(base) not in checked
    checked.add(composition(base))
    assert composition(base) in checked
    assert composition(Base()) not in checked


def test_a_folder_named_by_a_value_is_checked_for_every_trial():
    base, checked = Base(), CheckedFolders()
    checked.add(composition(base, "trials/${hydra.job.num}_${note}"))
    assert composition(base, "trials/${hydra.job.num}_${note}") not in checked


def test_another_composition_in_the_same_place_of_memory_is_checked_anew():
    checked = CheckedFolders()
    seen = set()
    for _ in range(200):  # objects that are freed give their places, and so their ids, to the next
        base = Base()
        seen.add(id(base))
        assert composition(base) not in checked
        checked.add(composition(base))
        del base
    assert len(seen) < 200

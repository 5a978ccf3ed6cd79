"""Whether a study's sampler proposes the same points again."""

import json

import pytest

from lightune.provenance.sequence import Replayed, replay
from lightune.report.loading import load_study

WORDS = ["-m", "hydra/launcher=basic", "search.study=s", "data=wine", "model.units=4", "trainer=cpu",
         "trainer.max_epochs=1", "logger=none", "search.report=false", "optimizer.lr=tag(log,interval(1e-4,1e-1))",
         "model.dropout=interval(0,0.5)"]  # fmt: skip
LEARNS_SOON = "hydra.sweeper.sampler.n_startup_trials=2"


@pytest.fixture
def study(cli, tmp_path):
    """Run a study of six trials, and return its folder."""

    def run(*words):
        assert cli(*WORDS, "search.n_trials=6", *words).code == 0
        return tmp_path / "outputs" / "studies" / "s"

    return run


def change(folder, **about):
    content = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**content, **about}))


@pytest.mark.long
@pytest.mark.parametrize("search", ["tpe", "genetic", "cmaes", "random", "qmc"])
def test_each_sampler_proposes_its_points_again_and_another_seed_others(study, search):
    learning = {
        "tpe": [LEARNS_SOON],
        "genetic": ["hydra.sweeper.sampler.population_size=2"],
        "cmaes": [LEARNS_SOON],
    }.get(search, [])
    folder = study(f"search={search}", *learning)
    assert replay(folder) == Replayed(tuple(range(6)), (), ())
    change(folder, seed=5)
    assert 0 in replay(folder).different or search == "qmc"  # whose sequence may begin with the same


@pytest.mark.long
def test_points_that_were_tried_first_and_trials_that_failed_are_part_of_it(study):
    folder = study("search=tpe", LEARNS_SOON, "search.enqueue=[{optimizer.lr: 0.01}]", "search.max_failures=6",
                   "optimizer=sgd", "optimizer.lr=tag(log,interval(1e-2,1e30))")  # fmt: skip
    assert {trial.state.name for trial in load_study(folder).optuna.get_trials()} >= {"FAIL"}
    assert replay(folder) == Replayed(tuple(range(6)), (), ())


@pytest.mark.long
def test_the_results_before_are_what_a_point_depends_on(study):
    """With other results the sampler would have gone elsewhere, so what is compared is its learning, too."""
    folder = study("search=tpe", LEARNS_SOON)
    journal = folder / "journal.log"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    told = [line for line in lines if line.get("values")]
    for line in told:
        line["values"] = [1 - line["values"][0]]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert replay(folder).different


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"sampler": None, "space": {"optimizer.lr": {"choices": ["1", "2"]}}}, "a grid proposes none"),
        ({"storage": "postgresql://host/db"}, "they are recorded in postgresql://host/db"),
        ({}, "is not here"),
    ],
)
def test_what_cannot_be_asked_says_why(tmp_path, about, reason):
    from reported_studies import write_by_rate

    folder = write_by_rate(tmp_path / "s", 3)
    change(folder, **about)
    assert replay(folder).endswith(reason)

"""What a study leaves beside its trials."""

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lightune.paths import conf_dir
from lightune.study.outputs.writer import write_best
from lightune.study.storage.records import TrialRecord


def test_the_configuration_of_the_best_trial_says_of_what_it_is_the_first(tmp_path):
    rows = [TrialRecord(number, "completed", (0.5, 10.0), {}, 1.0, f"trials/{number}", None) for number in (3, 5)]
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        composed = compose("train", return_hydra_config=True)
    write_best(tmp_path, rows, composed, "lightune-train")
    text = (tmp_path / "best.yaml").read_text()
    assert "# It is the first of 2 on the Pareto front" in text
    write_best(tmp_path, rows[:1], composed, "lightune-train")
    assert "\n#   lightune-train --config-dir" in text
    assert "Pareto" not in (tmp_path / "best.yaml").read_text()


def test_the_configuration_of_the_best_trial_has_nothing_left_to_search(tmp_path):
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        composed = compose(
            "train",
            ["+search.space={seed:[1,2]}", "search.study=s", "search.n_trials=2"],
            return_hydra_config=True,
        )
    write_best(
        tmp_path,
        [TrialRecord(0, "completed", (0.5,), {"seed": "1"}, 1.0, "trials/0", None)],
        composed,
        "lightune-train",
    )
    best = OmegaConf.load(tmp_path / "best.yaml")
    assert best.search.space == {}
    assert (best.search.study, best.search.n_trials) == (None, None)
    assert {"override hydra/sweeper": "lightune"} in best.defaults
    sweep = OmegaConf.to_container(best.hydra.sweep, resolve=False)
    assert sweep["dir"].startswith("${lightune.home:${output_root}}/studies/${lightune.study:")

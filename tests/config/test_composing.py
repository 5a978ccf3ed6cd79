from hydra.core.global_hydra import GlobalHydra

from lightune.config.composing import composing


def test_options_of_a_folder_of_ones_own_are_among_those_of_a_group(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("units: 3\n")
    with composing(tmp_path) as files:
        assert {"mine", "mlp"} <= set(files.options("model"))
        assert files.options("nothing") == []
        assert files.compose(["model=mine"]).model.units == 3
    with composing() as files:
        assert "mine" not in files.options("model")


def test_what_the_application_acts_on_has_hydras_node_and_leaves_sweeps_to_the_jobs():
    with composing() as files:
        config = files.compose_whole(["optimizer.lr=1,2", "seed=3"], multirun=True)
        assert "hydra" not in files.compose([])
    assert config.seed == 3
    assert list(config.hydra.overrides.task) == ["optimizer.lr=1,2", "seed=3"]
    assert not GlobalHydra.instance().is_initialized()

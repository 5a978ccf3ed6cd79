from hydra.core.global_hydra import GlobalHydra

from lightune.config.composing import composing, unreadable_files


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


def test_files_that_are_not_utf8_are_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes("note: café".encode("latin-1"))
    (tmp_path / "b.yaml").write_text("note: café", encoding="utf-8")
    (problem,) = unreadable_files(tmp_path)
    assert problem.key == str(tmp_path / "a.yaml")
    assert "is not UTF-8 text (byte 9 is 0xe9); save it as UTF-8" in problem.message
    assert list(unreadable_files(None)) == []

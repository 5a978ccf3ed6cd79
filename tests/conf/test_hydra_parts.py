"""Hydra's own parts that an experiment or a local file chooses count, and the command line over both."""

import pytest

from lightune.config.composing import composing


@pytest.fixture
def chosen(tmp_path):
    """Return the options of Hydra's own groups, with files whose defaults lists choose some."""

    def call(*words, **files):
        for name, launcher in files.items():
            group, _, option = name.partition("_")
            (tmp_path / group).mkdir(exist_ok=True)
            lines = f"# @package _global_\ndefaults: [override /hydra/launcher: {launcher}]\n"
            (tmp_path / group / f"{option}.yaml").write_text(lines)
        with composing(tmp_path) as opened:
            return opened.compose_whole(words, multirun=True).hydra.runtime.choices

    return call


def test_lightunes_own_parts_are_taken_where_nothing_else_is_chosen(chosen):
    parts = {name: option for name, option in chosen().items() if name.startswith("hydra/")}
    assert (parts["hydra/launcher"], parts["hydra/sweeper"]) == ("local", "lightune")
    assert (parts["hydra/job_logging"], parts["hydra/hydra_logging"]) == ("none", "none")


def test_an_experiment_chooses_a_launcher(chosen):
    assert chosen("experiment=fast", experiment_fast="fused")["hydra/launcher"] == "fused"


def test_a_local_file_wins_over_an_experiment_and_the_command_line_over_both(chosen):
    files = {"experiment_fast": "fused", "local_default": "basic"}
    assert chosen("experiment=fast", **files)["hydra/launcher"] == "basic"
    assert chosen("experiment=fast", "hydra/launcher=local", **files)["hydra/launcher"] == "local"

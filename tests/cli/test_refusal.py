import pytest
from hydra.errors import MissingConfigException

from lightune.cli.refusal import words_of


@pytest.mark.parametrize(("launcher", "extra"), [("submitit_slurm", "slurm"), ("ray", "ray")])
def test_a_launcher_that_is_not_installed_names_its_extra(launcher, extra):
    error = MissingConfigException("Could not find it", f"hydra/launcher/{launcher}", ["basic", "local"])
    assert words_of(error) == f"Could not find it\ninstall it with: pip install 'lightune[{extra}]'"


def test_another_option_is_answered_with_the_nearest():
    assert "did you mean 'adam'" in words_of(MissingConfigException("Could not", "optimizer/adm", ["adam", "sgd"]))

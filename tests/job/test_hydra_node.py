from pathlib import Path

import pytest
from omegaconf import OmegaConf, open_dict

from lightune.config.compose import composing
from lightune.config.trust import inherit, trust
from lightune.errors import ConfigError
from lightune.job.hydra_node import _COMMANDS, hydra_problems, judge


@pytest.fixture(scope="module")
def composed():
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    with composing():
        loader = GlobalHydra.instance().config_loader()
        return loader.load_configuration("train", overrides=[], run_mode=RunMode.RUN)


@pytest.fixture
def problems(composed, tmp_path):
    inherit(())

    def of(**hydra):
        config = composed.copy()
        with open_dict(config):
            config.hydra.runtime.cwd = str(tmp_path)
            for key, value in hydra.items():
                owner, _, name = f"hydra.{key}".rpartition(".")
                OmegaConf.select(config, owner)[name] = value
        return {problem.key: problem.message for problem in hydra_problems(config)}

    return of


PROTECTED = [
    *(
        "LIGHTUNE_TRUST",
        "LIGHTUNE_RANK",
        "PATH",
        "path",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "HOME",
        "TMPDIR",
    ),
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "GIT_DIR", "GIT_EXTERNAL_DIFF", "XDG_CONFIG_HOME"),
    *("TORCHINDUCTOR_CACHE_DIR", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TRITON_CACHE_DIR", "CXX", "NCCL_NET_PLUGIN"),
    *(
        "CUDA_INJECTION64_PATH",
        "OMP_TOOL_LIBRARIES",
        "MASTER_ADDR",
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "RAY_ADDRESS",
    ),
]
FREE = [
    *("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NCCL_DEBUG", "HF_HOME", "TORCH_HOME", "WANDB_MODE", "MY_DATA"),
    *("MY_PATH", "TOKENIZERS_PARALLELISM"),
]


@pytest.mark.parametrize("name", PROTECTED)
def test_a_configuration_sets_no_variable_that_decides_which_code_runs(problems, name):
    assert "set it in the shell" in problems(**{"job.env_set": {name: "x"}})[f"hydra.job.env_set.{name}"]


@pytest.mark.parametrize("name", FREE)
def test_a_configuration_sets_other_variables(problems, name):
    assert problems(**{"job.env_set": {name: "x"}}) == {}


def test_nothing_is_wrong_with_what_ships(problems):
    assert problems() == {}


def test_callbacks_are_those_of_trusted_packages(problems):
    node = {"one": {"_target_": "mine.Callback"}, "two": {"inner": {"_target_": "torch.nn.Identity"}}}
    assert problems(callbacks=node).keys() == {
        "hydra.callbacks.one._target_",
        "hydra.callbacks.two.inner._target_",
    }
    trust("mine")
    assert problems(callbacks=node).keys() == {"hydra.callbacks.two.inner._target_"}


def log(**handler):
    return {"version": 1, "root": {"handlers": ["file"]}, "handlers": {"file": handler}}


@pytest.mark.parametrize(
    "file", ["/elsewhere", "elsewhere", "outputs", "outputs/../elsewhere", "cfg://handlers.file.x", "~/x"]
)
@pytest.mark.parametrize("where", ["job_logging", "hydra_logging"])
def test_a_log_file_lies_below_the_output_root(problems, where, file):
    handler = log(filename=file, **{"class": "logging.FileHandler"})
    assert "must lie below output_root" in problems(**{where: handler})[f"hydra.{where}.handlers.file.filename"]


@pytest.mark.parametrize("file", ["${hydra.run.dir}/x.log", "${hydra.runtime.output_dir}/x.log"])
def test_a_log_file_may_lie_there(problems, file):
    assert problems(job_logging=log(filename=file, **{"class": "logging.FileHandler"})) == {}


def test_a_log_file_beside_the_runs_is_typed(problems):
    settings = {"job_logging": log(filename="outputs/x.log", **{"class": "logging.FileHandler"})}
    key = "hydra.job_logging.handlers.file.filename"
    assert "must lie in the run's own folder" in problems(**settings)[key]
    assert problems(**settings, **{"overrides.hydra": [f"{key}=outputs/x.log"]}) == {}


def test_a_folder_that_is_there_before_the_run_is_not_its_own(problems, tmp_path):
    (tmp_path / "outputs" / "x").mkdir(parents=True)
    settings = {"job_logging": log(filename="outputs/x/x.log", **{"class": "logging.FileHandler"})}
    assert problems(**settings, **{"run.dir": "outputs/x"}).keys() == {"hydra.job_logging.handlers.file.filename"}


def test_a_log_file_through_a_link_lies_where_the_link_leads(problems, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "away").symlink_to(tmp_path)
    assert problems(job_logging=log(filename="outputs/away/x.log", **{"class": "logging.FileHandler"}))


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_a_root_of_other_things_is_typed(composed, tmp_path, plus):
    (tmp_path / "shared" / "mine").mkdir(parents=True)
    config = composed.copy()
    with open_dict(config):
        config.output_root, config.hydra.runtime.cwd = "shared", str(tmp_path)
        config.callbacks.keeper = {
            "_target_": "pytorch_lightning.callbacks.ModelCheckpoint",
            "dirpath": "shared/x",
        }
    assert "output_root" in [problem.key for problem in hydra_problems(config)]
    config.hydra.overrides.task = [f"{plus}output_root=shared"]
    assert list(hydra_problems(config)) == []


def test_the_output_root_may_be_a_link(problems, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outputs").symlink_to(tmp_path / "elsewhere")
    assert problems(job_logging=log(filename="${hydra.run.dir}/x.log", **{"class": "logging.FileHandler"})) == {}


def test_a_log_that_nobody_configures_is_not_judged(problems):
    handler = {**log(filename="/elsewhere", **{"class": "logging.FileHandler"}), "root": None}
    assert problems(job_logging=handler) == {}


def test_the_configuration_is_left_as_it_was(composed):
    before = OmegaConf.to_yaml(composed.hydra.runtime)
    list(hydra_problems(composed))
    assert OmegaConf.to_yaml(composed.hydra.runtime) == before


def test_commands_of_a_launcher_are_typed(problems, composed):
    node = {"_target_": "x", "setup": ["module load cuda"], "partition": "gpu"}
    assert problems(launcher=node).keys() == {"hydra.launcher.setup"}
    typed = {"overrides.hydra": ["hydra.launcher.setup=[module load cuda]"]}
    assert problems(launcher=node, **typed) == {}
    other = {"overrides.hydra": ["hydra.launcher.setup=[module load python]"]}
    assert problems(launcher=node, **other).keys() == {"hydra.launcher.setup"}
    trust("hydra.launcher")
    assert problems(launcher=node) == {}


def test_a_setting_of_a_launcher_is_one_line(problems):
    assert problems(launcher={"_target_": "x", "partition": "gpu\nrm -r ~"}).keys() == {"hydra.launcher.partition"}


def test_all_that_is_wrong_is_said_at_once(composed, tmp_path):
    config = composed.copy()
    with open_dict(config):
        config.hydra.job.env_set = {"PATH": "x", "HOME": "y"}
    with pytest.raises(ConfigError) as refusal:
        judge(config)
    assert len(refusal.value.problems) == 2


def test_the_documentation_names_every_option_of_a_launcher_that_is_a_command():
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    assert [name for name in sorted(_COMMANDS) if f"`{name}`" not in page] == []

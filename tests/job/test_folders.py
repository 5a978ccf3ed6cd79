from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf
from refusals import problem_of

from lightune.job.folders import folder_key, folder_problems, job_config, override, reserve_folder
from lightune.paths import conf_dir

TINY = ("trainer=cpu", "data=wine", "trainer.max_epochs=1", "model.units=4", "metrics.bootstrap=0", "logger=none")
BASIC = ("hydra/sweeper=basic", "hydra/launcher=basic")
SECRET = "hunter2-b4tt3ry-staple"


@pytest.fixture
def composed(tmp_path, monkeypatch):
    """Compose the application's configuration with Hydra's own node, in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()

        def compose(*overrides, multirun=False):
            mode = RunMode.MULTIRUN if multirun else RunMode.RUN
            return loader.load_configuration("train", [*overrides], run_mode=mode)

        yield compose


def problems(config, *, multirun=False):
    return {problem.key: problem.message for problem in folder_problems(config, multirun=multirun)}


def runs(tmp_path):
    return sorted((tmp_path / "outputs").rglob("result.json"))


def test_a_jobs_configuration_is_a_copy_without_hydras_node(composed):
    config = composed("seed=3")
    cfg = job_config(config)
    assert "hydra" not in cfg
    assert "hydra" in config
    cfg.seed = 4
    assert config.seed == 3


@pytest.mark.parametrize("multirun", [False, True])
def test_the_folders_of_the_default_are_sound_and_looking_changes_nothing(composed, multirun):
    config = composed(multirun=multirun)
    before = OmegaConf.to_yaml(config)
    assert problems(config, multirun=multirun) == {}
    assert OmegaConf.to_yaml(config) == before
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "multirun", "key", "message"),
    [
        (
            ["hydra.run.dir=../escaped"], False, "hydra.run.dir",
            "must lie below output_root (outputs), got ../escaped; set output_root or name instead",
        ),
        (
            ["hydra.run.dir=elsewhere"], False, "hydra.run.dir",
            "must lie below output_root (outputs), got elsewhere; set output_root or name instead",
        ),
        (
            ["hydra.sweep.subdir=../escaped"], True, "hydra.sweep.subdir",
            "must lie below hydra.sweep.dir, got outputs/studies/it/../escaped",
        ),
        (
            ["hydra.output_subdir=../escaped"], False, "hydra.output_subdir",
            "must lie below the run's folder, got outputs/runs/it/../escaped",
        ),
        (["hydra.output_subdir=null"], False, None, None),
        (
            ["hydra.run.dir=${nowhere}/x"], False, "hydra.run.dir",
            "cannot be resolved: Interpolation key 'nowhere' not found",
        ),
        (
            ["hydra.output_subdir=${nowhere}"], False, "hydra.output_subdir",
            "cannot be resolved: Interpolation key 'nowhere' not found",
        ),
        (
            ["output_root=${nowhere}"], False, "output_root",
            "cannot be resolved: Interpolation key 'nowhere' not found",
        ),
        (
            ["hydra.sweep.subdir=${nowhere}/x"], True, "hydra.sweep.subdir",
            "cannot be resolved: Interpolation key 'nowhere' not found",
        ),
    ],
)  # fmt: skip
def test_a_folder_of_hydras_that_lies_elsewhere_is_refused(composed, overrides, multirun, key, message):
    places = ["hydra.run.dir=${output_root}/runs/it", "hydra.sweep.dir=${output_root}/studies/it"]
    found = problems(composed(*places, *overrides, multirun=multirun), multirun=multirun)
    assert found == ({} if key is None else {key: message})


def test_a_folder_below_a_file_is_refused(composed, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "taken").write_text("")
    found = problems(composed("hydra.run.dir=${output_root}/taken/it"))
    assert found == {"hydra.run.dir": f"cannot be made: {tmp_path}/outputs/taken is a file"}


def test_an_output_root_may_come_from_the_environment_and_a_name_may_not(composed, monkeypatch):
    monkeypatch.setenv("PLANTED", SECRET)
    root = "output_root=out/${oc.env:PLANTED}"
    assert problems(composed(root)) == {}
    rule = "must not hold a value from the environment (PLANTED): folder names show it"
    assert problems(composed("name=a-${oc.env:PLANTED}")) == {"hydra.run.dir": rule}


def test_the_folder_of_a_command_is_made_and_keeps_its_spelling(composed, tmp_path):
    config = composed("hydra.run.dir=${output_root}/runs/it")
    reserve_folder(config, multirun=False)
    assert (tmp_path / "outputs" / "runs" / "it").is_dir()
    assert OmegaConf.to_container(config.hydra.run)["dir"] == "${output_root}/runs/it"
    assert config.hydra.overrides.hydra == ["hydra.run.dir=${output_root}/runs/it"]


@pytest.mark.parametrize("multirun", [False, True])
def test_where_a_folder_is_taken_the_command_and_its_jobs_get_the_next(composed, tmp_path, multirun):
    key = folder_key(multirun=multirun)
    given = f'{key}="${{output_root}}/${{name}}_it\'s"'
    reserve_folder(composed(given, multirun=multirun), multirun=multirun)
    config = composed(given, multirun=multirun)
    reserve_folder(config, multirun=multirun)
    assert OmegaConf.select(config, key) == "outputs/run_it's_2"
    node = config.hydra.sweep if multirun else config.hydra.run
    assert OmegaConf.to_container(node)["dir"] == "${output_root}/${name}_it's_2"  # no secret is resolved
    assert (tmp_path / "outputs" / "run_it's_2").is_dir()
    assert OmegaConf.select(composed(given, config.hydra.overrides.hydra[-1]), key) == "outputs/run_it's_2"


def test_a_folder_that_cannot_be_made_is_refused(composed, tmp_path):
    (tmp_path / "taken").write_text("")
    key, message = problem_of(reserve_folder, composed("output_root=taken"), multirun=False)
    assert (key, message.startswith("cannot be written to: ")) == ("output_root", True)


@pytest.mark.parametrize("value", ["plain", "it's", r"a\b", r"back\'slash", "${seed}, [x]=y"])
def test_a_text_that_is_set_is_the_same_to_the_jobs_that_are_composed(composed, value):
    config = composed()
    override(config, "hydra.job.name", value)
    (line,) = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    assert OverridesParser.create().parse_override(line).value() == value
    assert OmegaConf.to_container(config.hydra.job)["name"] == value


def test_two_runs_in_the_same_second_have_their_own_folders(cli, tmp_path):
    stamp = "hydra.run.dir=${output_root}/runs/${name}/same"
    for _ in range(3):
        assert cli(*TINY, stamp)[0] == 0
    assert [path.parent.name for path in runs(tmp_path)] == ["same", "same_2", "same_3"]


def test_two_sweeps_in_the_same_second_have_their_own_folders(cli, tmp_path):
    stamp = 'hydra.sweep.dir="${output_root}/studies/${name}_it\'s"'
    for _ in range(2):
        code, _, err = cli("-m", *BASIC, *TINY, stamp, "seed=0,1")
        assert code == 0, err
    folders = [str(path.parent.relative_to(tmp_path / "outputs" / "studies")) for path in runs(tmp_path)]
    assert folders == ["run_it's/trials/0", "run_it's/trials/1", "run_it's_2/trials/0", "run_it's_2/trials/1"]
    assert (tmp_path / "outputs" / "studies" / "run_it's_2" / "multirun.yaml").is_file()


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["-m", "seed=0,1", "hydra.sweep.subdir=../../../escaped"], "hydra.sweep.subdir"),
        (["-m", "seed=0,1", "hydra.sweep.dir=../escaped"], "hydra.sweep.dir"),
        (["hydra.output_subdir=../../../../escaped"], "hydra.output_subdir"),
        (
            ["hydra/job_logging=default", "hydra.job_logging.handlers.file.filename=../escaped"],
            "hydra.job_logging.handlers.file.filename",
        ),
        (["logger=csv", "logger.csv.name=../../../../escaped"], "logger.csv.name"),
        (["logger=csv", "+logger.csv.save_dir=elsewhere"], "logger.csv.save_dir"),
    ],
)
def test_nothing_is_written_outside_the_output_root(cli, tmp_path, arguments, key):
    (tmp_path / "here").mkdir()
    code, _, err = cli(*TINY, *arguments, f"output_root={tmp_path}/here/outputs")
    assert code == 2
    assert f"\n  {key} " in err
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize("key", ["name", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"])
def test_folders_are_not_named_after_secrets(cli, tmp_path, monkeypatch, key):
    monkeypatch.setenv("PLANTED", SECRET)
    place = {"name": "a-", "hydra.sweep.subdir": ""}.get(key, "${output_root}/")
    code, _, err = cli(*(["-m"] if "sweep" in key else []), *TINY, f"{key}={place}${{oc.env:PLANTED}}")
    assert code == 2
    assert "must not hold a value from the environment (PLANTED)" in err
    assert not (tmp_path / "outputs").exists()


def test_an_output_root_that_is_a_file_is_refused(cli, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, err = cli(*TINY, "output_root=taken")
    assert code == 2
    assert "is a file" in err


@pytest.mark.parametrize("multirun", [False, True])
def test_a_home_folder_is_where_a_command_writes(composed, tmp_path, monkeypatch, multirun):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = composed("output_root='~/results'", "search.study=s", multirun=multirun)
    place = config.hydra.sweep.dir if multirun else config.hydra.run.dir
    assert str(place).startswith(f"{tmp_path}/home/results/{'studies/s' if multirun else 'runs/run/'}")
    assert problems(config, multirun=multirun) == {}

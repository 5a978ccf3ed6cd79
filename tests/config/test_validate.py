import pytest
from omegaconf import OmegaConf

from lightune import compose
from lightune.config.static.signatures import describe
from lightune.config.trust import trust
from lightune.config.validate import find_problems, validate
from lightune.errors import ConfigError


def refused(*overrides):
    """Return key → message of what is wrong with a configuration."""
    return {problem.key: problem.message for problem in find_problems(compose(overrides))}


def test_the_default_is_sound():
    assert refused() == {}


@pytest.mark.parametrize(
    ("override", "key", "message"),
    [
        ("optimizer.lr=-1", "optimizer.lr", "must be a finite number > 0, got -1"),
        ("optimizer.lr=0", "optimizer.lr", "must be a finite number > 0, got 0"),
        ("optimizer.lr=nan", "optimizer.lr", "must be a finite number > 0, got nan"),
        ("optimizer.lr=inf", "optimizer.lr", "must be a finite number > 0, got inf"),
        ("optimizer.lr=abc", "optimizer.lr", "must be a finite number > 0, got abc"),
        ("optimizer.lr=", "optimizer.lr", "must be a finite number > 0, got ''"),
        ("optimizer.lr=null", "optimizer.lr", "must be a finite number > 0, got null"),
        (
            "optimizer.betas=[0.9]",
            "optimizer.betas",
            "must be a list of 2, each item a finite number in [0, 1), got [0.9]",
        ),
        (
            "model.units=0",
            "model.units",
            "must be a whole number > 0 or a list, each item a whole number > 0, got 0",
        ),
        ("model.layers=-1", "model.layers", "must be a whole number >= 0, got -1"),
        ("model.layers=1.5", "model.layers", "must be a whole number >= 0, got 1.5"),
        ("model.dropout=1.5", "model.dropout", "must be a finite number in [0, 1), got 1.5"),
        ("regularization.l1=-1e-3", "regularization.l1", "must be a finite number >= 0, got -0.001"),
        ("trainer.max_epochs=0", "trainer.max_epochs", "must be a whole number > 0, got 0"),
        ("trainer.max_epochs=ten", "trainer.max_epochs", "must be a whole number > 0, got ten"),
        ("data.batch_size=0", "data.batch_size", "must be a whole number > 0 or one of full, got 0"),
        ("seed=abc", "seed", "must be a whole number in [0, 4294967295], got abc"),
        ("seed=-1", "seed", "must be a whole number in [0, 4294967295], got -1"),
        ("test=maybe", "test", "must be true or false, got maybe"),
        ("tags=[1]", "tags", "must be a list, each item text, got [1]"),
        ("output_root=", "output_root", "must be a folder, got ''"),
        (
            "callbacks.early_stopping.patience=0",
            "callbacks.early_stopping.patience",
            "must be a whole number > 0, got 0",
        ),
        ("validation.val_fraction=1", "validation.val_fraction", "must be a finite number in (0, 1), got 1"),
    ],
)
def test_refuses_a_value_out_of_range(override, key, message):
    assert refused(override) == {key: message}


def test_offers_the_nearest_choice():
    message = refused("model.activation=rellu")["model.activation"]
    assert message.endswith("got rellu; did you mean 'relu'?")


def test_names_the_arguments_that_exist():
    message = refused("+optimizer.lrr=1")["optimizer.lrr"]
    assert message.startswith("AdamW takes no such argument; did you mean 'lr'? (it takes lr, betas, ")


def test_refuses_a_root_key_that_does_not_exist():
    assert "did you mean 'seed'?" in refused("+sede=1")["sede"]


@pytest.mark.parametrize("name", ["../../x", "/absolute", "a/b", "", ".hidden", "a b", "x" * 101])
def test_refuses_a_name_that_is_no_plain_folder_name(name):
    assert "must be one plain folder name" in refused(f"name='{name}'")["name"]


def test_refuses_a_missing_mandatory_value():
    assert refused("model.units=???") == {"model.units": "is mandatory and has no value; set it"}


def test_refuses_an_argument_that_nothing_supplies():
    problems = refused("model._target_=torch.nn.Bilinear")
    assert problems["model.in1_features"] == "is mandatory for Bilinear and has no value; set it"


def test_refuses_an_interpolation_that_leads_nowhere(monkeypatch):
    monkeypatch.delenv("NOT_THERE", raising=False)
    assert "'NOT_THERE' not found" in refused("note=${oc.env:NOT_THERE}")["note"]
    assert "cannot be resolved" in refused("note=${no.such.key}")["note"]


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.open",
        "torch.load",
        "torch.hub.load",
        "subprocess.Popen",
        "my_package.Net",
        "lightune.run.train",
        # aliases: a trusted module's own imports
        "torch.nn.modules.module.torch.load",
        "lightune.checkpoints.os.system",
        "lightune.data.images.os.system",
    ],
)
def test_refuses_a_target_that_is_not_trusted(target):
    assert "is not trusted" in refused(f"model._target_={target}")["model._target_"]


def test_says_how_to_trust_a_package_of_ones_own():
    message = refused("model._target_=my_package.Net")["model._target_"]
    assert message.endswith("start with LIGHTUNE_TRUST=my_package")


@pytest.mark.parametrize("target", ["lightune.models.Nope", "torch.optim.NoSuch"])
def test_refuses_a_target_that_does_not_exist(target):
    assert f"got {target}" in refused(f"model._target_={target}")["model._target_"]


def test_refuses_a_whitelist_inside_the_configuration():
    problems = refused("+model._execution_whitelist_=[os.*]", "model._target_=os.system")
    assert "cannot be given in a configuration" in problems["model._execution_whitelist_"]


def test_checks_nodes_inside_nodes():
    problems = refused("+callbacks.early_stopping.x={_target_: os.system}")
    assert "is not trusted" in problems["callbacks.early_stopping.x._target_"]


@pytest.mark.parametrize("key", ["logger=false", "callbacks=[]", "gradient_clip_val=1.0", "fast_dev_run=true"])
def test_refuses_trainer_arguments_that_have_their_own_place(key):
    name = key.partition("=")[0]
    assert refused(f"+trainer.{key}")[f"trainer.{name}"].startswith(("cannot be set", "lightune"))


def test_refuses_a_path_that_leaves_the_run():
    problems = refused(
        "+callbacks.more={_target_: pytorch_lightning.callbacks.ModelCheckpoint, dirpath: /etc}",
        "+callbacks.other={_target_: pytorch_lightning.callbacks.ModelCheckpoint, dirpath: ../..}",
    )
    assert set(problems) == {"callbacks.more.dirpath", "callbacks.other.dirpath"}


def test_reports_everything_at_once():
    problems = refused(
        "optimizer.lr=-1", "model.units=0", "seed=abc", "name=../x", "monitor.metric=val/nope", "+optimizer.no=1"
    )
    assert set(problems) == {"optimizer.lr", "model.units", "seed", "name", "monitor.metric", "optimizer.no"}


def test_survives_a_group_that_is_no_mapping():
    cfg = compose()
    cfg.model = "mlp"
    cfg.monitor = "val/loss"
    keys = {problem.key for problem in find_problems(cfg)}
    assert {"model", "monitor"} <= keys


def test_the_message_lists_key_and_rule_of_each_problem():
    with pytest.raises(ConfigError) as refusal:
        validate(compose(["optimizer.lr=-1", "model.units=0"]))
    assert str(refusal.value).splitlines() == [
        "lightune: 2 problems, nothing was started",
        "  model.units   must be a whole number > 0 or a list, each item a whole number > 0, got 0",
        "  optimizer.lr  must be a finite number > 0, got -1",
    ]


@pytest.fixture
def own_package(tmp_path, monkeypatch):
    (tmp_path / "own_package.py").write_text(
        "from torch import nn\n"
        "from lightune.ranges import PositiveInt\n"
        "class Net(nn.Module):\n"
        "    accepts = ('table',)\n"
        "    def __init__(self, input_shape, num_outputs, width: PositiveInt = 8, *, depth: int = 1): ...\n"
        "def rule(params, lr: float, speed: float = 1.0): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    trust("own_package")


def test_checks_a_class_of_ones_own_as_it_checks_ours(own_package):
    cfg = compose(["data=wine"])
    cfg.model = OmegaConf.create({"_target_": "own_package.Net", "width": 0, "dept": 2})
    problems = {problem.key: problem.message for problem in find_problems(cfg)}
    assert problems["model.width"] == "must be a whole number > 0, got 0"
    assert "did you mean 'depth'?" in problems["model.dept"]


def test_checks_a_partial_of_ones_own(own_package):
    cfg = compose(["data=wine"])
    cfg.optimizer = OmegaConf.create({"_target_": "own_package.rule", "_partial_": True, "sped": 2})
    problems = {problem.key: problem.message for problem in find_problems(cfg)}
    assert problems["optimizer.lr"] == "is mandatory for rule and has no value; set it"
    assert "did you mean 'speed'?" in problems["optimizer.sped"]


def test_compares_a_model_of_ones_own_with_the_data(own_package):
    cfg = compose(["data=digits"])
    cfg.model = OmegaConf.create({"_target_": "own_package.Net"})
    assert [problem.key for problem in find_problems(cfg)] == ["model"]


@pytest.mark.parametrize(
    ("override", "key", "message"),
    [
        ("seed={_target_: x}", "seed", "must be a whole number in [0, 4294967295], got {'_target_': 'x'}"),
        ("note={_target_: x}", "note", "must be text, got {'_target_': 'x'}"),
        ("tags=[{_target_: x}]", "tags", "must be a list, each item text, got [{'_target_': 'x'}]"),
        ("name=2024", "name", "must be text, got 2024; write 'name=\"2024\"'"),
        ("note=5", "note", "must be text, got 5; write 'note=\"5\"'"),
        (
            "callbacks.early_stopping=9",
            "callbacks.early_stopping",
            "must be a mapping with _target_, got 9; remove it with ~callbacks.early_stopping",
        ),
        ("+callbacks.foo={a: 1}", "callbacks.foo._target_", "is missing; name the class or function to build"),
    ],
)
def test_refuses_what_has_no_place_there(override, key, message):
    assert refused(override) == {key: message}


def test_refuses_a_plateau_that_lowers_nothing():
    problems = refused("scheduler=plateau", "scheduler.factor=1.0")
    assert problems == {"scheduler.factor": "must be a finite number in [0, 1), got 1.0"}


@pytest.mark.parametrize("override", ['name="2024"', 'note="5"'])
def test_takes_a_number_that_is_quoted_as_text(override):
    assert refused(override) == {}


def test_refuses_a_name_that_would_show_a_value_from_the_environment(monkeypatch):
    monkeypatch.setenv("PLANTED", "hunter2")
    for note in ("plain", "${oc.env:PLANTED}"):
        name = "a-${oc.env:PLANTED}" if note == "plain" else "a-${note}"
        message = refused(f"note='{note}'", f"name='{name}'")["name"]
        assert message.startswith("must not hold a value from the environment (PLANTED)")


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("logger.csv.name=../../../../escaped", "logger.csv.name"),
        ("logger.csv.version=/tmp/escaped", "logger.csv.version"),
        ("+logger.csv.save_dir=elsewhere", "logger.csv.save_dir"),
    ],
)
def test_refuses_a_logger_that_writes_elsewhere(override, key):
    assert list(refused("logger=csv", override)) == [key]


def test_remembers_what_it_read_of_a_target_if_it_is_told_to():
    seen = []

    def reader(name):
        seen.append(name)
        return describe(name)

    assert find_problems(compose(), describe=reader) == []
    assert "lightune.models.MLP" in seen


@pytest.mark.parametrize("written", ["{text}", "# a line\n\n{header}{text}", "\ufeff{header}{text}"])
@pytest.mark.parametrize(
    ("group", "text"),
    [("experiment", "seed: 3\n"), ("data", "defaults: [digits]\nmonitor: {{metric: val/loss}}\n")],
)
def test_a_file_without_its_header_is_told_what_it_lacks(tmp_path, group, text, written):
    (tmp_path / group).mkdir()
    lines = written.format(header="# @package _global_\n", text=text.replace("{{", "{").replace("}}", "}"))
    (tmp_path / group / "bare.yaml").write_text(lines, encoding="utf-8")
    problems = find_problems(compose([f"{group}=bare"], config_dir=tmp_path))
    assert any("must have `# @package _global_` as its first line" in each.message for each in problems)


def test_a_home_folder_is_one_of_somebody():
    assert [find_problems(compose([f"output_root='{root}'"])) for root in ("~", "~/x")] == [[], []]
    (problem,) = find_problems(compose(["output_root='~nobody_here/x'"]))
    rule = "names the home folder of nobody here, got ~nobody_here/x; write the whole path"
    assert (problem.key, problem.message) == ("output_root", rule)


def test_what_parts_write_is_judged_by_where_it_would_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    target = "+callbacks.other._target_=pytorch_lightning.callbacks.ModelCheckpoint"
    words = [target, "+callbacks.other.dirpath='~/elsewhere'"]  # which Lightning takes for the home folder
    assert [each.key for each in find_problems(compose([*words, "output_root=."]))] == ["callbacks.other.dirpath"]
    assert find_problems(compose([*words, "output_root='~'"])) == []

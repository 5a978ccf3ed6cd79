import random
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf

from lightune import compose
from lightune.cli.refusal import words_of
from lightune.config.suggestions import leaves_of


def said(*arguments):
    """Return what is said of a command that Hydra does not compose, whatever its own words are."""
    return words_of(HydraException("Hydra's own words"), arguments)


@pytest.mark.parametrize(("launcher", "extra"), [("submitit_slurm", "slurm"), ("ray", "ray")])
def test_a_launcher_that_is_not_installed_names_its_extra(launcher, extra):
    error = MissingConfigException("Could not find it", f"hydra/launcher/{launcher}", ["basic", "local"])
    assert words_of(error, []) == f"Could not find it\ninstall it with: pip install 'lightune[{extra}]'"


def test_another_option_is_answered_with_the_nearest():
    error = MissingConfigException("Could not", "optimizer/adm", ["adam", "sgd"])
    assert "did you mean 'adam'" in words_of(error, [])


def test_all_keys_that_do_not_exist_are_said_at_once_with_what_was_meant():
    assert said("lr=0.01", "epochs=5", "seed=1", "optimizer.lr=1").splitlines() == [
        "lightune: 2 problems, nothing was started",
        "  lr      does not exist; did you mean 'optimizer.lr'?",
        "  epochs  does not exist; did you mean 'trainer.max_epochs'?",
    ]


def test_no_plus_is_advised_for_a_key_that_nothing_takes():
    assert "+" not in said("lr=0.01")


def test_a_plus_is_advised_for_an_argument_that_the_yaml_does_not_name():
    assert "write +trainer.val_check_interval=2" in said("trainer.val_check_interval=2")


def test_a_plus_is_advised_as_a_shell_takes_it():
    assert """write '+trainer.profiler="simple"'""" in said('trainer.profiler="simple"')


def test_a_key_of_another_option_names_that_option():
    assert "optimizer=gd and muon and rmsprop and sgd have it" in said("optimizer.momentum=0.9")


def test_a_key_of_another_option_that_chooses_in_other_groups_names_that_option():
    text = said("data.path=churn.csv", "data.text=review")
    assert "data.path  is no key of the chosen data; data=audio_folder and audio_regression and csv and" in text
    assert "data.text  is no key of the chosen data; data=text_csv has it" in text


def test_a_key_of_the_chosen_option_is_none_that_is_missing():
    assert said("optimizer=sgd", "optimizer.momentum=0.9") == "Hydra's own words"


def test_an_option_that_differs_in_case_is_found():
    assert "search has no option TPE; did you mean 'tpe'?" in said("-m", "search=TPE")


def test_options_and_keys_are_said_together():
    words = said("optimizer=adm", "lr=1")
    assert "2 problems" in words
    assert "optimizer has no option adm" in words


def test_options_of_a_folder_of_ones_own_exist(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: lightune.models.MLP\nlayers: 2\n")
    assert said("--config-dir", str(tmp_path), "model=mine", "model.layers=4") == "Hydra's own words"
    assert "did you mean 'model.layers'?" in said(f"--config-dir={tmp_path}", "model=mine", "model.layrse=4")


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["note=don't"], """note="don'"'"'t\""""),
        (["optimizer.lr", "=", "1"], "without a space: optimizer.lr=1"),
        (["optimizer.lr", "=1"], "without a space: optimizer.lr=1"),
        (["optimizer.lr=", "1"], "without a space: optimizer.lr=1"),
        (["model.units=[64,", "32]"], "'model.units=[64, 32]'"),
        (["model={layers:", "1,", "units:", "8}"], "'model={layers: 1, units: 8}'"),
        (["model.units=[64"], "a bracket is not closed"),
        (["output_root=a=b"], """'output_root="a=b"'"""),
        (["note=a#b"], """'note="a#b"'"""),
        (['note=say "hi', "seed=1"], r"""'note="say \"hi"'"""),
        (["optimizer.lr=intervall(1,2)"], "did you mean 'interval'?"),
        (["seed"], "must be KEY=VALUE, got seed"),
    ],
)
def test_what_cannot_be_read_is_answered_with_how_to_write_it(words, advice):
    answer = said(*words)
    assert answer.startswith("lightune: 1 problem, nothing was started\n")
    assert advice in answer


@pytest.mark.parametrize(
    "text", ["don't", 'say "hi', "a=b", "a#b", "back\\slash'", "(", "~x", "[a", "a: b'", "é'"]
)
def test_the_advised_quotes_are_read_as_they_were_meant(text):
    (line,) = said(f"note={text}").splitlines()[1:]
    (word,) = shlex.split(line.rpartition(": ")[2] if text != "a: b'" else line.partition("twice: ")[2])

    assert OverridesParser.create().parse_override(word).value() == text


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "latin.yaml").write_bytes("# @package _global_\nnote: café\n".encode("latin-1"))
    error = UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid")
    words = words_of(error, ["--config-dir", str(tmp_path), "experiment=latin"])
    assert "latin.yaml  is not UTF-8 text (byte 29 is 0xe9); save it as UTF-8" in words


def misspellings(seed, number):
    """Yield keys that exist, each with one letter dropped, doubled or exchanged with the next."""
    draw, keys = random.Random(seed), [key for key in leaves_of(compose()) if len(key.rpartition(".")[2]) > 4]
    for key in draw.sample(keys, number):
        parent, dot, last = key.rpartition(".")
        at = draw.randrange(1, len(last) - 1)
        changed = {
            "drop": last[:at] + last[at + 1 :],
            "double": last[:at] + last[at] + last[at:],
            "exchange": last[:at] + last[at + 1] + last[at] + last[at + 2 :],
        }[draw.choice(["drop", "double", "exchange"])]
        if changed != last:
            yield key, f"{parent}{dot}{changed}"


def test_a_misspelt_key_is_answered_with_the_key():
    pairs = list(misspellings(seed=0, number=16))
    answers = said(*(f"{typed}=1" for _, typed in pairs)).splitlines()[1:]

    assert len(answers) == len({typed for _, typed in pairs})
    for (key, typed), answer in zip(pairs, answers, strict=True):
        assert answer.split()[0] == typed
        assert f"'{key}'" in answer


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["model={layrs: 1}"], "model.layrs"),
        (["-m", "model={layrs:1},{layers:1}", "seed=1"], "model.layrs"),
        (["monitor={metrik: val/loss}"], "monitor.metrik"),
        (["optimizer={lr:1,momentum:{a:1}}"], "optimizer.momentum.a"),
    ],
)
def test_a_misspelt_key_in_a_mapping_is_answered_with_the_key(words, key):
    text = said(*words)
    assert "1 problem" in text
    assert any(f"  {key}  {rule}" in text for rule in ("does not exist", "is no key", "model=mlp has no such key"))
    assert "+model=" not in text


@pytest.mark.parametrize("value", ["null", "3", "true"])
def test_what_is_no_option_is_answered_with_the_group(value):
    assert f"model  must be one of its options, got {value} (there are audio_cnn, cnn" in said(f"model={value}")


def test_a_key_that_no_part_has_is_answered_with_the_guide_to_parts_of_ones_own():
    text = said("loss.qqqqqq=3")
    assert "loss.qqqqqq  does not exist (loss has " in text
    assert text.endswith("); parts of your own: docs/your_own_code.md")


def test_a_space_on_the_command_line_is_answered_with_what_adds_it():
    text = said("search.space={model.units: [4, 8], seed: [1, 2]}")
    assert text.splitlines()[1:] == [
        "  search.space  is empty in the YAML, and keys are added to it: "
        "write '++search.space={model.units: [4, 8], seed: [1, 2]}'"
    ]


def test_a_folder_that_is_not_there_is_named_once(tmp_path, recwarn):
    text = said("--config-dir", str(tmp_path / "nowhere"), "model=odd")
    assert text.splitlines()[1:] == [f"  --config-dir  there is no folder {tmp_path / 'nowhere'}"]
    assert not recwarn.list


def test_a_key_that_several_values_set_is_said_once():
    assert said("-m", "model={layrs: 1},{layrs: 2}").startswith("lightune: 1 problem,")


@pytest.mark.parametrize("words", [["model=null"], ["-m", "search=null"], ["data=3"]])
def test_a_group_without_an_option_is_answered_with_those_there_are(cli, words):
    answer = cli(*words)
    assert answer.code == 2
    assert "must be one of its options, got" in answer.err


def test_a_key_of_what_is_switched_off_is_told_so():
    assert "callbacks.early_stopping is null here" in said("callbacks=none", "callbacks.early_stopping.patience=1")


def keys_of(text):
    return [line.split()[0] for line in text.splitlines()[1:]]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["model.foo=3", "model.units=-4"], ["model.foo", "model.units"]),
        (["trainer.foo=3", "optimizer.lr=-4", "seed=x"], ["trainer.foo", "optimizer.lr", "seed"]),
        (["+optimizer.lr=1", "model.units=-4"], ["optimizer.lr", "model.units"]),
        (["++model.foo=1", "lr=1", "model.units=-4"], ["lr", "model.units", "model.foo"]),
        (["~model.nothing", "seed=-1"], ["model.nothing", "seed"]),
        (["note=don't", "seed=-1"], ["note", "seed"]),
        (["optimizer=adm", "seed=-1", "optimizer.lr=-1"], ["optimizer", "seed"]),
        (["hydra.run.dirr=x", "seed=-1"], ["hydra.run.dirr", "seed"]),
        (["optimizer.lr=1,2", "seed=-1"], ["optimizer.lr", "seed"]),
        (["-m", "model.foo=3", "model.units=-4,8", "seed=x,1"], ["model.foo", "seed", "model.units"]),
        (["-m", "model.foo=3,4", "lr=1", "optimizer.lr=-1,1"], ["lr", "model.foo", "optimizer.lr"]),
        (["-m", "hydra/sweeper=basic", "model.foo=3,4", "optimizer.lr=-1"], ["model.foo", "optimizer.lr"]),
        (["-m", "hydra/sweeper=basic", "model=mlp,odd", "seed=-1,1"], ["model", "seed"]),
        (["output_root=${x}", "seed=-1"], ["output_root", "seed"]),
        (["+hydra.job.env_set.PATH=x", "seed=-1"], ["hydra.job.env_set.PATH", "seed"]),
        (["lr=1", "name=a/b"], ["lr", "name"]),
        (["lr=1", "hydra.run.dir=/elsewhere"], ["lr", "hydra.run.dir"]),
    ],
)
def test_all_problems_of_a_command_are_said_together(cli, words, keys):
    answer = cli(*words)
    assert answer.code == 2
    assert sorted(keys_of(answer.err)) == sorted(keys)


def test_an_option_that_a_chosen_file_chooses_in_its_turn_is_named_with_its_group(tmp_path):
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment" / "own.yaml"
    file.write_text("# @package _global_\ndefaults:\n  - override /data: digitz\n")
    text = said("--config-dir", str(tmp_path), "experiment=own")
    assert (
        "experiment  own chooses data=digitz; data has no option digitz; did you mean 'digits'? (there are "
        in text
    )


def test_what_follows_from_an_option_that_does_not_exist_is_not_said():
    assert keys_of(said("data=iris", "model.channels=3", "loss=mse", "lr=1")) == ["data", "lr"]


@pytest.mark.parametrize(
    "text", ["\ufeff# @package _global_\nnote: a\n", "# mine\n# @package _global_\nnote: a\n", "seed: 1\n"]
)
def test_a_file_without_its_header_is_named_with_the_cure(cli, tmp_path, text):
    (tmp_path / "mine/experiment").mkdir(parents=True)
    (tmp_path / "mine/experiment/odd.yaml").write_text(text, encoding="utf-8")
    said = cli("--config-dir", "mine", "experiment=odd").err
    assert "experiment/odd.yaml must have `# @package _global_` as its first line" in said


def test_a_file_that_is_not_utf8_is_the_only_thing_that_is_said_of_it(cli, tmp_path):
    (tmp_path / "mine/experiment").mkdir(parents=True)
    (tmp_path / "mine/experiment/odd.yaml").write_bytes(b"# @package _global_\nnote: caf\xe9\n")
    said = cli("--config-dir", "mine", "experiment=odd", "seed=-1").err
    assert keys_of(said) == ["mine/experiment/odd.yaml", "seed"]


@pytest.mark.parametrize("mode", [(), ("-m",)])
def test_a_file_that_is_no_yaml_is_named_beside_what_else_is_wrong(cli, tmp_path, mode):
    (tmp_path / "mine/experiment").mkdir(parents=True)
    (tmp_path / "mine/experiment/odd.yaml").write_text("# @package _global_\nmodel:\n\tunits: 3\n")
    said = cli(*mode, "--config-dir", "mine", "experiment=odd", "seed=-1").err
    assert keys_of(said) == ["mine/experiment/odd.yaml", "seed"]
    assert "line 3, column 1" in said


@pytest.mark.parametrize("name", ["best", "best.yaml"])
def test_a_whole_configuration_of_ones_own_is_answered_as_that_of_lightune(tmp_path, name):
    OmegaConf.save(compose(), tmp_path / "best.yaml")
    text = said("--config-dir", str(tmp_path), "--config-name", name, "lr=0.01", "model.hidden=8", "optimizer=sgd")
    assert text.splitlines() == [
        "lightune: 3 problems, nothing was started",
        "  optimizer     has no option in this configuration to be changed, only keys: set those",
        "  lr            does not exist; did you mean 'optimizer.lr'?",
        "  model.hidden  does not exist; did you mean 'model.units'?",
    ]


def test_a_primary_configuration_that_is_not_there_is_answered_in_one_line(tmp_path):
    text = said("--config-dir", str(tmp_path), "--config-name", "best", "optimizer.lr=1")
    assert text.splitlines()[1:] == [
        f"  --config-name  there is no best.yaml in {tmp_path}; a study has one as soon as it has a best trial"
    ]
    assert said("--config-name=odd").splitlines()[1].endswith("; --config-dir says where it lies")
    assert said("--config-name=odd", "--config-path", str(tmp_path)) == "Hydra's own words"


@pytest.mark.parametrize("sweeper", ["lightune", "basic", "optuna"])
def test_what_is_swept_is_judged_beside_an_output_root_that_cannot_be_resolved(cli, sweeper):
    wrong = ["output_root=${nothing}", "optimizer.lr=-1,0.1", "model.unis=3"]
    code, _, err = cli("-m", f"hydra/sweeper={sweeper}", *wrong)
    expected = {"output_root", "model.unis", *([] if sweeper == "optuna" else ["optimizer.lr"])}
    assert (code, set(keys_of(err))) == (2, expected)


def test_an_option_that_there_is_not_is_refused_before_any_job_of_another_sweeper(cli, tmp_path):
    for more in ([], ["output_root=${nothing}"]):
        code, _, err = cli("-m", "hydra/sweeper=optuna", "model=mlp,cnnn", *more)
        assert (code, "model has no option cnnn; did you mean 'cnn'?" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_options_of_a_folder_of_ones_own_are_known_beside_what_is_wrong(cli, tmp_path):
    (tmp_path / "mine/experiment").mkdir(parents=True)
    for name in ("one", "other"):
        (tmp_path / f"mine/experiment/{name}.yaml").write_text(f"# @package _global_\nnote: {name}\n")
    code, _, err = cli("--config-dir", "mine", "-m", "experiment=one,other", "model.unis=3")
    assert (code, keys_of(err)) == (2, ["model.unis"])

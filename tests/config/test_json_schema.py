import subprocess
import sys

import jsonschema
import pytest
from omegaconf import OmegaConf

from lightune.config import schema
from lightune.config.json_schema import group_schemas
from lightune.config.project import enter_project
from lightune.paths import conf_dir
from lightune.scaffold.project_files import STARTERS, write_project

SCHEMAS = group_schemas()
FILES = [file for group in SCHEMAS for file in sorted((conf_dir() / group).rglob("*.yaml"))]


def problems(group, text, schemas=SCHEMAS):
    """Return what an editor would underline: keys, or what is said of the whole."""
    tree = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    errors = jsonschema.Draft7Validator(schemas[group]).iter_errors(tree)
    return sorted({place for error in errors for place in places_of(error)})


def places_of(error):
    """Return the places of an error; of alternatives, those of the one that is meant by its target."""
    own = ".".join(map(str, error.absolute_path)) or error.message
    branches = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    meant = [
        branch for branch in branches.values() if not any("_target_" in inner.absolute_path for inner in branch)
    ]
    inside = {place for branch in meant for inner in branch for place in places_of(inner)}
    deeper = {place for place in inside if not error.absolute_path or place.startswith(f"{own}.")}
    return deeper - {own} or {own}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_file_of_lightune_is_as_its_schema_says(file):
    group = file.relative_to(conf_dir()).parts[0]
    assert problems(group, file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("group", SCHEMAS)
def test_each_is_a_schema(group):
    jsonschema.Draft7Validator.check_schema(SCHEMAS[group])


@pytest.mark.parametrize(
    ("group", "text", "said"),
    [
        ("model", "{_target_: lightune.models.MLP, activation: rellu}", ["activation"]),
        ("model", "{_target_: lightune.models.MLP, units: 0}", ["units"]),
        ("model", "{_target_: lightune.models.MLP, units: [8, 0]}", ["units.1"]),
        ("model", "{_target_: lightune.models.mlp.MLP, layers: 1e-3}", ["layers"]),
        (
            "model",
            "{_target_: lightune.models.MLP, layer: 3}",
            ["Additional properties are not allowed ('layer' was unexpected)"],
        ),
        (
            "optimizer",
            "{_target_: torch.optim.AdamW, _partial_: true, weigth_decay: 0.1}",
            ["Additional properties are not allowed ('weigth_decay' was unexpected)"],
        ),
        ("optimizer", "{_target_: torch.optim.AdamW, _partial_: true, lr: -1}", ["lr"]),
        ("trainer", "{_target_: pytorch_lightning.Trainer, compile: maximum}", ["compile"]),
        (
            "callbacks",
            "{stop: {_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: x, patience: 0}}",
            ["stop.patience"],
        ),
        ("data", "{data: {missing: medain}}", ["data.missing"]),
        ("experiment", "{seed: -1}", ["seed"]),
        ("experiment", "{sede: 1}", ["Additional properties are not allowed ('sede' was unexpected)"]),
        ("experiment", "{monitor: {mode: highest}}", ["monitor.mode"]),
        ("experiment", "{trainer: {max_epochs: 0}}", ["trainer.max_epochs"]),
        ("experiment", "{search: {n_trials: many}}", ["search.n_trials"]),
    ],
)
def test_a_mistake_is_found_where_it_is(group, text, said):
    assert problems(group, text) == said


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("model", "{_target_: my_package.models.Net, anything: [1, {a: b}]}"),
        ("model", "{_target_: lightune.models.MLP, units: '${data.width}', activation: '${x}'}"),
        ("optimizer", "{_target_: torch.optim.AdamW, _partial_: true, lr: 1e-3}"),
        ("callbacks", "{mine: {_target_: my_package.Callback, x: 1}, early_stopping: null}"),
        ("logger", "{}"),
        ("experiment", "{defaults: [{override /model: cnn}], model: {channels: [8]}, tags: [a]}"),
        (
            "experiment",
            "{resume: null, search: {space: {optimizer.lr: 'interval(0,1)'}, pruner: {_target_: x.Y}}}",
        ),
        ("local", "{output_root: /somewhere}"),
    ],
)
def test_what_may_be_is_not_underlined(group, text):
    assert problems(group, text) == []


def test_an_argument_says_what_it_is_and_what_it_is_by_default():
    every = SCHEMAS["model"]["else"]["anyOf"]
    mlp = next(each for each in every if "lightune.models.MLP" in each["properties"]["_target_"]["enum"])
    assert mlp["description"].startswith("Stack fully connected layers")
    assert mlp["properties"]["activation"]["description"] == "name of the function after each hidden layer."
    assert mlp["properties"]["units"]["default"] == 128


@pytest.mark.parametrize("starter", STARTERS)
def test_a_projects_own_network_is_known_and_its_files_are_right(tmp_path, starter):
    write_project(tmp_path / "own_project", starter)
    enter_project(tmp_path / "own_project")
    schemas = group_schemas()
    for file in sorted((tmp_path / "own_project" / "conf").rglob("*.yaml")):
        assert problems(file.parent.name, file.read_text(), schemas) == []
    assert problems("model", "{_target_: own_project.parts.Net, units: 0}", schemas) == ["units"]
    assert problems("experiment", "{model: {units: 0}}", schemas) == ["model.units"]


def test_options_of_a_folder_are_known(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "small.yaml").write_text("_target_: torch.nn.Linear\nin_features: 3\nout_features: 2\n")
    assert problems("model", "{_target_: torch.nn.Linear, in_feature: 3}", group_schemas(tmp_path)) == [
        "Additional properties are not allowed ('in_feature' was unexpected)"
    ]
    assert problems("model", "{_target_: torch.nn.Linear, in_feature: 3}") == []


def test_nothing_is_imported_for_it():
    code = """if True:
        import sys
        from lightune.config.json_schema import group_schemas
        group_schemas()
        print({"torch", "pytorch_lightning"} & {*sys.modules})
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize("group", SCHEMAS)
def test_every_key_of_a_part_has_a_sentence(group):
    node = SCHEMAS[group].get("else", {})
    parts = node.get("anyOf") or node.get("additionalProperties", {}).get("anyOf", [])
    silent = {
        key
        for part in parts
        for key, value in part["properties"].items()
        if not key.startswith("_") and not value.get("description")
    }
    assert silent == set()


@pytest.mark.parametrize("node", ["search", "monitor"])
def test_every_key_that_is_no_part_has_a_sentence(node):
    told = SCHEMAS["experiment"]["properties"]
    assert {key for key, value in told[node]["properties"].items() if not value.get("description")} == set()
    assert {key for key in schema.ROOT if not told[key].get("description")} == set()

"""The list of networks is that of the options, whatever they are, and is had without torch."""

import re
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from lightune import compose
from lightune.config.consistency import KINDS
from lightune.paths import conf_dir


def listed(out):
    """Return kind → option → the line about it."""
    groups = (block.splitlines() for block in out.strip().split("\n\n"))
    return {heading.removesuffix(":"): {line.split()[0]: line for line in lines} for heading, *lines in groups}


def test_every_option_is_listed_below_the_kinds_of_data_that_it_takes(tool):
    code, out, _ = tool("models")
    kinds = listed(out)
    assert code == 0
    assert {name for names in kinds.values() for name in names} == {
        f"model={file.stem}" for file in (conf_dir() / "model").glob("*.yaml")
    }
    assert list(kinds) == [name for name, _ in KINDS.values()]
    assert "model=mlp" in kinds["images"]
    assert "model=mlp" in kinds["tables"]
    assert list(kinds["sounds"]) == ["model=audio_cnn"]


def test_a_line_has_the_sentence_and_the_parameters_of_its_option(tool):
    line = listed(tool("models")[1])["images"]["model=vgg16"]
    assert "Transfer learning: a new head on the frozen features of VGG16" in line
    node = OmegaConf.to_container(compose(["model=vgg16"]).model, resolve=False)
    shown = dict(re.findall(r"(\w+)=(\S+)", line.partition("model=vgg16")[2]))
    assert shown.keys() == node.keys() - {"_target_"}
    assert (shown["name"], shown["weights"], shown["units"]) == ("vgg16", "DEFAULT", "[]")


def test_what_is_shown_can_be_typed(tool):
    line = listed(tool("models")[1])["images"]["model=cnn"]
    words = re.findall(r"(\w+=[^$\s]+)(?= |$)", line.partition("model=cnn")[2])
    assert "channels=[32,64]" in words
    assert compose(["model=cnn", *(f"model.{word}" for word in words)]) == compose(["model=cnn"])


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Write a package with a network, and options that name it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "odd_networks_of_mine.py").write_text(
        "raise RuntimeError\n\n\nclass Narrow:\n    accepts = ('table', 'video')\n\n"
        "    def __init__(self, input_shape, num_outputs, width: int = 8):\n        pass\n"
    )
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "narrow.yaml").write_text(
        "# A narrow one.\n_target_: odd_networks_of_mine.Narrow\nwidth: 4\n"
    )
    (tmp_path / "mine" / "model" / "gone.yaml").write_text("_target_: nowhere.Net\x1b\n")


def test_networks_of_ones_own_are_listed_and_not_imported(mine, tool):
    code, out, err = tool("models", "--config-dir", "mine")
    assert (code, err) == (0, "")
    kinds = listed(out)
    assert re.fullmatch(r"model=narrow +A narrow one. +width=4", kinds["tables"]["model=narrow"])
    assert list(kinds["video"]) == ["model=narrow"]
    assert "model=narrow" not in kinds["images"]
    assert "model=mlp" in kinds["images"]
    assert out.splitlines()[-1].startswith("of which nothing can be told: model=gone (")
    assert "model=narrow" not in tool("models").out


def test_a_folder_of_options_that_is_not_there_is_refused(tmp_path, tool):
    code, out, err = tool("models", "--config-dir", tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert f"--config-dir  there is no folder {tmp_path / 'nowhere'}" in err
    code, out, err = tool("models", "torchvision", "--config-dir", tmp_path)
    assert (code, out) == (2, "")
    assert "--config-dir  is for options of yours" in err


def test_torchvisions_names_are_those_that_a_network_takes(tool):
    names = tool("models", "torchvision")[1].split()
    assert {"resnet18", "vgg16", "efficientnet_b0"} <= set(names)
    assert not {"fcn_resnet50", "fasterrcnn_resnet50_fpn", "raft_small"} & set(names)


def test_the_list_is_light():
    code = """
import sys
from lightune.cli import tools
tools.main(["models"])
print([name for name in ("torch", "torchvision", "pytorch_lightning") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "model=resnet" in done.stdout

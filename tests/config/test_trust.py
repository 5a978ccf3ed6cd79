import pytest

from lightune.config import trust


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.delenv("LIGHTUNE_TRUST", raising=False)
    trust.inherit(())


@pytest.mark.parametrize("path", ["lightune.models.MLP", "torch.optim.adamw.AdamW", "pytorch_lightning.Trainer"])
def test_trusts_the_parts_that_ship(path):
    assert trust.is_trusted(path)


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "builtins.open",
        "torch.load",
        "torch.serialization.load",
        "torch.hub.load",
        "lightune.modelsx.MLP",
        "lightune.run.train",
        "pytorch_lightning.Trainer.fit",
        "my_package.Net",
    ],
)
def test_trusts_nothing_else(path):
    assert not trust.is_trusted(path)


def test_never_trusts_all_of_torch():
    assert not {"torch.*", "torch", "lightune.*", "pytorch_lightning.*"} & set(trust.whitelist())


def test_the_environment_adds_packages_by_name(monkeypatch):
    monkeypatch.setenv("LIGHTUNE_TRUST", "my_package, other.part")
    trust.read_environment()
    assert trust.is_trusted("my_package.net.Net")
    assert trust.is_trusted("other.part.Net")
    assert not trust.is_trusted("my_package_2.Net")


def test_what_changes_the_environment_later_changes_no_trust(monkeypatch):
    monkeypatch.setenv("LIGHTUNE_TRUST", "my_package")
    assert not trust.is_trusted("my_package.net.Net")
    assert trust.trusted() == ()


def test_a_process_trusts_what_the_one_that_started_it_trusts_and_nothing_else():
    trust.trust("my_package")
    trust.inherit(("other",))
    assert trust.trusted() == ("other",)
    assert not trust.is_trusted("my_package.Net")


@pytest.mark.parametrize("path", ["hydra_plugins.evil.f", "hydra_plugins.hydra_lightune_evil.f"])
def test_a_plugin_in_some_folder_is_no_part_that_ships(path):
    assert not trust.is_trusted(path)


def test_python_adds_packages_by_name():
    trust.trust("my_package")
    assert trust.is_trusted("my_package.Net")


@pytest.mark.parametrize("name", ["", "*", "my_package.*", "my-package"])
def test_rejects_what_is_no_package_name(name):
    with pytest.raises(ValueError, match="dotted names"):
        trust.trust(name)

"""Weights of others: read without running code, matched by name and shape, never by order."""

import pickle

import pytest
import torch
from torch import nn

from lightune.models import weights
from lightune.models.weights import digest_of, load_into, read_weights, torchvision_file


def body():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Identity())


def file_of(content, folder, name="w.pth"):
    torch.save(content, folder / name)
    return folder / name


@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_tensors_are_found_by_name_at_the_top_or_below_the_usual_keys(tmp_path, key):
    state = body().state_dict()
    found = read_weights(file_of(state if key is None else {key: state, "epoch": 3}, tmp_path))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())


class Runs:
    def __reduce__(self):
        return (open, ("marker", "w"))


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"a": Runs()}, protocol=4))
    with pytest.raises(ValueError, match=r"w\.pth .*"):
        read_weights(tmp_path / "w.pth")
    torch.save({"a": Runs()}, tmp_path / "v.pth")
    with pytest.raises(ValueError, match=r"v\.pth is damaged, or holds more than tensors; it was not loaded"):
        read_weights(tmp_path / "v.pth")
    assert not (tmp_path / "marker").exists()


def test_a_file_that_is_cut_off_or_holds_something_else_is_named(tmp_path):
    whole = file_of(body().state_dict(), tmp_path).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.pth (cannot be read as weights|is damaged)"):
        read_weights(tmp_path / "cut.pth")
    with pytest.raises(ValueError, match="holds no tensors by name"):
        read_weights(file_of([1, 2], tmp_path, "list.pth"))


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    read_weights(file_of({"a": torch.zeros(1)}, tmp_path))
    assert read_weights(file_of({"a": torch.ones(2)}, tmp_path))["a"].tolist() == [1, 1]


def loaded(given, folder, *, shared=False):
    network = body()
    load_into(network, given, folder / "w.pth", left_out=("head.",), shared=shared)
    return network


def test_weights_are_put_where_their_names_say_and_other_layers_are_left_out(tmp_path):
    state = {**body().state_dict(), "head.weight": torch.ones(9)}
    network = loaded(state, tmp_path)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    network[0].weight.data.zero_()
    assert state["0.weight"].abs().sum() > 0  # a copy
    assert loaded(state, tmp_path, shared=True)[0].weight.data_ptr() == state["0.weight"].data_ptr()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("0.bias"), "0.bias is missing"),
        (lambda state: state.update(more=torch.ones(1)), "more is unknown"),
        (lambda state: state.update({"0.weight": torch.ones(4, 2)}), r"0.weight is \(4, 2\), not \(4, 3\)"),
    ],
)
def test_another_networks_weights_are_refused_by_name_and_shape(tmp_path, change, said):
    state = body().state_dict()
    change(state)
    with pytest.raises(ValueError, match=rf"w.pth holds weights of another network: .*{said}"):
        loaded(state, tmp_path)


def test_weights_of_the_same_shapes_under_other_names_are_not_matched_by_order(tmp_path):
    state = {f"other.{name}": value for name, value in body().state_dict().items()}
    with pytest.raises(ValueError, match=r"0\.weight is missing, .* and .* more"):
        loaded(state, tmp_path)


def test_a_count_that_early_versions_did_not_keep_begins_at_zero(tmp_path):
    state = {name: value for name, value in body().state_dict().items() if "num_batches" not in name}
    assert loaded(state, tmp_path)[1].num_batches_tracked == 0


def test_a_digest_is_of_names_shapes_and_values():
    first = body()
    same = body()
    same.load_state_dict(first.state_dict())
    assert torch.equal(digest_of(first), digest_of(same))
    same[1].running_mean[0] += 1e-3
    assert not torch.equal(digest_of(first), digest_of(same))
    assert digest_of(first).dtype == torch.uint8


def test_weights_that_are_not_there_and_cannot_be_fetched_are_asked_for_by_file_and_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    rule = r"weights=DEFAULT of vgg16 could not be downloaded \(no route to host\)"
    with pytest.raises(ValueError, match=rf"{rule}; put vgg16-\w+\.pth into .*checkpoints"):
        torchvision_file("vgg16", "DEFAULT")
    with pytest.raises(ValueError, match=r"must be null, DEFAULT, IMAGENET1K_V1.* or a file, got IMAGENET9"):
        torchvision_file("vgg16", "IMAGENET9")
    there = tmp_path / "checkpoints" / "vgg16-397923af.pth"
    there.touch()
    assert torchvision_file("vgg16", "IMAGENET1K_V1") == there


def test_a_download_is_checked_by_the_hash_in_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    asked = {}
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda url, file, **how: asked.update(how, file=file))
    torchvision_file("vgg16", "DEFAULT")
    assert asked["hash_prefix"] == "397923af"
    assert weights._hash_in("plain.pth") is None

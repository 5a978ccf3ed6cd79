"""Where samples lie changes nothing of what is learnt."""

from multiprocessing import active_children

import pytest
import torch

from lightune import compose, train
from lightune.checkpoints import read_checkpoint
from lightune.data.placement import place

CPU = torch.device("cpu")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_teaches_what_samples_in_memory_teach(tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    base = ["trainer=cpu", "trainer.max_epochs=3", "model.units=16", "model.dropout=0.2", "data.batch_size=100"]
    lies = train(compose([*base, "data.placement=device"]))
    flows = train(compose([*base, "data.placement=stream", f"data.num_workers={workers}"]))
    assert not active_children()  # nobody prepares batches that nobody will take
    assert flows.metrics == lies.metrics
    one, other = (read_checkpoint(run.run_dir / "checkpoints/last.ckpt")["state_dict"] for run in (lies, flows))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert (lies.run_dir / "predictions.csv").read_bytes() == (flows.run_dir / "predictions.csv").read_bytes()
    assert "data.placement=stream: as data.placement says" in (flows.run_dir / "train.log").read_text()


def test_a_stream_goes_on_in_the_middle_of_an_epoch():
    from lightune.run import prepare

    def loader():
        overrides = ["trainer=cpu", "data.batch_size=100", "data.placement=stream", "data.num_workers=0"]
        return prepare(compose(overrides)).data.train_dataloader()

    whole = [inputs for inputs, _ in loader()]
    first = loader()
    for _, _ in zip(range(5), first, strict=False):
        state = first.state_dict()
    second = loader()
    second.load_state_dict(state)
    rest = [inputs for inputs, _ in second]
    assert len(rest) == len(whole) - 5
    assert all(torch.equal(one, other) for one, other in zip(rest, whole[5:], strict=True))


def test_memory_decides_where_samples_lie():
    def free(device):
        return 1000 if device.type == "cpu" else 100

    assert place("auto", 50, torch.device("cuda"), free=free)[0] == "device"
    assert place("auto", 51, torch.device("cuda"), free=free)[0] == "host"
    assert place("auto", 500, CPU, free=free)[0] == "device"
    where, why = place("auto", 501, torch.device("cuda"), free=free)
    assert (where, "past half of the free main memory" in why) == ("stream", True)
    assert place("host", 10**9, CPU) == ("host", "as data.placement says")

"""Every network goes on as if it was never cut off, predicts what its test predicted, and is exported."""

import csv
import os
import signal

import pytest
import torch
from epoch_watch import ON, at_epoch
from file_runs import QUICK, write_source

from lightune import compose, load, resume, train
from lightune.checkpoints import read_checkpoint
from lightune.exporting import export
from lightune.reporting.predictions import read_predictions
from lightune.run import InterruptedRun

pytestmark = pytest.mark.long

TABLE = ("data=csv", "data.target=class", "data.ignore=[value]", "data.categories=embedding")
TRANSFORMER = ("model.embedding=8", "model.heads=2", "model.units=6", "model.layers=1")
NETWORKS = {
    "resnet": ("image", "data=image_folder", "data.image_size=8", "model.channels=[4,6]", "model.blocks=1"),
    "tabular_resnet": ("embedding", *TABLE, "model.units=6", "model.hidden=8"),
    "ft_transformer": ("embedding", *TABLE, *TRANSFORMER),
    "text_lstm": ("text", "data=text_csv", "model.embedding=4", "model.units=5", "model.layers=2"),
    "text_transformer": ("text", "data=text_csv", *TRANSFORMER, "model.pooling=cls"),
    "text_transformer of waves": ("text", "data=text_csv", *TRANSFORMER, "model.positions=sinusoidal"),
}
EACH = pytest.mark.parametrize("network", NETWORKS)


@pytest.fixture
def words(network, tmp_path):
    """The overrides of a small training of a network."""
    kind, *settings = NETWORKS[network]
    source = f"data.path={write_source(kind, tmp_path)}"
    dropout = ["regularization=dropout", "regularization.dropout=0.2"]
    return [f"model={network.split()[0]}", *settings, *dropout, *QUICK, source, f"output_root={tmp_path / 'out'}"]


@EACH
@pytest.mark.usefixtures("_watched_epochs")
def test_a_run_that_was_cut_off_ends_as_one_that_was_not(network, words):
    settings = [*words, "trainer.max_epochs=3"]
    cut = compose([*settings, ON, "name=cut"])
    with at_epoch(0, lambda: os.kill(os.getpid(), signal.SIGTERM)), pytest.raises(InterruptedRun) as stopped:
        train(cut)
    again = resume(stopped.value.result.run_dir)
    whole = train(compose([*settings, "name=whole"]))
    assert (again.epochs, again.status) == (whole.epochs, "completed") == (3, "completed")
    weights = [read_checkpoint(run.run_dir / "checkpoints" / "last.ckpt")["state_dict"] for run in (again, whole)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


@EACH
def test_a_run_predicts_what_its_test_predicted_and_so_does_what_is_exported(network, words, tmp_path):
    run = train(compose(words)).run_dir
    (tested,) = read_predictions(run)
    predicted = load(run).predict_proba(samples_of(network, tmp_path, tested.rows.tolist()))
    assert predicted == pytest.approx(tested.predicted.numpy(), abs=1e-5)
    for form in ("onnx", "torch_export"):
        made = export(run, tmp_path / "network", to=form)  # which compares them with the run
        assert made.samples > 0
        assert made.difference < 1e-5


def samples_of(network, folder, rows):
    """Return the samples in some rows of a source, as a program would give them."""
    kind = NETWORKS[network][0]
    if kind == "image":
        files = sorted(path for path in (folder / "files").rglob("*") if path.is_file())
        return [files[row] for row in rows]
    with (folder / "table.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    return [cells[row]["text"] if kind == "text" else cells[row] for row in rows]

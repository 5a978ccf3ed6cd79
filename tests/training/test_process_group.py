"""Several processes for one run, on the CPU."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import torch
from pytorch_lightning import Callback

from lightune import compose, evaluate, resume, train
from lightune.checkpoints import read_checkpoint
from lightune.config.trainer import make_trainer
from lightune.reporting.result import read_result
from lightune.run import InterruptedRun, TrainingError
from lightune.training import process_group as processes

SHORT = ["trainer.max_epochs=3", "model.units=16", "metrics.bootstrap=20"]
UNEVEN = ["validation.val_fraction=0.1485", "validation.test_fraction=0.1485"]  # odd numbers of samples
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def followers():
    """Return the processes that follow this one and still live."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "lightune.job.follower" in " ".join(child.cmdline())
    ]


@pytest.mark.slow
def test_two_processes_measure_every_sample_once():
    alone = train(compose(["trainer=cpu", "data.batch_size=64", *SHORT, *UNEVEN]))
    together = train(compose(["trainer=ddp_cpu", "data.batch_size=32", *SHORT, *UNEVEN]))
    assert together.metrics == pytest.approx(alone.metrics, abs=2e-3)
    assert (together.epochs, together.steps, together.status) == (alone.epochs, alone.steps, alone.status)
    lines = [(r.run_dir / "predictions.csv").read_text().splitlines() for r in (alone, together)]
    rows = [[line.split(",")[1] for line in text[1:]] for text in lines]
    assert rows[0] == rows[1]
    assert len(rows[0]) % 2 == 1
    assert len(list(Path("outputs").rglob("result.json"))) == 2
    assert len(list(together.run_dir.glob("events.out.tfevents*"))) == 1
    tested = {name: value for name, value in together.metrics.items() if name.startswith("test/")}
    assert evaluate(together.run_dir) == pytest.approx(tested, abs=1e-5)
    assert not followers()


@pytest.mark.slow
def test_two_processes_vary_the_samples_that_one_varies():
    varied = ["augmentation=standard", "augmentation.rotate=20", "loss.class_weights=balanced", "test=false"]
    alone = train(compose(["trainer=cpu", "data.batch_size=64", *SHORT, *varied]))
    together = train(compose(["trainer=ddp_cpu", "data.batch_size=32", *SHORT, *varied]))
    plain = train(compose(["trainer=cpu", "data.batch_size=64", *SHORT, "test=false"]))
    states = [read_checkpoint(r.run_dir / "checkpoints/last.ckpt")["state_dict"] for r in (alone, together, plain)]
    far = [max((states[0][key] - other[key]).abs().max() for key in other) for other in states[1:]]
    assert far[0] < 0.02 < far[1]


class Signal(Callback):
    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.after:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_a_signal_to_the_first_process_stops_all_and_the_run_goes_on_to_the_same_bit():
    judge = ["monitor.metric=train/loss", "monitor.mode=min"]  # the best epoch is the one that was cut in two
    cfg = compose(["trainer=ddp_cpu", "data.batch_size=16", "model.dropout=0.2", *judge, *SHORT])
    whole = train(cfg)
    assert whole.objective.epoch == 2
    with pytest.raises(InterruptedRun) as stopped:
        train(cfg, watchers=[Signal(95)])
    run_dir = stopped.value.result.run_dir
    assert not followers()
    assert stopped.value.exit_code == 143
    assert read_checkpoint(run_dir / "checkpoints/last.ckpt")["global_step"] % 40 != 0
    resumed = resume(run_dir)
    assert resumed.metrics == whole.metrics
    states = [read_checkpoint(r.run_dir / "checkpoints/last.ckpt")["state_dict"] for r in (whole, resumed)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_all_processes(capfd):
    with pytest.raises(TrainingError, match=r"NonFiniteLossError.* at step "):
        train(compose(["trainer=ddp_cpu", "optimizer=sgd", "optimizer.lr=1e30", *SHORT]))
    assert not followers()
    said = capfd.readouterr().err
    assert "process 1: NonFiniteLossError: " in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_early_stopping_stops_all_processes():
    short = ["trainer.max_epochs=50", "callbacks.early_stopping.patience=1", "optimizer.lr=0.03", *SHORT[1:]]
    result = train(compose(["trainer=ddp_cpu", *short]))
    assert result.status == "early_stopped"
    assert result.epochs == result.objective.epoch + 2
    assert not followers()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["train.py", "lightune-train", "torchrun"])
def test_every_way_to_start_leaves_one_run(launcher):
    scripts = Path(sys.executable).parent
    start = {
        "train.py": [sys.executable, str(ROOT / "train.py")],
        "lightune-train": [str(scripts / "lightune-train")],
        "torchrun": [str(scripts / "torchrun"), "--standalone", "--nproc-per-node=2", str(ROOT / "train.py")],
    }
    command = [*start[launcher], "trainer=ddp_cpu", "trainer.max_epochs=1", "metrics.bootstrap=20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("status") == 1
    (file,) = Path("outputs").rglob("result.json")
    assert read_result(file.parent).status == "completed"
    assert (file.parent / ".hydra" / "config.yaml").is_file()
    assert len(list(file.parent.glob("events.out.tfevents*"))) == 1
    assert len(list(Path("outputs/runs/run").iterdir())) == 1


@pytest.mark.slow
def test_followers_end_with_a_first_process_that_is_killed():
    command = [sys.executable, str(ROOT / "train.py"), "trainer=ddp_cpu", "trainer.max_epochs=10000"]
    first = subprocess.Popen(
        [*command, "callbacks.early_stopping.patience=10000"], stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    while "epoch" not in first.stdout.readline():
        assert first.poll() is None
    others = psutil.Process(first.pid).children(recursive=True)
    assert others
    first.kill()
    first.communicate()
    _, alive = psutil.wait_procs(others, timeout=20)
    assert not alive


@pytest.mark.slow
def test_torchrun_with_a_trainer_for_one_process_is_refused():
    start = [str(Path(sys.executable).parent / "torchrun"), "--standalone", "--nproc-per-node=2"]
    command = [*start, str(ROOT / "train.py"), "trainer=cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert done.stderr.count("trainer  is for one process, and torchrun has started 2; choose trainer=ddp") == 1
    assert "Error:" not in done.stderr.partition("torch.distributed")[0]
    assert not Path("outputs").exists()


def test_a_process_that_is_lost_while_the_first_hangs_is_reported_before_that_ends(tmp_path):
    reported = tmp_path / "reported"
    if not (child := os.fork()):
        signal.signal(
            signal.SIGCHLD, lambda *_: None
        )  # as torch's data loaders leave it: a pause ends with a child
        group = processes.ProcessGroup(0, 2, when_lost=lambda lost: reported.write_text(str(lost)))
        killed = [subprocess.Popen(["sh", "-c", "sleep 0.1; kill -9 $$"])]
        with contextlib.suppress(BaseException), processes._watching(killed, group, every=0.05, patience=0.05):
            while True:
                signal.pause()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert reported.read_text() == "process 1 of the run was killed by signal 9; what it said stands above"


def test_the_port_of_a_run_is_its_own_before_other_processes_hear_of_it(monkeypatch):
    taken = []

    def start(rank, variables, order):
        """Start no process; take the port as another run would that chooses at this moment."""
        with socket.socket() as other:
            try:
                other.bind((variables["MASTER_ADDR"], int(variables["MASTER_PORT"])))
            except OSError:
                taken.append(int(variables["MASTER_PORT"]))
        raise ConnectionAbortedError

    monkeypatch.setattr(processes, "_start", start)
    cfg = compose(["trainer=ddp_cpu"])
    with pytest.raises(ConnectionAbortedError), processes.joined(make_trainer(cfg), cfg, None):
        pass
    assert len(taken) == 1


@pytest.mark.long
def test_runs_that_choose_a_port_at_the_same_time_choose_different_ones():
    with ThreadPoolExecutor(8) as runs:
        stores = list(runs.map(lambda _: processes._listening_store(2), range(32)))
    assert len({store.port for store in stores}) == 32
    for store in stores:
        store.set("key", str(store.port))
    assert [int(store.get("key")) for store in stores] == [store.port for store in stores]


class Gone(Callback):
    """Kills the other process of the run, and hangs as one does that waits for it on a GPU."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == 5:
            (other,) = followers()
            other.kill()
            time.sleep(1000)


@pytest.mark.slow
def test_a_run_whose_other_process_was_killed_leaves_its_result(tmp_path):
    if not (child := os.fork()):
        processes._END_SECONDS = 0.5
        train(compose(["trainer=ddp_cpu", *SHORT]), watchers=[Gone()])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    (file,) = Path("outputs").rglob("result.json")
    result = read_result(file.parent)
    assert (result.status, result.error.type) == ("failed", "ProcessLostError")
    assert "process 1 of the run was killed by signal 9" in result.error.message

"""Make the pictures of the documentation from real runs.

    python docs/pictures/make.py

Trains for a minute in a folder of its own. Needs a POSIX terminal, Chromium, and npm for the browser's driver.
"""

import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
TRAIN = [sys.executable, str(HERE.parents[1] / "train.py")]
SWEEP = ["-m", "name=lr", "optimizer.lr=1e-4,3e-4,1e-2", "trainer.max_epochs=25"]
COLUMNS = 94
SEARCH = [
    "-m", "search=hyperband", "search.n_trials=60", "search.study=rate_and_width", "trainer.max_epochs=15",
    "optimizer.lr=tag(log,interval(1e-4,1e-1))", "model.units=32,64,128", "model.activation=relu,tanh,gelu",
    "regularization=dropout", "regularization.dropout=interval(0,0.6)",
]  # fmt: skip


def main() -> None:
    """Train on one thread, then draw the terminal, TensorBoard and the report of a study."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        draw_terminal(run_in_terminal(TRAIN, folder))
        subprocess.run([*TRAIN, *SWEEP], cwd=folder, check=True)
        browser = install_browser(folder)
        photograph_tensorboard(folder, browser)
        subprocess.run([str(Path(sys.executable).with_name("lightune-train")), *SEARCH], cwd=folder, check=True)
        page = folder / "outputs" / "studies" / "rate_and_width" / "report.html"
        subprocess.run(["node", str(HERE / "report.mjs"), str(page), str(HERE), browser], cwd=folder, check=True)


def run_in_terminal(command: list[str], folder: Path) -> str:
    """Run a command under a pseudo-terminal; return what it wrote there, control sequences included."""
    screen, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "40"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        written = bytearray()
        while chunk := _read(screen):
            written += chunk
    os.close(screen)
    if process.returncode:
        sys.exit(written.decode())
    return written.decode()


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def draw_terminal(written: str) -> None:
    """Draw the lines that are left on the screen at the end; a line that was erased is not."""
    lines = [
        line.rpartition("\x1b[2K")[2].rpartition("\r")[2] for line in written.replace("\r\n", "\n").split("\n")
    ]
    shown = re.sub(r"\x1b\[\?25[lh]", "", "\n".join(lines)).strip("\n")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text.assemble(("$ ", "bold green"), "python train.py"))
        console.print(Text.from_ansi(shown))
        picture = console.export_svg(title="lightune", unique_id="lightune")
    # fonts from elsewhere are left out: the picture stands by itself
    picture = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (HERE / "terminal.svg").write_text(picture.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")


def install_browser(folder: Path) -> str:
    """Install the browser's driver into a folder; return the browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("Chromium is not installed")
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "playwright-core"], cwd=folder, check=True
    )
    return browser


def photograph_tensorboard(folder: Path, browser: str) -> None:
    """Serve the runs of a folder on this machine alone, and take the pictures."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "tensorboard.main", "--logdir", "outputs", "--host", "127.0.0.1"]
    with subprocess.Popen([*serve, "--port", str(port)], cwd=folder, stderr=subprocess.DEVNULL) as board:
        try:
            _wait_for(f"{url}/data/runs")
            camera = HERE / "screenshot.mjs"
            subprocess.run(["node", str(camera), url, str(HERE), browser], cwd=folder, check=True)
        finally:
            board.terminate()


def _wait_for(url: str) -> None:
    """Wait until TensorBoard has read the runs."""
    for _ in range(60):
        time.sleep(1)
        try:
            with urllib.request.urlopen(url) as answer:
                if b"trials/2" in answer.read():
                    return
        except OSError:
            continue
    sys.exit("TensorBoard did not come up")


if __name__ == "__main__":
    main()

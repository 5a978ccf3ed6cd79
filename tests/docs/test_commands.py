"""Every command, Python block, file and link of the documentation is tried. An unknown kind of command fails."""

import importlib.util
import json
import re
import shlex
import shutil
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from media import write_picture, write_sound
from omegaconf import OmegaConf
from options import TRACKERS

from lightune import compose
from lightune import train as run_training
from lightune.cli import tools, train
from lightune.config import trust as trusted
from lightune.config.project import project_of
from lightune.config.static.signatures import describe
from lightune.config.validate import find_problems

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]

SHORT = [
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "trainer.max_epochs=1",
    "++trainer.limit_train_batches=2",
    "++trainer.limit_val_batches=1",
    "++trainer.limit_test_batches=1",
    "output_root=outputs",
]
QUESTIONS = {"--help", "--cfg", "--info"}
LANGUAGES = {"bash", "console", "python", "yaml", "text", "csv", "toml"}
DOWNLOADED = {"mnist", "fashion_mnist", "cifar10", "cifar100", "mnist_mlp", "transfer_heads"}
OWN_PACKAGE = "my_package"
ON_CLUSTERS = re.compile(r"hydra/launcher=(cluster|submitit_\w+)$|hydra\.launcher\.|search\.storage=postgresql")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and where it stands."""

    page: Path
    line: int
    language: str
    text: str
    source: str | None = None
    """The table whose first rows the block shows, or the folder, with a slash, some files of which it lists."""

    @property
    def file(self) -> str | None:
        """The file that the block shows, if a comment at its beginning names one."""
        named = re.match(r"(?:# @package \w+\n)?# ([\w./-]+\.(?:py|yaml))\n", self.text)
        return named[1] if named and self.language in {"python", "yaml"} else None


@dataclass(frozen=True)
class Command:
    """One line for a shell, and what it says where the page shows that."""

    page: Path
    text: str
    said: str | None = None

    @property
    def needs_its_page(self) -> bool:
        """Whether the command uses files that its page shows."""
        return "--config-dir" in self.text


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    fences = re.finditer(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Block(page, text[: fence.start()].count("\n") + 1, fence[1], fence[3], fence[2]) for fence in fences]


def commands_of(block: Block) -> list[Command]:
    if block.language == "bash":
        lines = [line for line in block.text.splitlines() if line.strip() and not line.startswith("#")]
        return [Command(block.page, line) for line in lines]
    if block.language == "console":
        assert block.text.startswith("$ "), f"{block.page}:{block.line} shows no command"
        _, *shown = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        return [Command(block.page, *part.partition("\n")[::2]) for part in shown]
    return []


def commands_in_tables(page: Path) -> list[Command]:
    """Return the commands that fill a cell of a table."""
    cells = re.findall(r"(?<=\| )`((?:python train\.py|lightune) [^`]+)`(?= \|)", page.read_text(encoding="utf-8"))
    return [Command(page, text) for text in cells]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS = {
    (command.text, command.said, command.page if command.needs_its_page else None): command
    for command in [
        *(command for block in BLOCKS for command in commands_of(block)),
        *(command for page in PAGES for command in commands_in_tables(page)),
    ]
}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Work in the test's own folder; own packages, trust and search path are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(trusted, "_added", [])
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if (
            name.partition(".")[0] == OWN_PACKAGE
            or tmp_path in Path(getattr(module, "__file__", "") or "").parents
        ):
            del sys.modules[name]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run that any command about runs may be tried on."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(sys, "argv", ["train.py", *SHORT])
        train.main()
    (result,) = folder.rglob("result.json")
    return result.parent


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory):
    """A study that any command about studies may be tried on."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(sys, "argv", ["train.py", "-m", "seed=0,1", *SHORT])
        train.main()
    (result,) = folder.rglob("study.json")
    return result.parent


def write_files_of(page: Path, folder: Path) -> None:
    if page.is_relative_to(ROOT / "examples"):
        shutil.copytree(page.parent, folder, dirs_exist_ok=True)
    for block in blocks_of(page):
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text, encoding="utf-8")
        if block.source and block.source.endswith("/"):
            write_files_listed(block, folder)
        elif block.source:
            header, *rows = block.text.splitlines(keepends=True)
            before = "." if header.startswith("path,") else ","  # a table of files names those that are written
            different = [row.replace(before, f"{number % 10}{before}", 1) for number in range(10) for row in rows]
            (folder / block.source).write_text(header + "".join(different), encoding="utf-8")


def write_files_listed(block: Block, folder: Path) -> None:
    """Write ten pictures or sounds in the place of each that a block lists."""
    for place, line in enumerate(block.text.splitlines()):
        assert line.startswith(str(block.source)), f"{block.page}:{block.line}: {line}"
        write = write_sound if line.endswith(".wav") else write_picture
        for number in range(10):
            write((folder / line).with_stem(f"{Path(line).stem}{number}"), 10 * place + number)


def exit_code(main) -> int:
    try:
        main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


@pytest.mark.parametrize(
    "command", COMMANDS.values(), ids=lambda command: f"{name_of(command.page)}: {command.text}"
)
def test_a_command_does_what_the_page_says(command, own_folder, run_dir, monkeypatch, capsys, request):
    write_files_of(command.page, own_folder)
    words = shlex.split(command.text, comments=True)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(name, value)
    match words:
        case ["python", "train.py", *arguments] | ["lightune-train", *arguments]:
            for word, fixture in (("from=RUN", "run_dir"), ("from=STUDY", "study_dir")):
                if word in arguments:
                    base = f"from={request.getfixturevalue(fixture)}"
                    arguments = [base if each == word else each for each in arguments]
            if "resume=RUN" in arguments:
                arguments = going_on(arguments, run_dir, own_folder)
            in_workers, lacks_data = command.page.name == "README.md", command.page.name == "results.md"
            lacks_data = lacks_data or any("data.path=photos" in word for word in arguments)
            lacks_data = lacks_data or "model=huggingface" in arguments  # whose weights nobody has at hand
            for file in (word.partition("=")[2] for word in arguments if word.startswith("model.weights=")):
                (own_folder / file).touch()
            loggers = " ".join(word for word in arguments if word.startswith("logger="))
            lacks = [name for name in TRACKERS if name in loggers and importlib.util.find_spec(name) is None]
            judged = lacks or ((lacks_data or command.page.name == "techniques.md") and "-m" not in arguments)
            if judged or DOWNLOADED & {word.partition("=")[2] for word in arguments}:
                for named in (word.removeprefix("data.path=") for word in arguments if "data.path=" in word):
                    (own_folder / named).parent.mkdir(parents=True, exist_ok=True)
                    (own_folder / named).touch()
                swept = [word for word in arguments if lacks and re.match(r"[^=]+=[^\[].*,", word)]
                assert find_problems(compose([word for word in arguments if word not in ("-m", *swept)])) == []
                return
            code = start_training(arguments, monkeypatch, shorten=command.said is None, in_workers=in_workers)
        case ["lightune", *arguments]:
            if "--plotly" in arguments:
                pytest.importorskip("plotly")
            kept = trained_for(arguments, command.page, own_folder) if "--input" in arguments else run_dir
            if kept is run_dir and {"--errors", "explain"} & set(arguments):  # which are written there
                kept = shutil.copytree(run_dir, own_folder / "copy")
            named = {"RUN": lambda: kept, "STUDY": lambda: request.getfixturevalue("study_dir")}
            arguments = [str(named[word]()) if word in named else word for word in arguments]
            code = exit_code(lambda: tools.main(arguments))
        case _:
            check_tool(words)
            return
    printed = capsys.readouterr()
    if command.said is None:
        assert code == 0, printed.err
    else:
        assert code == 2
        assert (printed.out + printed.err).strip() == command.said.strip()
        assert not (own_folder / "outputs").exists()


def trained_for(arguments: list[str], page: Path, folder: Path) -> Path:
    """Train as the page, or else the guide to own data, does on what is to be predicted, or on its first table."""
    given = arguments[arguments.index("--input") + 1]
    if not any(f"data.path={given}" in block.text for block in blocks_of(page)):
        page = ROOT / "docs" / "data.md"
    write_files_of(page, folder)
    if not (folder / given).exists():
        table = next(block.source for block in blocks_of(page) if block.source)
        given = shutil.copy(folder / table, folder / given) and table
    trainings = (shlex.split(command.text) for block in blocks_of(page) for command in commands_of(block))
    of_values = bool({"--interval", "--labels"} & set(arguments))
    fitting = (words for words in trainings if f"data.path={given}" in words)
    words = next(words for words in fitting if any(word.startswith("data.labels=") for word in words) == of_values)
    return run_training(compose([*words[2:], *SHORT])).run_dir


def going_on(arguments: list[str], run_dir: Path, folder: Path) -> list[str]:
    """Let a command go on with a copy of the run: finished if it is to be lengthened, else cut off."""
    copy = shutil.copytree(run_dir, folder / "cut_off")
    if len(arguments) == 1:
        result = json.loads((copy / "result.json").read_text(encoding="utf-8"))
        (copy / "result.json").write_text(json.dumps({**result, "status": "interrupted"}), encoding="utf-8")
    return ["resume=cut_off" if word == "resume=RUN" else word for word in arguments]


def start_training(arguments: list[str], monkeypatch, *, shorten: bool, in_workers: bool) -> int:
    """Train for a moment; where that takes a cluster, judge the configuration only."""
    if any(map(ON_CLUSTERS.match, arguments)):  # they run in tests/faults/studies
        fixed = [word for word in arguments if word != "-m" and not ON_CLUSTERS.match(word) and "(" not in word]
        assert find_problems(compose(fixed)) == []
        return 0
    if shorten and not QUESTIONS & set(arguments) and "resume=cut_off" not in arguments:
        arguments = [*arguments, *SHORT]
        if "hydra/sweeper=optuna" in arguments:
            arguments.append("hydra.sweeper.n_trials=2")
        elif "-m" in arguments:
            arguments.append("search.n_trials=2")
        if (
            "-m" in arguments
            and not in_workers
            and not any(word.startswith("hydra/launcher=") for word in arguments)
        ):
            arguments.append("hydra/launcher=basic")  # a worker's imports take most of the time
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    return exit_code(train.main)


def check_tool(words: list[str]) -> None:
    """Check a command that is not lightune's own as far as it can be without running it."""
    match words:
        case ["make", target]:
            assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case ["pip", "install", "."]:
            assert (ROOT / "pyproject.toml").is_file()
        case ["pip", "install", extra] if match := re.fullmatch(r"\.\[(\w+)\]", extra):
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            assert match[1] in project["optional-dependencies"]
        case ["ray", name, *options]:
            ray = pytest.importorskip("ray.scripts.scripts", reason="Ray is not installed")
            known = {option for parameter in ray.cli.commands[name].params for option in parameter.opts}
            assert {option.partition("=")[0] for option in options} <= known
        case ["tensorboard", "--logdir", "outputs"]:
            assert "tensorboard" in metadata.entry_points(group="console_scripts").names
        case [
            "torchrun",
            "--standalone",
            "--nproc-per-node=2",
            "train.py",
            *arguments,
        ]:  # tests/training/test_process_group.py
            assert find_problems(compose(arguments)) == []
        case [".venv/bin/pre-commit", "install"]:
            (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
            tools = {f".venv/bin/{name}" for name in ("ruff", "mypy", "lint-imports")}
            assert {hook["entry"].split()[0] for hook in local["hooks"]} == tools
        case _:
            pytest.fail(f"nobody knows how to try: {shlex.join(words)}")


PYTHON_PAGES = [page for page in PAGES if any(b.language == "python" and not b.file for b in blocks_of(page))]


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=name_of)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, own_folder, monkeypatch):
    write_files_of(page, own_folder)
    monkeypatch.syspath_prepend(own_folder)
    names: dict[str, object] = {}
    for block in blocks_of(page):
        if block.language == "python" and not block.file:
            lines = "\n" * block.line + block.text  # so that a traceback names the page's own line
            exec(compile(lines, str(page), "exec"), names)  # the documentation is ours


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda b: f"{name_of(b.page)}:{b.line}"
)
def test_a_yaml_block_is_used_or_names_arguments_that_exist(block, own_folder):
    node = OmegaConf.create(block.text)
    if block.file is None:
        assert {key for key in node if key != "_target_"} <= describe(node["_target_"]).parameters.keys()
    elif block.file.startswith("conf/"):
        write_files_of(block.page, own_folder)
        cfg = compose(config_dir=own_folder / "conf")
        assert cfg.output_root == node.output_root
        assert find_problems(cfg) == []
    else:
        option = Path(block.file).with_suffix("").parts[-2:]
        used = any("{}={}".format(*option) in text.text for text in BLOCKS if text.page == block.page)
        assert used, f"no command of {name_of(block.page)} chooses {block.file}"


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "toml"], ids=lambda b: f"{name_of(b.page)}:{b.line}"
)
def test_a_toml_block_is_read_as_a_project(block, tmp_path):
    (tmp_path / "pyproject.toml").write_text(block.text, encoding="utf-8")
    table = tomllib.loads(block.text)["tool"]["lightune"]
    for folder in [table["conf"], *table["trust"]]:
        (tmp_path / folder).mkdir()
    project = project_of(tmp_path)
    assert (project.packages, project.conf) == (tuple(table["trust"]), tmp_path / table["conf"])


def test_every_block_has_a_language_that_is_tried():
    for block in BLOCKS:
        assert block.language in LANGUAGES, f"{block.page}:{block.line}"
        if block.language == "text":
            assert not re.search(r"^\s*(\$ |python |lightune |make )", block.text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors_of(target), link


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: str, heading: str) -> str:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.split(r"^#+ ", text.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_table_of_groups_names_every_option():
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| (.+) \|$", section("docs/training.md", "Choose the parts"), re.MULTILINE
    )
    listed = {group: sorted(re.findall(r"`(\w+)`", options)) for group, options in rows}
    folders = [folder for folder in (ROOT / "conf").iterdir() if folder.is_dir() and folder.name != "local"]
    assert listed == {folder.name: sorted(file.stem for file in folder.glob("*.yaml")) for folder in folders}


def test_the_folder_that_the_guide_draws_is_what_a_run_leaves(run_dir):
    drawn = set(re.findall(r"─ (\S+)", section("docs/runs.md", "What a run leaves")))
    left = {path.name + "/" * path.is_dir() for path in run_dir.rglob("*")}
    left = {"events.out.tfevents.*" if name.startswith("events.out.") else name for name in left}
    assert drawn == left - {"uncommitted.diff"}


def test_the_table_of_the_result_has_every_field():
    schema = yaml.safe_load((ROOT / "src/lightune/reporting/result.schema.json").read_text())  # JSON is YAML
    rows = re.findall(r"^\| ((?:`\w+` ?)+)\|", section("docs/training.md", "result.json"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(schema["properties"])

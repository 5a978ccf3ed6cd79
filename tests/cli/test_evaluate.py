import csv
import json
from pathlib import Path

import pytest


def read(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_new_rows_are_measured_and_their_errors_named(class_run, tool, here):
    rows = class_run.table.read_text().splitlines()
    (here / "new.csv").write_text("\n".join([rows[0], "30,,Rome,,1", *rows[1:21]]) + "\n")
    code, out, err = tool("evaluate", class_run.folder, "--input", "new.csv", "--json", "--errors", "wrong")
    assert code == 0
    assert err.splitlines() == ["new.csv: 1 row without a class is left out", "errors are in wrong"]
    lines = read(here / "wrong" / "predictions.csv")
    assert [line["row"] for line in lines] == [str(number) for number in range(1, 21)]
    hits = [line["target"] == line["predicted"] for line in lines]
    assert json.loads(out)["test/accuracy"] == pytest.approx(sum(hits) / 20)
    assert [line["target"] for line in lines] == [line["class"] for line in read(class_run.table)[:20]]
    wrong = {line["row"] for line, hit in zip(lines, hits, strict=True) if not hit}
    assert {line["row"] for line in read(here / "wrong" / "mistakes_input.csv")} == wrong
    assert sum(float(line["support"]) for line in read(here / "wrong" / "classes_input.csv")) == 20


@pytest.mark.parametrize("split", ["test", "val"])
def test_the_errors_of_the_runs_own_parts_are_written_beside_it_on_request(class_run, tool, split):
    code, out, err = tool("evaluate", class_run.folder, "--split", split, "--json", "--errors")
    folder = class_run.folder / f"errors_{split}"
    assert (code, err) == (0, f"errors are in {folder}\n")
    tables = {f"{name}_{split}.csv" for name in ("classes", "confusion", "mistakes")}
    assert {path.name for path in folder.iterdir()} == {"predictions.csv", *tables}
    lines = read(folder / "predictions.csv")
    hits = sum(line["target"] == line["predicted"] for line in lines)
    assert json.loads(out)[f"{split}/accuracy"] == pytest.approx(hits / len(lines))
    if split == "test":
        assert (folder / "predictions.csv").read_bytes() == (class_run.folder / "predictions.csv").read_bytes()


def test_folds_that_judge_different_rows_have_their_errors_together(fold_run, tool):
    assert tool("evaluate", fold_run.folder, "--split", "val", "--errors", "here").code == 0
    confusion = read(Path("here/confusion_val.csv"))
    tested = {line["row"] for line in read(fold_run.folder / "predictions.csv")}
    assert sum(int(line["old"]) + int(line["young"]) for line in confusion) == 80 - len(tested)


def test_what_does_not_go_together_is_refused_at_once(class_run, tool, here):
    (here / "file").touch()
    words = ["--labels", "x.csv", "--on-unreadable", "skip", "--errors", "file"]
    code, out, err = tool("evaluate", class_run.folder, *words)
    assert (code, out) == (2, "")
    rules = {"--labels": "is for --input", "--on-unreadable": "is for --input", "--errors": "must be a folder"}
    for key, rule in rules.items():
        assert [line for line in err.splitlines() if line.split()[:1] == [key] and rule in line], err
    code, _, err = tool("evaluate", class_run.folder, "--input", "gone.csv", "--split", "val")
    assert code == 2
    assert f"there is no file or folder {Path.cwd() / 'gone.csv'}" in err
    assert "is a part of the run's own data" in err

import shutil
from types import SimpleNamespace

import pytest
import torch
from media import write_pictures

from lightune.errors import ConfigError
from lightune.evaluation import evaluate, evaluate_files
from lightune.inference.labelled import read_labelled
from lightune.prediction import load, restore
from lightune.reporting.result import read_result


def described(run):
    return restore(run.folder)[0].described


def test_the_columns_of_a_table_may_stand_in_any_order_and_missing_targets_are_left_out(class_run, tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("class,city,age\nyoung,Rome,30\nNA,Oslo,50\nold,Bonn,50\n")
    second.write_text("age,class\n44,old\n")
    read = read_whole([first, second], described(class_run))
    assert read.targets.tolist() == [1, 0, 0]
    assert list(read.rows) == [0, 2, 0]
    assert list(read.files) == [str(first), str(first), str(second)]
    assert f"{first}: 1 row without a class is left out" in read.remarks
    assert len(read.raw) == 3


def read_whole(paths, known, *, batch_size=1000, **how):
    """Read all samples, and what is known of them then."""
    samples = read_labelled(paths, known, batch_size=batch_size, **how)
    batches = list(samples)
    raw = [sample for part, _ in batches for sample in part]
    targets = torch.cat([part for _, part in batches])
    found = {"rows": list(samples.rows), "files": samples.files, "remarks": samples.remarks}
    return SimpleNamespace(raw=raw, targets=targets, sizes=[len(each) for _, each in batches], **found)


def test_samples_are_read_some_at_a_time_and_anew_each_time(class_run, text_run, tmp_path, monkeypatch):
    monkeypatch.setattr("lightune.inference.table_input._ROWS", 3)
    monkeypatch.setattr("lightune.inference.text_input._ROWS", 3)
    file = tmp_path / "a.csv"
    file.write_text("class,age\n" + "young,30\nNA,50\nold,60\n" * 4)
    read = read_whole([file, file], described(class_run), batch_size=1)
    assert read.sizes == [1] * 16
    assert read.targets.tolist() == [1, 0] * 8
    assert list(read.rows) == [0, 2, 3, 5, 6, 8, 9, 11] * 2
    samples = read_labelled([file], described(class_run), batch_size=100)
    assert [len(targets) for _, targets in samples] == [len(targets) for _, targets in samples] == [2] * 4
    texts = tmp_path / "texts.csv"
    texts.write_text("text,label\n" + "purr,cat\n" * 3 + "purr meow whiskers,cat\n")
    widths = [part.shape for part, _ in read_labelled([texts], described(text_run), batch_size=100)]
    assert widths == [(3, 1), (1, 3)]  # they are as wide as the longest that is read together


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("age,city\n3,Rome\n", "has no column 'class', which the run predicts; it has age, city"),
        ("age,class\n3,ancient\n4,old\n", r"classes that the training had not: 'ancient' \(it had old, young\)"),
        ("age,class\n3,\n", "has no row with a class"),
    ],
)
def test_a_table_without_known_targets_is_refused(class_run, tmp_path, text, why):
    (tmp_path / "new.csv").write_text(text)
    with pytest.raises(ValueError, match=why):
        read_whole([tmp_path / "new.csv"], described(class_run))


def test_values_must_be_numbers(value_run, tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("value,age\n1.5,20\n40,30\n")
    assert read_whole([file], described(value_run)).targets.tolist() == [[1.5], [40.0]]
    file.write_text("value,age\nmany,20\n")
    with pytest.raises(ValueError, match="value has cells that are no numbers"):
        read_whole([file], described(value_run))


@pytest.mark.parametrize("kind", ["picture", "sound", "text"])
def test_what_a_run_was_trained_on_has_known_targets(kind, request):
    run = request.getfixturevalue(f"{kind}_run")
    read = read_whole([run.source], described(run))
    count = len(read.targets)
    assert count == len(read.raw) == len(read.rows) >= 38
    assert sorted(set(read.targets.tolist())) == [0, 1]
    assert len(read.files) == (0 if kind == "text" else count)


def test_folders_of_other_classes_are_left_out_and_damaged_files_on_request(picture_run, tmp_path):
    root = write_pictures(tmp_path / "new")
    known = described(picture_run)["samples"]["classes"]
    whole = len(read_whole([root], described(picture_run)).targets)
    (root / known[0] / "broken.png").write_bytes(b"no picture")
    (root / "another").mkdir()
    next((root / known[0]).glob("*.*")).rename(root / "another" / "x.png")
    with pytest.raises(ValueError, match=r"broken\.png"):
        read_whole([root], described(picture_run))
    read = read_whole([root], described(picture_run), skip_unreadable=True)
    assert len(read.targets) == whole - 1
    assert len(read.remarks) == 2


@pytest.mark.parametrize("kind", ["value", "fold"])
def test_the_test_part_as_a_file_has_the_figures_of_the_run(kind, request, tmp_path):
    run = request.getfixturevalue(f"{kind}_run")
    rows = run.table.read_text().splitlines()
    tested = {int(line.split(",")[1]) for line in (run.folder / "predictions.csv").read_text().splitlines()[1:]}
    file = tmp_path / "test.csv"
    file.write_text("\n".join([rows[0], *(rows[1 + row] for row in sorted(tested))]) + "\n")
    figures = evaluate_files(run.folder, [file])
    measured = read_result(run.folder).metrics
    assert figures == pytest.approx({name: measured[name] for name in measured if "test/" in name}, rel=1e-5)
    assert figures == pytest.approx(evaluate(run.folder), rel=1e-5)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_a_class_without_files_does_not_move_the_others(kind, request, tmp_path):
    run = request.getfixturevalue(f"{kind}_run")
    shutil.copytree(run.source / "dog", tmp_path / "new" / "dog")
    labelled = read_whole([tmp_path / "new"], described(run))
    assert described(run)["samples"]["classes"] == ["cat", "dog"]
    assert labelled.targets.tolist() == [1] * 20


@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_files_with_values_are_measured_in_the_unit_of_the_target(kind, request):
    run = request.getfixturevalue(f"{kind}_value_run")
    manifest = run.source.parent / "labels.csv"
    read = read_whole([run.source], described(run), labels=manifest)
    assert read.targets.shape == (40, 1)
    assert read.targets.max() == pytest.approx(1000.9)
    figures = evaluate_files(run.folder, [run.source], labels=manifest)
    predicted = load(run.folder).predict(read.files) if kind == "picture" else None
    if predicted is not None:
        wrong = torch.from_numpy(predicted) - read.targets[:, 0]
        assert figures["test/mae"] == pytest.approx(wrong.abs().mean().item(), rel=1e-4)
    with pytest.raises(ConfigError, match=r"data.path  has targets that are no numbers \('cat', 'dog'\)"):
        read_whole([run.source], described(run))

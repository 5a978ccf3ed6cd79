import os
import shutil
from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch
from media import problems_of, small_folder, write_pictures, write_sounds, write_values

from lightune.augmentation import Augmentation
from lightune.data import AudioFolder, AudioRegression, ImageFolder, ImageRegression
from lightune.data.decoded_rows import FileRows
from lightune.data.placement import place
from lightune.data.samples import sound
from lightune.validation import CrossValidation, Holdout

WRITE = {ImageFolder: write_pictures, AudioFolder: write_sounds}
KINDS = pytest.mark.parametrize("kind", [ImageFolder, AudioFolder])
SUFFIX = {ImageFolder: ".png", AudioFolder: ".wav"}


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (ImageFolder(image_size=8, channels=1), (1797, 1, 8, 8)),
        (AudioFolder(mels=16), (300, 1, 16, 101)),
    ],
    ids=["pictures", "sounds"],
)
def test_without_a_path_there_is_a_sample(data, shape):
    samples = sound(data.load())
    assert samples.inputs.shape == shape
    assert samples.schema["classes"] == list(map(str, range(10)))
    assert torch.bincount(samples.targets).min() >= 30
    assert samples.copies is None


@KINDS
def test_threads_read_the_same(kind, tmp_path):
    root = WRITE[kind](tmp_path, 10)
    alone, together = (small_folder(kind, root, num_workers=number).load() for number in (0, 3))
    assert torch.equal(alone.inputs, together.inputs)


@KINDS
@pytest.mark.parametrize("damage", ["empty", "junk", "cut off", "a folder", "not readable"])
def test_a_file_that_cannot_be_read_is_refused_or_left_out(kind, damage, tmp_path):
    root = WRITE[kind](tmp_path, 3)
    file = root / "cat" / f"01{SUFFIX[kind]}"
    content = file.read_bytes()
    if damage in ("a folder", "not readable"):
        file.unlink()
        os.symlink(root / "gone", file) if damage == "not readable" else file.mkdir()
    else:
        file.write_bytes({"empty": b"", "junk": b"junk" * 20, "cut off": content[: len(content) * 2 // 3]}[damage])
    if damage == "a folder":
        assert len(small_folder(kind, root).load().targets) == 5
        return
    (problem,) = problems_of(small_folder(kind, root))
    assert problem.startswith(f"data.path: 1 file cannot be read ({file}: ")
    assert problem.endswith("; mend or remove them, or leave them out by data.on_unreadable=skip")
    whole = small_folder(kind, root, classes=["cat", "dog"], on_unreadable="skip").load()
    assert whole.targets.tolist() == [0, 0, 1, 1, 1]
    (remark,) = [text for subject, text in whole.report if subject == "unreadable"]
    assert remark.startswith(f"1 of these files left out: {file}: ")
    assert whole.inputs[:2].float().std(dim=(1, 2, 3)).min() > 0


@KINDS
def test_many_unreadable_files_are_counted(kind, tmp_path):
    root = WRITE[kind](tmp_path, 8)
    for file in (root / "cat").iterdir():
        file.write_bytes(b"")
    (problem,) = problems_of(small_folder(kind, root))
    assert "8 files cannot be read" in problem
    assert problem.count(": is empty") == 5
    assert "; and 3 more)" in problem
    for file in (root / "dog").iterdir():
        file.write_bytes(b"")
    (problem,) = problems_of(small_folder(kind, root, on_unreadable="skip"))
    assert problem.endswith("; and 11 more)")


@KINDS
def test_official_parts_are_kept(kind, tmp_path):
    for number, part in enumerate(("train", "val", "test")):
        WRITE[kind](tmp_path / part, 6 - 2 * number)
    data = small_folder(kind, tmp_path, duplicates="keep")
    assert (data.samples.official_val, data.samples.official_test) == (8, 4)
    data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
    assert data.sizes == {"train": 12, "val": 8, "test": 4}
    assert data.samples.targets.tolist() == [0] * 6 + [1] * 6 + [0] * 4 + [1] * 4 + [0] * 2 + [1] * 2


@KINDS
def test_equal_files_are_told_and_kept_together(kind, tmp_path):
    root = WRITE[kind](tmp_path, 4)
    suffix = SUFFIX[kind]
    for name in ("x", "y"):
        (root / "dog" / f"{name}{suffix}").write_bytes((root / "cat" / f"00{suffix}").read_bytes())
    together = small_folder(kind, root).load()
    assert together.copies is not None
    assert together.copies[[0, 8, 9]].tolist() == [together.copies[0]] * 3
    assert any(text.startswith("2 files repeat the inputs of another") for _, text in together.report)
    assert small_folder(kind, root, duplicates="keep").load().copies is None
    assert small_folder(kind, root, duplicates="drop").load().targets.tolist() == [0] * 4 + [1] * 4


def test_groups_of_a_manifest_stay_on_one_side(tmp_path):
    root = write_pictures(tmp_path / "root", 10)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    lines = [f"{name},{name[:3]},{'' if name.endswith('9.png') else int(name[4:6]) % 3}" for name in files]
    (tmp_path / "labels.csv").write_text("path,target,group\n" + "\n".join(lines))
    groups = small_folder(ImageFolder, root, labels=str(tmp_path / "labels.csv")).load().groups["group"]
    assert len(set(groups)) == 3 + 2  # a file without a group belongs to no other
    assert len(set(groups[:9])) == 3


@KINDS
def test_a_fold_is_scaled_by_its_own_training_rows(kind, tmp_path):
    root = WRITE[kind](tmp_path, 9)
    data = small_folder(kind, root)
    for split in CrossValidation(k=3).splits(data.rows, seed=0):
        data.divide(split, seed=0)
        changed = small_folder(kind, root)
        changed.samples.inputs[np.concatenate([split.val, split.test])] = 7
        changed.divide(split, seed=0)
        pairs = zip(data.preparation.buffers(), changed.preparation.buffers(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


@KINDS
def test_a_stream_gives_what_memory_gives(kind, tmp_path):
    root, batches = WRITE[kind](tmp_path, 8), []
    for placement in ("host", "stream"):
        data = small_folder(kind, root, placement=placement)
        data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
        batches.append(next(iter(data.train_dataloader()))[0])
        data.close_streams()
    assert torch.allclose(*batches, atol=1e-6)


@KINDS
def test_what_is_streamed_lies_in_a_file_that_has_no_name(kind, tmp_path, monkeypatch):
    root = WRITE[kind](tmp_path / "files", 8)
    shutil.copy(root / "cat" / f"03{SUFFIX[kind]}", root / "dog" / f"copy{SUFFIX[kind]}")
    (root / "cat" / f"05{SUFFIX[kind]}").write_bytes(b"no picture and no sound")
    told = {"on_unreadable": "skip", "duplicates": "drop", "output_root": str(tmp_path / "out")}
    lies = small_folder(kind, root, placement="host", **told).samples
    monkeypatch.setattr("lightune.data.file_folder._BYTES_AT_ONCE", 1)
    monkeypatch.setattr(kind, "decoded_together", property(lambda folder: 4))
    flows = small_folder(kind, root, placement="stream", **told).samples
    assert (lies.in_file, flows.in_file) == (False, True)
    assert flows.inputs.dtype == lies.inputs.dtype
    assert torch.allclose(flows.inputs.float(), lies.inputs.float(), atol=1e-5)
    assert flows.files == lies.files
    assert flows.report == lies.report
    assert {path.name for path in tmp_path.iterdir()} == {"files"}


@KINDS
def test_files_that_do_not_fit_in_memory_lie_in_a_file(kind, tmp_path, monkeypatch):
    root = WRITE[kind](tmp_path, 2)
    monkeypatch.setattr("lightune.data.file_folder.place", partial(place, free=lambda device: 1000))
    assert small_folder(kind, root, placement="auto").samples.in_file
    assert not small_folder(kind, root, placement="host").samples.in_file


@KINDS
def test_a_stream_is_varied_as_memory_is(kind, tmp_path):
    root, batches = WRITE[kind](tmp_path, 8), []
    strengths = {"flip": 0.5, "crop": 0.2} if kind is ImageFolder else {"time_mask": 0.3}
    for placement in ("host", "stream"):
        data = small_folder(kind, root, placement=placement)
        data.augment(Augmentation(**strengths))
        data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
        batches.append(next(iter(data.train_dataloader()))[0])
        data.close_streams()
    assert torch.equal(*batches)


@KINDS
def test_a_disk_without_room_is_told_in_one_line(kind, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    root = WRITE[kind](tmp_path / "files", 2)
    monkeypatch.setattr(FileRows, "add", full)
    (problem,) = problems_of(small_folder(kind, root, placement="stream", output_root=str(tmp_path / "out")))
    size = 108 if kind is ImageFolder else 8 * 11 * 4
    assert problem == (
        f"data.placement: stream puts 4 decoded files of {size} bytes into a file in {tmp_path}, which cannot be "
        "written (No space left on device); make room there, or choose another output_root"
    )


@pytest.mark.parametrize(
    ("data", "rows", "lowest", "highest"),
    [(ImageRegression(image_size=8, channels=1), 1797, -45, 45), (AudioRegression(mels=16), 300, 0.1, 2.5)],
    ids=["pictures", "sounds"],
)
def test_without_a_path_there_is_a_sample_with_values(data, rows, lowest, highest):
    samples = sound(data.load())
    assert samples.targets.shape == (rows, 1)
    assert samples.targets.dtype == torch.float32
    assert samples.num_classes == 0
    assert lowest <= samples.targets.min() < samples.targets.max() <= highest
    assert "classes" not in samples.schema


@pytest.mark.parametrize("kind", [ImageRegression, AudioRegression])
def test_values_of_a_manifest_are_targets(kind, tmp_path):
    labels = write_values(tmp_path / "files", kind.kind, 3)
    data = small_folder(kind, tmp_path / "files", labels=str(labels))
    assert sound(data.load()).targets.flatten().tolist() == pytest.approx(
        [100, 100.1, 100.2, 1000, 1000.1, 1000.2]
    )
    assert (data.num_targets, data.num_classes) == (1, 0)
    labels.write_text("path,target\ncat/00.png,3\ncat/01.png,3\n".replace("png", SUFFIX[kind.__base__][1:]))
    assert problems_of(data) == ["data.labels: has one value only, 3"]


@KINDS
def test_the_positive_class_can_be_chosen(kind, tmp_path):
    root = WRITE[kind](tmp_path, 2)
    samples = small_folder(kind, root, pos_label="cat").load()
    assert (samples.schema["classes"], samples.targets.tolist()) == (["dog", "cat"], [1, 1, 0, 0])
    (problem,) = problems_of(small_folder(kind, root, pos_label="owl"))
    assert problem == "data.pos_label: must be one of the two classes (the classes are cat, dog), got owl"


@KINDS
def test_equal_files_of_different_classes_are_asked_about(kind, tmp_path):
    root = WRITE[kind](tmp_path, 2)
    name = f"00{SUFFIX[kind]}"
    (root / "dog" / name).write_bytes((root / "cat" / name).read_bytes())
    report = small_folder(kind, root).load().report
    pair = f"{root}/cat/{name} (cat) and {root}/dog/{name} (dog)"
    assert [text for subject, text in report if subject == "question" and pair in text]


@KINDS
def test_files_are_decoded_once_and_not_in_every_epoch(kind, tmp_path, monkeypatch):
    decoded = []
    module = import_module(kind.__module__)
    read = {ImageFolder: "read_image", AudioFolder: "read_sound"}[kind]
    before = getattr(module, read)
    monkeypatch.setattr(module, read, lambda path, wanted: decoded.append(path) or before(path, wanted))
    data = small_folder(kind, WRITE[kind](tmp_path, 6))
    data.augment(Augmentation(**({"flip": 0.5} if kind is ImageFolder else {"time_mask": 0.3})))
    for split in CrossValidation(k=2).splits(data.rows, seed=0):
        data.divide(split, seed=0)
        for _ in range(3):
            assert sum(len(targets) for _, targets in data.train_dataloader()) == len(split.train)
    assert len(decoded) == len(set(decoded)) == 12

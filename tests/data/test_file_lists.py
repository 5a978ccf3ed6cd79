import os

import pytest

from lightune.data.file_lists import files_below, list_files, part_named
from lightune.errors import ConfigError

KINDS = frozenset({".png", ".jpg"})


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def listed(root, **said):
    """Return what is listed: path below the root → class, part and group."""
    found = list_files(root, KINDS, **said)
    return {file.path.relative_to(root).as_posix(): (file.label, file.part, file.group) for file in found.files}


def problems(root, **said):
    with pytest.raises(ConfigError) as refused:
        list_files(root, KINDS, **said)
    return [str(problem) for problem in refused.value.problems]


def manifest(tmp_path, text):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    return file


def test_the_class_is_the_folder_however_deep(tmp_path):
    root = touch(tmp_path, "dog/b.png", "cat/a.JPG", "cat/deep/er/c.png", "cat/notes.txt", "cat/.hidden.png")
    touch(root, ".cache/x.png", "loose.png", "birds/notes.txt")
    found = list_files(root, KINDS)
    assert listed(root) == {
        "cat/a.JPG": ("cat", "", ""),
        "cat/deep/er/c.png": ("cat", "", ""),
        "dog/b.png": ("dog", "", ""),
    }
    assert found.classes == ("cat", "dog")
    assert found.report == (
        ("files", "3 of 2 classes"),
        ("classes", "no jpg, png file is in birds"),
        ("left out", "1 file in no folder of a class"),
    )


def test_official_parts_are_kept_one_behind_the_other(tmp_path):
    root = touch(tmp_path, "Test/cat/1.png", "train/dog/2.png", "train/cat/3.png", "valid/dog/4.png")
    touch(root, "train/.ipynb_checkpoints/5.png", "Test/6.png", "Test/owl/7.png", "extra/cat/8.png")
    found = list_files(root, KINDS)
    assert [file.part for file in found.files] == ["train", "train", "val", "test", "test"]
    assert found.classes == ("cat", "dog", "owl")
    assert (found.count("train"), found.count("val"), found.count("test")) == (2, 1, 2)
    assert dict(found.report[1:]) == {
        "left out": "1 file in no folder of a class",
        "classes": "no file to train on is of owl",
    }
    assert ("left out", "extra, which is none of train, val and test") in found.report


def test_a_folder_of_the_training_part_only_has_no_other(tmp_path):
    root = touch(tmp_path, "train/cat/1.png", "train/dog/2.png")
    assert listed(root) == {"train/cat/1.png": ("cat", "train", ""), "train/dog/2.png": ("dog", "train", "")}


def test_classes_may_be_called_like_parts(tmp_path):
    root = touch(tmp_path, "train/1.png", "bus/2.png")
    assert list_files(root, KINDS).classes == ("bus", "train")


def test_a_class_called_mask_is_one_where_its_files_are_its_own(tmp_path):
    root = touch(tmp_path, *(f"{name}/{name}{number}.png" for name in ("mask", "bare") for number in range(3)))
    assert list_files(root, KINDS).classes == ("bare", "mask")


def test_classes_can_be_chosen_and_ordered(tmp_path):
    root = touch(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    found = list_files(root, KINDS, classes=["c", "a", "z"])
    assert found.classes == ("c", "a", "z")
    assert {file.label for file in found.files} == {"a", "c"}
    assert found.report[1:] == (
        ("classes", "no file is of z"),
        ("left out", "1 file of b, which data.classes lacks"),
    )
    assert problems(root, classes=["x", "y"]) == ["data.classes: no file is of x, y; the classes are a, b, c"]
    for names in (["a"], ["a", "a"]):
        assert problems(root, classes=names) == [f"data.classes: must be two different names or more, got {names}"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "has no folder a class with jpg, png files in it (it has nothing)"),
        (["1.png", "2.png", "3.txt"], "with jpg, png files in it (it has 1.png, 2.png, 3.txt)"),
        (["cat/1.txt"], "with jpg, png files in it (it has cat)"),
        (["cat/1.png", "dog/2.txt"], "has one class only: cat"),
        (["cat/1.png", "Cat/2.png", "dog/3.png"], "classes that differ in case only: 'Cat' and 'cat'"),
        (["caf\u00e9/1.png", "cafe\u0301/2.png"], "classes of the same letters in two encodings"),
        (["images/1.png", "images/2.png", "masks/1.png", "masks/2_mask.png"], "as masks for segmentation are"),
        (
            ["train/x/1.png", "train/Labels/1.png", "test/x/2.png", "test/Labels/2.png"],
            "in Labels a file for each in x",
        ),
        (["train/x.png", "test/cat/1.png", "test/dog/2.png"], "has no file to train on"),
    ],
)
def test_a_folder_without_classes_is_refused(tmp_path, files, said):
    (problem,) = problems(touch(tmp_path, *files))
    assert problem.startswith("data.path: ")
    assert said in problem


def test_a_file_in_the_place_of_the_folder_is_refused_with_all_that_is_wrong(tmp_path):
    file = touch(tmp_path, "a.png") / "a.png"
    said = {"labels": tmp_path / "no.csv", "pattern": "x", "classes": []}
    assert problems(file, **said) == [
        f"data.path: must be a folder, got {file}",
        f"data.labels: there is no file {tmp_path / 'no.csv'}",
        "data.pattern: cannot be used with data.labels, got x; set one to null",
        "data.classes: must be two different names or more, got []",
    ]


def test_links_are_followed_but_not_in_a_circle(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    touch(root, "cat/1.png", "dog/2.png")
    touch(elsewhere, "more/3.png", "owl/4.png")
    os.symlink(root, root / "cat" / "loop")
    os.symlink(root / "cat", root / "cat" / "self")
    os.symlink(root, root / "again")
    os.symlink(elsewhere / "more", root / "dog" / "more")
    os.symlink(elsewhere / "owl", root / "owl")
    os.symlink(elsewhere / "nothing.png", root / "owl" / "broken")
    assert {name: label for name, (label, *_) in listed(root).items()} == {
        "cat/1.png": "cat",
        "dog/2.png": "dog",
        "dog/more/3.png": "dog",
        "owl/4.png": "owl",
    }


def test_two_links_that_hold_each_other_end(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png")
    os.symlink(tmp_path / "b", tmp_path / "a" / "b")
    os.symlink(tmp_path / "a", tmp_path / "b" / "a")
    assert [file.name for file in files_below(tmp_path / "a", KINDS)] == ["1.png", "2.png"]


def test_a_manifest_says_class_part_and_group(tmp_path):
    root = touch(tmp_path / "root", "1.png", "x/2.png", "3.png", "4.png")
    labels = manifest(tmp_path, "path,target,split,group\n3.png,b,test,p1\n1.png, a ,train,p1\nx/2.png,b,dev,\n")
    assert listed(root, labels=labels) == {
        "1.png": ("a", "train", "p1"),
        "x/2.png": ("b", "val", ""),
        "3.png": ("b", "test", "p1"),
    }
    labels.write_text("path;target\n3.png;b\n1.png;a\n4.png;\n")
    assert listed(root, labels=labels) == {"1.png": ("a", "", ""), "3.png": ("b", "", "")}
    assert ("left out", "1 file without a target") in list_files(root, KINDS, labels=labels).report


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "file,label\n1.png,a\n",
            ["must have the columns path and target, and lacks path and target (it has file,"],
        ),
        (
            "path,target,split\n1.png,a,train\n5.png,b,other\n6.png,b,\n1.png,b,test\n",
            [
                "names 2 files not in {root}, such as 5.png",
                "names 1 file more than once, such as 1.png",
                "split must be train, val or test, got '', 'other'",
            ],
        ),
        ("path,target\n1.png,\n2.png, \n", ["has no target in any row"]),
        ("path,target\n1.png\n", ["line 2: has 1 cell where the header has 2"]),
        ("path,target\n", ["has a header only"]),
        ("", ["is empty"]),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path, text, said):
    root = touch(tmp_path / "root", "1.png", "2.png")
    found = problems(root, labels=manifest(tmp_path, text))
    assert len(found) == len(said)
    for problem, words in zip(found, said, strict=True):
        assert problem.startswith("data.labels: ")
        assert words.format(root=root) in problem


def test_a_pattern_says_class_group_and_the_test_part(tmp_path):
    root = touch(tmp_path, "7_ann_1.png", "3_bob_2.png", "deep/3_ann_0.png", "readme.png", "_x_4.png")
    pattern = r"(?:deep/)?(?P<label>\d*)_(?P<group>[a-z]+)_(?:(?P<test>0)|\d)\.png"
    assert listed(root, pattern=pattern) == {
        "3_bob_2.png": ("3", "train", "bob"),
        "7_ann_1.png": ("7", "train", "ann"),
        "deep/3_ann_0.png": ("3", "test", "ann"),
    }
    report = list_files(root, KINDS, pattern=pattern).report
    assert ("left out", "2 files that data.pattern does not match, such as _x_4.png") in report
    assert listed(root, pattern=r"(?P<label>\d)_.*")["7_ann_1.png"] == ("7", "", "")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "is no regular expression (missing )"),
        (r"\d+", "must have a group (?P<label>…), got"),
        (r"(?P<label>\d+)\.jpg", "matches none of 2 files, such as 1.png"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused(tmp_path, pattern, said):
    (problem,) = problems(touch(tmp_path, "1.png", "2.png"), pattern=pattern)
    assert problem.startswith("data.pattern: ")
    assert said in problem


def test_words_for_parts():
    assert [part_named(word) for word in (" Train", "dev", "VALIDATION", "testing", "0", "")] == [
        "train", "val", "val", "test", None, None,
    ]  # fmt: skip


def values(root, **said):
    found = list_files(root, KINDS, values=True, instead="image_folder", **said)
    return {file.path.relative_to(root).as_posix(): (file.value, file.part, file.group) for file in found.files}


def test_a_manifest_says_a_value_part_and_group(tmp_path):
    root = touch(tmp_path / "root", "1.png", "x/2.png", "3.png", "4.png")
    labels = manifest(
        tmp_path, "path,target,split,group\n3.png,-2,test,p\n1.png, 1e3 ,train,p\nx/2.png,0.5,dev,\n"
    )
    with labels.open("a") as file:
        file.write("4.png,NA,train,\n")
    wanted = {"1.png": (1000, "train", "p"), "x/2.png": (0.5, "val", ""), "3.png": (-2, "test", "p")}
    assert values(root, labels=labels) == wanted
    found = list_files(root, KINDS, labels=labels, values=True)
    assert (found.classes, found.report) == (
        (),
        (("files", "3, values from -2 to 1000"), ("left out", "1 file without a target")),
    )
    labels.write_text("path;target\n1.png;1,5\n3.png;2\n")
    assert values(root, labels=labels) == {"1.png": (1.5, "", ""), "3.png": (2, "", "")}


def test_without_a_manifest_a_value_is_the_name_of_a_folder_or_stands_in_that_of_a_file(tmp_path):
    root = touch(tmp_path, "2.5/a.png", "10/b.png")
    assert {name: value for name, (value, *_) in values(root).items()} == {"2.5/a.png": 2.5, "10/b.png": 10}
    pattern = r".*/(?P<label>[ab])\.png"
    with pytest.raises(ConfigError, match=r"data.pattern  has targets that are no numbers \('a', 'b'\)"):
        values(root, pattern=pattern)
    touch(root, "10/7_ann.png")
    assert values(root, pattern=r".*/(?P<label>\d+)_(?P<group>\w+)\.png") == {"10/7_ann.png": (7, "", "ann")}


def test_what_is_no_value_is_refused_with_the_option_for_classes(tmp_path):
    root = touch(tmp_path / "root", "cat/1.png", "dog/2.png")
    folders = "name a table of path and target by data.labels; for classes choose data=image_folder"
    with pytest.raises(
        ConfigError, match=rf"data.path  has .* \('cat', 'dog'\), as the folders are called: {folders}"
    ):
        values(root)
    labels = manifest(tmp_path, "path,target\ncat/1.png,old\ndog/2.png,3\n")
    with pytest.raises(ConfigError, match=r"data.labels  has .* \('old'\); for classes choose data=image_folder"):
        values(root, labels=labels)
    with pytest.raises(
        ConfigError, match=r"data.classes  is for classes, and values are predicted, got \['cat'\]"
    ):
        values(root, labels=labels, classes=["cat"])


def test_fractions_are_no_classes_and_whole_numbers_may_be(tmp_path):
    root = touch(tmp_path, *(f"{number / 10}/1.png" for number in range(1, 25)))
    with pytest.raises(
        ConfigError, match="24 different numbers, which are no classes; choose data=image_regression"
    ):
        list_files(root, KINDS, instead="image_regression")
    whole = touch(tmp_path / "whole", *(f"{number}/1.png" for number in range(150)))
    assert len(list_files(whole, KINDS, instead="image_regression").classes) == 150

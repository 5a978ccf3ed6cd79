import errno

import pytest

from lightune import exporting


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_and_its_largest_difference_are_told(fold_run, tool, here):
    code, out, err = tool("export", fold_run.folder, "--to", "torch_export")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first == "the mean of the run's 3 fits, as lightune predict gives it"
    assert second.startswith("model.pt2: predicts what the run predicts, to ")
    assert second.endswith(" (largest difference, on 64 samples of the run's data)")
    assert [path.name for path in here.iterdir()] == ["model.pt2"]


def test_a_file_that_is_there_is_replaced_only_if_said(class_run, tool, here, monkeypatch):
    monkeypatch.setattr(exporting, "_TOLERANCE", 1)
    (here / "m").write_text("precious")
    words = ("export", class_run.folder, "--to", "torch_export", "--output")
    code, _, err = tool(*words, "m")
    assert code == 2
    assert "--output  m exists; choose another name, or add --overwrite" in err
    assert (here / "m").read_text() == "precious"
    assert tool(*words, "m", "--overwrite").code == 0
    assert (here / "m").read_bytes() != b"precious"
    assert "must be a file, got the folder ." in tool(*words, ".").err


def test_a_full_disk_is_said_in_one_line(class_run, tool, here, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "write_whole", full)
    code, _, err = tool("export", class_run.folder, "--to", "torch_export")
    assert code == 2
    assert "--output  model.pt2 cannot be written (No space left on device)" in err


def test_what_is_no_run_is_refused(tool, here):
    code, _, err = tool("export", here, "--to", "onnx")
    assert code == 2
    assert "1 problem" in err

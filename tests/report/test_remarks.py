"""What a person wrote about a run or a study."""

import pytest

from lightune.report.remarks import Remarks, read_remarks


def test_note_and_tags_are_found_among_all_other_keys(tmp_path):
    text = "seed: 0\nname: mine\nnote: 'first\n\n  second'\ntags:\n- a\n- 2\nmodel:\n  name: other\n  note: none\n"
    (tmp_path / "multirun.yaml").write_text(text)
    assert read_remarks(tmp_path) == Remarks("mine", "first\nsecond", ("a", "2"))


def test_a_run_has_them_in_its_hydra_folder(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("note: hello\ntags: []\n")
    assert read_remarks(tmp_path) == Remarks(note="hello")


@pytest.mark.parametrize(
    "text", ["note: [", "note: {a: 1}\ntags: 3", "tags: !!python/name:os.system", "note: \x00"]
)
def test_what_cannot_be_read_is_nothing(tmp_path, text):
    (tmp_path / "multirun.yaml").write_text(text)
    assert read_remarks(tmp_path) == Remarks()
    assert read_remarks(tmp_path / "nowhere") == Remarks()

import pytest

from lightune.runtime.removed_checkpoints import checkpoints_of, is_removed, reason_removed, remove_checkpoints

REASON = "as somebody says"


@pytest.fixture
def run(tmp_path):
    """Make a run of two fits whose folders of checkpoints hold somebody's file as well."""
    for home in ("checkpoints", "fits/0/checkpoints", "fits/1/checkpoints"):
        (tmp_path / home).mkdir(parents=True)
        for name in ("best.ckpt", "best.ckpt.sha256", "last.ckpt", "last.ckpt.sha256", "mine.txt"):
            (tmp_path / home / name).write_text("12345")
    return tmp_path


def left(home):
    return sorted(path.name for path in home.iterdir())


@pytest.mark.parametrize(
    ("names", "stays"), [(("*",), []), (("last",), ["best.ckpt", "best.ckpt.sha256"])], ids=["all", "last"]
)
def test_checkpoints_go_with_their_checksums_and_the_reason_stays(run, names, stays):
    assert remove_checkpoints(run, REASON, names) == 3 * (4 - len(stays)) * 5
    assert len(checkpoints_of(run)) == 3
    for home in checkpoints_of(run):
        assert left(home) == [*stays, "mine.txt", "removed.txt"]
        assert is_removed(home / "last.ckpt")
        assert is_removed(home / "best.ckpt") == (not stays)
        assert reason_removed(home / "last.ckpt") == REASON


def test_where_there_are_none_there_is_no_note(run):
    remove_checkpoints(run, REASON, ["other"])
    assert not is_removed(run / "checkpoints" / "other.ckpt")
    assert "removed.txt" not in left(run / "checkpoints")


def test_nothing_is_removed_through_a_link(run, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "best.ckpt").write_text("precious")
    (run / "fits" / "2").mkdir()
    (run / "fits" / "2" / "checkpoints").symlink_to(elsewhere)
    remove_checkpoints(run, REASON)
    assert left(elsewhere) == ["best.ckpt"]


@pytest.mark.parametrize(
    ("note", "said"),
    [(b"\x1b[31mred\nand more", "\\x1b[31mred"), (b"", "nobody wrote why"), (b"x" * 999, "x" * 200)],
    ids=["codes", "empty", "long"],
)
def test_a_note_of_somebody_else_is_shown_as_plain_text(tmp_path, note, said):
    (tmp_path / "removed.txt").write_bytes(note)
    assert reason_removed(tmp_path / "best.ckpt") == said

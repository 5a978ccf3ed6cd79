from lightune.study.outcome.attempts import has_room, make_room


def test_each_start_is_kept_and_the_first_makes_room_for_nothing(tmp_path):
    folder = tmp_path / "0"
    make_room(folder, 0)
    (folder / "log").write_text("first")
    make_room(folder, 0)
    assert (folder / "log").exists()
    make_room(folder, 1)
    (folder / "log").write_text("second")
    make_room(folder, 1)
    make_room(folder, 2)
    assert [(folder / "attempts" / number / "log").read_text() for number in "12"] == ["first", "second"]
    assert [path.name for path in folder.iterdir()] == ["attempts"]


def test_a_move_that_was_cut_off_is_gone_on_with(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    (tmp_path / "attempts" / ".1").mkdir(parents=True)
    (tmp_path / "a").rename(tmp_path / "attempts" / ".1" / "a")
    assert not has_room(tmp_path, 1)
    make_room(tmp_path, 1)
    assert has_room(tmp_path, 1)
    assert sorted(path.name for path in (tmp_path / "attempts" / "1").iterdir()) == ["a", "b"]


def test_what_a_killed_start_left_half_written_is_not_kept(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in (".lock", ".result.json.0123.tmp", "checkpoints/.last.ckpt.4567.tmp", "train.log"):
        (tmp_path / name).touch()
    make_room(tmp_path, 1)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["train.log"]

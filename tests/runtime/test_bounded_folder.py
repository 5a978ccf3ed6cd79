import os

from lightune.runtime.bounded_folder import make_room


def filled(folder, count):
    files = [folder / f"{number}" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(b"x" * 10)
        os.utime(file, (number, number))
    return files


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    files = filled(tmp_path, 5)
    make_room(tmp_path, 30, files[-1])
    assert sorted(tmp_path.iterdir()) == files[2:]


def test_the_newest_stays_and_so_does_what_fits(tmp_path):
    files = filled(tmp_path, 3)
    make_room(tmp_path, 30, files[-1])
    assert len(list(tmp_path.iterdir())) == 3
    make_room(tmp_path, 0, files[1])
    assert sorted(tmp_path.iterdir()) == files[1:]

from reported_studies import write_by_rate

from lightune.report.fixed_words import fixed_lines, fixed_words
from lightune.report.study_data import read_study


def test_sweeps_and_what_cannot_be_read_are_left_away():
    lines = ["model=mlp", "optimizer.lr=1e-3,1e-2", "a=[1,2]", "x=interval(0,1)", "y=choice(1,2)", "z=(("]
    assert fixed_lines(lines) == ["model=mlp", "a=[1,2]"]


def test_a_folder_of_options_that_is_gone_is_not_named(tmp_path):
    about = {"overrides": ["model=mlp", "x=1,2"], "config_dir": str(tmp_path / "own")}
    folder = write_by_rate(tmp_path / "s", count=3, **about)
    assert fixed_words(read_study(folder)) == (["model=mlp"], None)
    (tmp_path / "own").mkdir()
    assert fixed_words(read_study(folder)) == (["model=mlp"], str(tmp_path / "own"))

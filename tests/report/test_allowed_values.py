"""Which values a key of a study's configuration may have."""

from reported_studies import write_by_rate

from lightune.report.allowed_values import allowed_in
from lightune.report.study_data import read_study

OVERRIDES = ["data=digits", "regularization=dropout", "optimizer.lr=tag(log,interval(1e-4,1e-1))"]


def test_a_value_is_judged_as_the_command_line_would(tmp_path):
    is_allowed = allowed_in(read_study(write_by_rate(tmp_path / "s", 3, overrides=OVERRIDES)))
    assert is_allowed("optimizer.lr", "3.0")
    assert not is_allowed("optimizer.lr", "-1")
    assert not is_allowed("regularization.dropout", "1.2")


def test_what_cannot_be_composed_today_allows_nothing(tmp_path):
    study = read_study(write_by_rate(tmp_path / "s", 3, overrides=["experiment=gone"]))
    assert not allowed_in(study)("optimizer.lr", "0.1")

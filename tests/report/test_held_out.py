"""What a run said of its test part."""

from lightune.report.held_out import read_held_out


def test_classes_are_right_or_wrong(tmp_path):
    text = (
        "fit,row,target,predicted,p_a,p_b\n0,7,a,a,0.9,0.1\n0,12,b,a,0.6,0.4\n1,7,a,b,0.4,0.6\n1,12,b,a,0.7,0.3\n"
    )
    (tmp_path / "predictions.csv").write_text(text)
    found = read_held_out(tmp_path)
    assert (found.samples, found.targets, found.of_classes) == (("12", "7"), ("b", "a"), True)
    assert found.scores.tolist() == [0, 0.5]


def test_values_have_an_error(tmp_path):
    text = "fit,row,file,target_0,target_1,predicted_0,predicted_1\n0,1,x.csv,1,2,2,4\n0,1,y.csv,0,0,0,0\n"
    (tmp_path / "predictions.csv").write_text(text)
    found = read_held_out(tmp_path)
    assert (found.samples, found.of_classes) == (("1 x.csv", "1 y.csv"), False)
    assert found.scores.tolist() == [1.5, 0]


def test_what_was_measured_again_counts_where_there_was_no_test(tmp_path):
    (tmp_path / "errors_test").mkdir()
    (tmp_path / "errors_test" / "predictions.csv").write_text("fit,row,target,predicted,p_a\n0,0,a,a,1\n")
    assert read_held_out(tmp_path).scores.tolist() == [1]


def test_a_file_that_cannot_be_read_is_none(tmp_path):
    assert read_held_out(tmp_path) is None
    for text in ("", "fit,row\n", "fit,row,target,predicted\n", "fit,row,target_0,predicted_0\n0,0,x,y\n"):
        (tmp_path / "predictions.csv").write_text(text)
        assert read_held_out(tmp_path) is None

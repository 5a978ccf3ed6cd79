from lightune.reporting.transcript import Transcript


def test_what_is_said_is_added_to_the_file_and_shown_nowhere(tmp_path, capsys):
    for said in ("one", "two"):
        console = Transcript(tmp_path / "console.log")
        assert not console.is_terminal
        console.print(said, 2, highlight=False, soft_wrap=True)
    assert (tmp_path / "console.log").read_text() == "one 2\ntwo 2\n"
    assert capsys.readouterr() == ("", "")


def test_a_file_that_cannot_be_written_costs_its_lines_and_no_training(tmp_path):
    Transcript(tmp_path / "nowhere" / "console.log").print("lost")

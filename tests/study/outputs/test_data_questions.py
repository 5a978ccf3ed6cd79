import json
from types import SimpleNamespace

import pytest

from lightune.study.outputs.data_questions import DataQuestions

QUESTION = ["question", "alive predicts the target nearly alone"]


@pytest.fixture
def told(tmp_path):
    """Let two trials end; return the lines that were shown."""

    def run(content, *, resumed=False):
        for number in range(2):
            folder = tmp_path / "trials" / str(number)
            folder.mkdir(parents=True)
            if content is not None:
                (folder / "data.json").write_text(content)
        lines = []
        questions = DataQuestions(SimpleNamespace(folder=tmp_path, resumed=resumed), lines.append)
        for folder in (None, "trials/0", "trials/1"):
            questions.trial_ended(SimpleNamespace(folder=folder))
        return lines

    return run


def test_the_questions_of_the_data_are_told_once(told):
    report = [["left out", "name: nearly every row has a value of its own"], QUESTION]
    assert told(json.dumps({"report": report})) == [f"the data of all trials: {QUESTION[1]}"]


def test_a_study_that_goes_on_has_told_them(told):
    assert told(json.dumps({"report": [QUESTION]}), resumed=True) == []


@pytest.mark.parametrize("content", [None, "", "[]", '{"report": 1}', '{"report": [1]}'])
def test_trials_without_such_a_file_tell_nothing(told, content):
    assert told(content) == []


def test_no_terminal_obeys_what_a_file_says(told):
    assert told(json.dumps({"report": [["question", "a\x1b[2J"]]})) == ["the data of all trials: a\\x1b[2J"]

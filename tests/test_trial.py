import pytest

from lightune.trial import Trial, current_trial, running


def test_there_is_a_current_trial_only_while_one_runs():
    outer, inner = Trial(1), Trial(2)
    assert current_trial() is None
    with running(outer):
        assert current_trial() is outer
        with running(inner):
            assert current_trial() is inner
        assert current_trial() is outer
    assert current_trial() is None


def test_a_trial_that_fails_runs_no_more():
    with pytest.raises(ValueError, match="told to"), running(Trial(1)):
        raise ValueError("told to")
    assert current_trial() is None


def test_a_trial_that_nobody_prunes_is_told_to_go_on():
    assert Trial(1).report(3, 0.5) is False


@pytest.mark.parametrize(("text", "shown"), [("1e-3", 0.001), ("adam", "adam"), (None, "-")])
def test_a_table_shows_numbers_as_numbers_and_a_key_that_does_not_exist_as_a_dash(text, shown):
    point = {} if text is None else {"optimizer.lr": text}
    assert Trial(1, point=point, keys=("optimizer.lr",)).hparams() == {"optimizer.lr": shown}


def test_a_column_of_texts_has_texts_only():
    shown = Trial(1, point={"a": "8", "b": "8"}, keys=("a", "b"), texts=("b",)).hparams()
    assert shown == {"a": 8.0, "b": "8"}


def test_added_keys_are_shown_without_their_plus():
    assert Trial(1, point={"+x": "1"}, keys=("+x",)).hparams() == {"x": 1.0}

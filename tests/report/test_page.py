"""`report.html`: what it says without JavaScript, what it may run, and what nobody can make it run."""

import pytest
from page_reader import Page, digest_of
from reported_studies import METRIC, SPACE, by_rate, drawn_points, write_by_rate, write_planted, write_result

from lightune.report.analysis import Analysis, analyse
from lightune.report.findings import Importance, Luck
from lightune.report.page import page
from lightune.report.study_data import read_study

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028 '\"&<!--"
KNOWN = Analysis(30, ((Importance("optimizer.lr", 0.8, 0.2), Importance("model.units", 0.2, 0.3)),),
                 Luck(0.95, 0.93, 0.9, 0.96, 24, 270))  # fmt: skip


def made(folder, analysis=KNOWN, **settings):
    settings = {"spans": {}, **settings}
    return page(read_study(folder, curves=True), analysis, **settings)


def test_a_page_says_without_javascript_what_one_wants_to_know(tmp_path):
    states = ["completed", "pruned", "completed", "failed"]
    folder = write_by_rate(tmp_path / "s", 30, state=lambda number: states[number % 4])
    difference = [("optimizer.lr", "0.001", "0.01")]
    found = Page(made(folder, difference=difference))
    for words in (
        "30 trials: 15 completed, 8 pruned, 7 failed", "to be expected on new samples (0.9000 to 0.9600)",
        "0.0200", "luck: the best of 24 on 270 samples", "lr 80%; not told from chance: units",
        "python train.py -m ", "where it differs from what the command trains without the search",
            "ValueError: too large", "lightune evaluate ",
        "saved about 24 of 115 epochs",
    ):  # fmt: skip
        assert words in found.text, words
    rows = [about for tag, about in found.elements if tag == "tr"]
    assert sum(about.get("class") == "best" for about in rows) == 1


def test_a_page_says_where_its_commands_are_typed(tmp_path, monkeypatch):
    folder = write_by_rate(tmp_path / "outputs" / "studies" / "s", 5)
    assert "Typed in" not in Page(made(folder)).text  # they name it from everywhere
    monkeypatch.chdir(tmp_path)
    assert "Typed in the folder that holds outputs." in Page(made(folder.relative_to(tmp_path))).text


def test_nothing_is_loaded_from_anywhere(tmp_path):
    text = made(write_by_rate(tmp_path / "s", 5))
    found = Page(text)
    sources = [about[name] for _, about in found.elements for name in ("src", "href", "srcset") if name in about]
    assert sources == ["data:,"]
    for outside in ("http://", "https://", "url(", "@import", "//cdn"):
        assert outside not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_no_other(tmp_path):
    text = made(write_by_rate(tmp_path / "s", 5))
    found = Page(text)
    code = [content for about, content in found.code if about.get("id") != "data"]
    assert {digest_of(content) for content in code} == found.allowed()
    assert "default-src 'none'" in text
    assert "unsafe" not in text
    names = {name for _, about in found.elements for name in about}
    assert not {name for name in names if name.startswith("on") or name == "style"}


def test_texts_of_others_are_texts_wherever_they_stand(tmp_path):
    space = {EVIL: {"values": [EVIL, "b"]}, "lr": {"values": ["1", "2"]}}
    points = [{EVIL: EVIL, "lr": "1"}, {EVIL: "b", "lr": "2"}, {EVIL: EVIL, "lr": "2"}]
    folder = write_planted(
        tmp_path / "s", points, lambda point: 0.5, space=space, error=EVIL.replace("\u2028", ""),
        objectives=[(f"val/{EVIL}", "max")], state=["completed", "completed", "failed"].__getitem__,
        overrides=[f"note={EVIL}"], n_trials=9,
    )  # fmt: skip
    (folder / "multirun.yaml").write_text(f"note: {EVIL!r}\ntags: [{EVIL!r}]\nname: x\n", encoding="utf-8")
    analysis = Analysis(3, ((Importance(EVIL, 0.8, 0.2),),), Luck(0.5, reason=EVIL))
    text = made(folder, analysis, difference=[(EVIL, EVIL, EVIL)])
    found = Page(text)
    assert len(found.run()) == 1
    assert digest_of(found.run()[0]) in found.allowed()
    assert not [tag for tag, _ in found.elements if tag == "img"]
    assert not {name for _, about in found.elements for name in about if name.startswith("on")}
    assert found.data["columns"][-2]["title"].startswith("</script><script>")  # as it was written
    assert "\u2028" not in text


def test_control_codes_and_lone_surrogates_do_not_spoil_a_page(tmp_path):
    space = {"x": {"values": ["\x1b[31m", "b"]}}
    folder = write_planted(tmp_path / "s", [{"x": "\x1b[31m"}, {"x": "b"}], lambda point: 0.5, space=space)
    (folder / "multirun.yaml").write_text('note: "\\ud800"\n', encoding="utf-8")
    made(folder, analyse(read_study(folder))).encode()


def test_a_running_study_loads_itself_again_and_a_finished_one_does_not(tmp_path):
    folder = write_by_rate(tmp_path / "s", 5, n_trials=9)
    text = made(folder, live=True)
    assert 'http-equiv="refresh"' in text
    assert '<span class="state running">' in text
    assert Page(text).data["live"] == 15
    assert 'http-equiv="refresh"' not in made(folder)


@pytest.mark.parametrize("state", ["failed", "running"])
def test_a_study_without_a_value_has_a_page(tmp_path, state):
    folder = write_by_rate(tmp_path / "s", 3, state=lambda number: state)
    text = Page(made(folder, Analysis(0, ((),), Luck(None)))).text
    assert "No trial has a value yet." in text
    assert ("failed" if state == "failed" else "unfinished") in text


def test_a_study_whose_trials_have_not_begun_has_a_page(tmp_path):
    folder = write_by_rate(tmp_path / "s", 2)
    (folder / "trials.csv").unlink()
    assert "0 of 2 trials" in Page(made(folder, Analysis(0, ((),), Luck(None)))).text


def test_a_figure_of_the_held_out_part_comes_first(tmp_path):
    folder = write_by_rate(tmp_path / "s", 4)
    best = read_study(folder).best[0]
    ends = {"test/accuracy": {"low": 0.9, "high": 0.97}}
    write_result(best.folder, best.reached, metrics={METRIC: best.reached, "test/accuracy": 0.94}, intervals=ends)
    text = Page(made(folder)).text
    assert "0.9400 test/accuracy, held out, 0.9000 to 0.9700" in text


def test_pages_stay_small(tmp_path):
    sizes = {}
    for count in (200, 2000):
        folder = write_by_rate(tmp_path / str(count), count, epochs=50)
        sizes[count] = len(made(folder).encode())
    assert sizes[200] < 300_000
    assert sizes[2000] < 1_000_000


def test_several_objectives_have_a_front(tmp_path):
    folder = write_planted(
        tmp_path / "s", drawn_points(30, SPACE), by_rate, space=SPACE,
        others=[lambda point: float(point["model.units"])], objectives=[(METRIC, "max"), ("size", "min")],
    )  # fmt: skip
    study = read_study(folder)
    text = made(folder, Analysis(30, (KNOWN.importances[0], ()), Luck(None, reason="several")))
    assert f"{len(study.best)} trials on the Pareto front" in Page(text).text
    assert 'id="front"' in text

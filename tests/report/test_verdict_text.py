"""What a comparison says, in lines."""

from lightune.report.comparison import Comparison
from lightune.report.verdict_text import letter_of, verdict_lines
from lightune.statistics.comparison import Verdict


def lines(p, corrected=None, **about):
    verdict = Verdict("a test", "pairs are independent", 0.05, 0.01, 0.09, p, 0.08)
    given = {"verdict": verdict, "corrected": corrected, "data": "200 test rows", "better": "higher", **about}
    return list(verdict_lines(Comparison(1, "val/accuracy", 0.8, 0.85, **given)))


def test_a_difference_is_named_with_its_test():
    head, interval, test, rest = lines(0.01)
    assert head == "val/accuracy  A and B: 0.8000 and 0.8500; B is better"
    assert interval == "    B - A = +0.0500, 95 % between +0.0100 and +0.0900, p = 0.01"
    assert test == "    a test, on 200 test rows; assumes that pairs are independent"
    assert rest.startswith("    many differences below 0.0800 are missed")
    assert lines(0.01, better="lower")[0].endswith("A is better")


def test_the_corrected_p_counts():
    head, _, _, rest = lines(0.01, corrected=0.2, remark="")
    assert head.endswith("not told from chance")
    assert rest == "    in four of five such comparisons a difference of 0.0800 would have been seen"


def test_subjects_have_letters():
    assert [letter_of(place) for place in (0, 25, 26)] == ["A", "Z", "27"]

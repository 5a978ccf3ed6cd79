from lightune.reporting.notebook import in_html, pairs_in_html


def test_a_text_is_shown_as_it_is():
    assert in_html("<b>a & b</b>\x1b[2J") == "&lt;b&gt;a &amp; b&lt;/b&gt;\\x1b[2J"


def test_names_stand_beside_what_belongs_to_them():
    expected = "<table><tr><th>a</th><td>1</td></tr><tr><th>&lt;b&gt;</th><td>2</td></tr></table>"
    assert pairs_in_html([("a", "1"), ("<b>", "2")]) == expected

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from nanocl.reporting import formats, inert
from nanocl.reporting.formats import Table

TABLE = Table(
    "A & B",
    ("protocol `x_1`", "50 % of it"),
    ("name", "one", "two"),
    (("a|b", "1.00", "-2.00"), ("c_d", "10.00", "-")),
    ("one: `x_1 < 2`",),
    1,
    "some-label",
    caption="protocol `x_1`",
)


def test_markdown_escapes_the_bar_that_would_end_a_cell():
    lines = formats.markdown(TABLE).splitlines()
    row = next(line for line in lines if "1.00" in line)
    assert r"a\|b" in row and len(re.findall(r"(?<!\\)\|", row)) == 4
    assert (
        lines[0] == "## A & B"
        and lines[2] == "- protocol `x_1`"
        and lines[-1] == "- one: `x_1 < 2`"
    )


def test_a_padded_table_aligns_its_columns_and_one_of_prose_does_not():
    rows = [("a|b", "1.00"), ("c", "long prose")]
    assert formats.pipe_table(("name", "n"), rows).splitlines() == [
        "| name |          n |",
        "|:-----|-----------:|",
        r"| a\|b |       1.00 |",
        "| c    | long prose |",
    ]
    bare = formats.pipe_table(("name", "n"), rows, names=2, padded=False)
    assert bare.splitlines() == [
        "| name | n |",
        "|:--|:--|",
        r"| a\|b | 1.00 |",
        "| c | long prose |",
    ]


def test_a_table_without_rows_is_its_header():
    assert formats.pipe_table(("a", "b"), []).splitlines() == ["| a | b |", "|:--|--:|"]


def test_latex_prints_every_special_character_literally():
    latex = formats.latex(TABLE)
    assert r"\caption{A \& B. protocol x\_1}" in latex
    assert r"a$|$b & 1.00 & $-$2.00 \\" in latex
    assert r"50 \% of it" in latex and r"x\_1 $<$ 2" in latex
    assert r"\begin{tabular}{lrr}" in latex and r"\label{tab:some-label}" in latex
    assert latex.count(r"protocol x\_1") == 1 and r"\textbf" not in latex


def test_latex_prints_one_cell_in_bold_and_its_caption_only_once():
    latex = formats.latex(replace(TABLE, bold=(0, 1)))
    assert r"a$|$b & \textbf{1.00} & $-$2.00 \\" in latex and latex.count(r"\textbf") == 1


@given(some.text(alphabet=r"ab\&%$#_{}~^<>|±-1 ", max_size=30))
def test_escaped_text_has_balanced_braces_and_no_bare_special_character(text):
    literal = r"\\(textbackslash|textasciitilde|textasciicircum)\{\}|\\[&%$#_{}]|\$[^$]*\$"
    bare = re.sub(literal, "", inert.latex(text))
    assert not set(bare) & set(r"\&%$#_{}~^<>|±")


def test_text_that_fits_is_one_block_and_else_is_folded_with_the_names_repeated():
    wide = Table(
        "T",
        (),
        ("row", *(f"column{i}" for i in range(6))),
        (("first", *"123456"), ("second", *"abcdef")),
    )
    assert formats.text(wide, 200).count("first") == 1
    folded = formats.text(wide, 30)
    assert folded.count("first") == folded.count("second") == 3
    assert max(map(len, folded.splitlines())) <= 30
    for number in range(6):
        assert f"column{number}" in folded


def test_a_cell_wider_than_the_terminal_is_still_shown():
    assert "x" * 50 in formats.text(Table("T", (), ("row", "wide"), (("a", "x" * 50),)), 20)


@pytest.mark.parametrize(
    ("values", "unit", "measure", "cell"),
    [
        ([0.9346, 0.9146], "score", "accuracy", "92.46 ± 1.41"),
        ([0.9346], "score", "accuracy", "93.46"),
        ([0.5, None, 0.7], "score", "accuracy", "60.00 ± 14.14 (n=2)"),
        ([None, None], "score", "accuracy", "-"),
        ([], "score", "accuracy", "-"),
        ([0.0, 0.0], "score", "accuracy", "0.00 ± 0.00"),
        ([-0.00001], "score", "accuracy", "0.00"),
        ([0.012344, 0.012368], "score", "loss", "0.01236 ± 0.00002"),
        ([1.2344e-7], "score", "loss", "1.234e-07"),
        ([0.5], "share", "loss", "50.00"),
        ([0.00123], "milliseconds", "loss", "1.23"),
        ([2.0**22, 2.0**22], "bytes", "accuracy", "4"),
        ([1234567.0], "bytes", "accuracy", "1.18"),
        ([0.0], "bytes", "accuracy", "0"),
        ([0.9995, 0.9997], "cosine", "accuracy", "0.9996 ± 0.0001"),
        ([8.0, 8.0], "count", "accuracy", "8"),
        ([12.345, 12.355], "number", "accuracy", "12.4 ± 0.0"),
        ([12345.6, 12345.6], "seconds", "accuracy", "12346 ± 0"),
    ],
)
def test_a_cell_shows_mean_and_deviation_in_the_unit_of_its_column(values, unit, measure, cell):
    assert formats.mean_and_std(values, unit, measure) == cell


def test_an_interval_has_as_many_places_as_its_mean():
    assert formats.mean_and_interval([0.5, 0.6, 0.7], "score") == "60.00 [35.16, 84.84]"
    assert (
        formats.mean_and_interval([0.001, 0.002, 0.003], "score", "loss")
        == "0.002000 [-0.000484, 0.004484]"
    )
    assert formats.mean_and_interval([0.5], "score") == "50.00"
    assert formats.mean_and_interval([None], "score") == "-"


def test_an_interval_ends_at_the_bounds_and_says_how_many_values_it_has():
    values = [0.99, None, 0.999, 0.9]
    assert formats.mean_and_interval(values, "score", bounds=(0.0, 1.0)) == (
        "96.30 [82.70, 100.00] (n=3)"
    )


def test_html_shows_all_text_literally_and_numbers_on_the_right():
    table = formats.Table(
        "a <title>", ("above & beyond",), ("", "x\ny"), (("<b>row</b>", "1"),), ("below",)
    )
    assert formats.html(table).splitlines() == [
        "<p>above &amp; beyond</p>",
        "<table>",
        "<caption>a &lt;title&gt;</caption>",
        '<tr><th style="text-align: left"></th><th style="text-align: right">x<br>y</th></tr>',
        '<tr><td style="text-align: left">&lt;b&gt;row&lt;/b&gt;</td>'
        '<td style="text-align: right">1</td></tr>',
        "</table>",
        "<p>below</p>",
    ]

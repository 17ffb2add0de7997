"""Text of records is shown in every kind of output and acts in none."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as some
from making import a_result, a_spec

from nanocl import report
from nanocl.records import store
from nanocl.reporting import inert, tables
from nanocl.reporting.summaries import summarise

HOSTILE = "<img src=x onerror=y> ![a](http://b/c) [d](javascript:e) \x1b[2J \u202e \u2028 &lt; a|b"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture
def hostile():
    spec = a_spec(f"=1+1 {HOSTILE}", protocol=f"<b>p {HOSTILE}", **{"note": HOSTILE})
    return summarise([a_result(spec)])


def outside_code(text):
    return re.sub(r"(?<![`\\])`[^`\n]+`", "", text)


def test_markdown_pages_contain_no_html_link_or_image_of_a_record(tmp_path, hostile):
    written = report.pages(hostile, tmp_path)
    for path, text in written.items():
        if path.suffix == ".md":
            shown = outside_code(text).replace("<br>", "")
            assert not re.search(r"<[A-Za-z/!?]", shown), path
            assert set(re.findall(r"(?<!\\)\]\(([^)]*)", shown)) <= {
                f"tables/{tables.file_stem(hostile[0].results[0].spec)}.md"
            }
            assert r"!\[" in text or "![a]\\(" in text
            assert "&amp;lt;" in text
    assert any("&lt;img" in text for text in written.values())


@pytest.mark.parametrize("format", ["text", "markdown", "csv", "latex"])
def test_no_output_contains_control_or_direction_characters(hostile, format):
    shown = tables.text(hostile) if format == "text" else tables.document(hostile, format)
    assert not CONTROL.search(shown)
    assert "x1b" in shown and "u202e" in shown


def test_spreadsheets_take_no_cell_of_a_record_for_a_formula_and_numbers_stay_numbers(hostile):
    lines = [line for line in tables.document(hostile, "csv").splitlines() if line[0] != "#"]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert all(row["strategy"].startswith("'=1+1") for row in rows)
    assert all(
        float(row["mean"]) == pytest.approx(float(row["mean"])) for row in rows if row["mean"]
    )


@given(some.text(max_size=40))
def test_a_comma_separated_cell_never_begins_as_a_formula(text):
    assert inert.comma_separated(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@given(some.text(alphabet="`\\<a>&[]()!*|#- lt;\n\x1b", max_size=40))
def test_text_in_markdown_has_no_tag_and_no_link_outside_code(text):
    shown = outside_code(inert.markdown(text)).replace("<br>", "")
    assert not re.search(r"<[a-z/!?]", shown) and "](" not in shown and "\n" not in shown


def test_own_markdown_stays():
    own = "all: [tables/a-b.md](tables/a-b.md); `x<y>` is `1`<br>**no** *yes* 2 < 3"
    assert inert.markdown(own) == own


def test_a_message_about_a_record_obeys_no_terminal_sequence(tmp_path, capsys):
    path = store.save(a_result(), tmp_path)
    path.rename(path.with_name("s0-\x1b[2J\u202e.json"))
    assert report.main(["--results", str(tmp_path)]) == 0
    assert not CONTROL.search(capsys.readouterr().err)

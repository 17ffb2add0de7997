"""`CLAIMS.md` has a row and a section for each claim."""

import re

from nanocl.studies.claims import AGAINST, FOR, Chapter, Claim, Finding
from nanocl.studies.claims_page import claims_page, claims_table


def a_claim(text="a claim | with a bar", **states):
    findings = {
        setting: (Finding("|a| of x", 1.5, None, 0.01, 12, state),)
        for setting, state in states.items()
    }
    return Claim(text, "Some paper, Table 1: 0.5", "some runs", "a rule", findings)


def cells(line):
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_without_a_chapter_that_asks_for_it_there_is_no_page():
    assert claims_page([]) == ""
    assert claims_page([Chapter("Title", [a_claim(here=FOR)])]) == ""


def test_a_row_of_the_table_has_the_cells_of_its_header():
    head, rule, row = claims_table([a_claim(here=FOR)]).splitlines()
    assert cells(head) == cells(rule) == cells(row) == 6
    assert "**holds**" in row and "12 seeds: for" in row and "*here*<br>" in row


def test_the_overview_names_each_chapter_and_its_claims_with_the_short_source():
    chapters = [
        Chapter("One", [a_claim(here=FOR, there=AGAINST)], ("A note.",), opens_page=True),
        Chapter("Two", [a_claim("not tested")]),
    ]
    page = claims_page(chapters)
    overview = [line for line in page.split("## One")[0].splitlines() if line.startswith("|")]
    assert {cells(line) for line in overview} == {5}
    assert len(overview) == 2 + 4 and "| *Two* |" in page and "| Some paper, Table 1 |" in page
    assert "**not measured**" in overview[-1] and page.index("A note.") < page.index("## One")


def test_a_section_names_the_settings_in_which_the_opposite_is_right():
    page = claims_page([Chapter("One", [a_claim(a=FOR, b=AGAINST)], opens_page=True)])
    assert "*The claim holds* with a; *it is contradicted* by:\n\n- |a| of x: with b" in page
    rows = [line for line in page.split("## One")[1].splitlines() if line.startswith("|")]
    assert [row.rstrip(" |").rsplit("|", 1)[1].strip() for row in rows] == [
        "meets it",
        ":--",
        "yes",
        "no",
    ]


def test_a_chapter_without_claims_says_that_nothing_is_measured():
    assert "## One\n\nNot measured.\n" in claims_page([Chapter("One", [], opens_page=True)])

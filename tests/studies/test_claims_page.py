"""`CLAIMS.md` has a row and a section for each claim."""

import re

from nanocl.studies import claims
from nanocl.studies.claims import Chapter, Claim, Setting
from nanocl.studies.claims_page import claims_page, claims_table
from nanocl.studies.verdicts import judge_claims

FOR = {seed: 3.0 + 0.1 * (-1) ** seed for seed in range(12)}
AGAINST = {seed: -value - 2 for seed, value in FOR.items()}


def a_claim(text="a claim | with a bar", **values):
    settings = [Setting(name, row) for name, row in values.items()]
    quantity = claims.points("|a| of x - y")
    return Claim(text, "Some paper, Table 1: 0.5", "some runs", quantity, settings)


def cells(line):
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def table_rows(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_without_a_chapter_that_asks_for_it_there_is_no_page(tmp_path):
    assert claims_page([], tmp_path) == ""
    assert claims_page([Chapter("Title", [a_claim(here=FOR)])], tmp_path) == ""


def test_a_row_of_the_table_has_the_cells_of_its_header():
    head, rule, row = claims_table(judge_claims([a_claim(here=FOR)])).splitlines()
    assert cells(head) == cells(rule) == cells(row) == 5
    assert "+3 [" in row and "12 seeds: for" in row and "*here*<br>" in row
    assert "for 1 of 1 settings" in row


def test_the_overview_names_each_chapter_and_its_claims_with_the_short_source(tmp_path):
    chapters = [
        Chapter("One", [a_claim(here=FOR, there=AGAINST)], ("A note.",), opens_page=True),
        Chapter("Two", [a_claim("not tested")]),
    ]
    page = claims_page(chapters, tmp_path)
    overview = table_rows(page.split("## Evidence")[0])
    assert {cells(line) for line in overview} == {5} and len(overview) == 2 + 4
    assert "| *Two* |" in page and "| Some paper, Table 1 |" in page
    assert "**not measured**: no records" in overview[-1]
    assert page.index("A note.") < page.index("## One")


def test_a_section_shows_every_setting_with_its_state_and_why_one_is_missing(tmp_path):
    claim = a_claim(a=FOR, b=AGAINST)
    gone = Setting("c", missing="the control was not tuned")
    claim = Claim(*list(vars(claim).values())[:4], [*claim.settings, gone])
    section = claims_page([Chapter("One", [claim], opens_page=True)], tmp_path).split("## One")[1]
    rows = [re.split(r" *(?<!\\)\| *", line)[1:-1] for line in table_rows(section)[2:]]
    assert [row[0] for row in rows] == ["a", "b", "c"]
    assert [row[4] for row in rows] == ["for", "against", "not measured"]
    assert rows[0][2:4] == ["< 0.001", "12"] and rows[2][5] == "the control was not tuned"
    assert "**depends on the setting**" in section and "margin 2 points" in section


def test_an_effect_within_the_margin_is_not_passed_off_as_none(tmp_path):
    small = {seed: value / 2 for seed, value in FOR.items()}
    none = {seed: 0.1 * (-1) ** seed for seed in range(12)}
    page = claims_page([Chapter("One", [a_claim(a=small, b=none)], opens_page=True)], tmp_path)
    first, second = table_rows(page.split("## One")[1])[2:]
    assert "| equal | not 0, but smaller than the margin |" in first
    assert "| equal |" in second and "not 0" not in second


def test_columns_that_no_setting_needs_are_left_out(tmp_path):
    exact = Claim("c", "s", "r", claims.ratio("a / b"), [Setting("here", exact=1.0)])
    page = claims_page([Chapter("One", [exact], opens_page=True)], tmp_path)
    assert "| setting | a / b | state |\n" in page and "| here | 2.72 | for |" in page


def test_a_chapter_without_claims_says_that_nothing_is_measured(tmp_path):
    page = claims_page([Chapter("One", [], opens_page=True)], tmp_path)
    assert "## One\n\nNot measured.\n" in page


def quoted(rows, central, tmp_path):
    """The first paragraph, on one line, and the table below it."""
    page = claims_page([Chapter("One", rows, opens_page=True, central=central)], tmp_path)
    paragraph, below = page.split("\n\n")[2:4]
    assert max(map(len, paragraph.splitlines())) <= 100
    return " ".join(paragraph.split()), below


def test_the_first_paragraph_follows_from_the_verdicts(tmp_path):
    rows = [a_claim("it helps", here=FOR), a_claim("it harms", here=AGAINST), a_claim("it is not")]
    text, below = quoted(rows, ("it helps", "it is not"), tmp_path)
    assert "Of 3 claims, 1 holds, 1 does not hold, 1 is not measured." in text
    assert "It helps: **holds**, +3 [" in text and "] points in here." in text
    assert text.endswith("Not measured yet: whether it is not.") and "It harms" not in text
    assert not below.startswith("|")  # one setting needs no table


def test_a_few_settings_are_a_range_in_the_paragraph_and_columns_below_it(tmp_path):
    stronger = {seed: 2 * value for seed, value in FOR.items()}
    rows = [a_claim("it helps", here=FOR, there=stronger), a_claim("so does it", there=FOR)]
    text, below = quoted(rows, ("it helps", "so does it"), tmp_path)
    assert "It helps: **holds**, +3 to +6 points (for 2 of 2 settings)." in text
    names, row = table_rows(below)[0], table_rows(below)[-1]
    assert names.split("|")[2:4] == [" here ", " there "]
    assert "| it helps | +3 [" in row and "| +6 [" in row and row.endswith("| **holds** |")


def test_a_setting_that_decides_nothing_is_in_no_range_and_has_its_state_in_the_table(tmp_path):
    few = {seed: 40.0 + 0.1 * (-1) ** seed for seed in range(4)}
    text, below = quoted([a_claim("it helps", here=FOR, there=few)], ("it helps",), tmp_path)
    assert "+3 [" in text and "] points in here (for 1, open 1 of 2 settings)." in text
    assert "+40" not in text and "] points: open |" in below and "] points: for |" in below


def test_of_many_settings_the_paragraph_names_the_first_and_counts_the_others(tmp_path):
    rows = [a_claim("it helps", **dict.fromkeys("abcde", FOR))]
    text, below = quoted(rows, ("it helps",), tmp_path)
    assert (
        "] points in a, +3 to +3 over settings (for 5 of 5 settings)." in text
        and not below.startswith("|")
    )


def test_what_others_measured_stands_in_a_table_of_its_own(tmp_path):
    page = claims_page([Chapter("One", [a_claim(here=FOR)], opens_page=True)], tmp_path)
    theirs = table_rows(page.split("## Evidence elsewhere")[1].split("## ")[0])
    assert "forgetting (rise of cross-entropy)" in theirs[0] and "points" not in theirs[0]
    assert "(rise of cross-entropy)" not in page.replace(theirs[0], "")

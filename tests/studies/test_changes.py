"""Earlier verdicts stand beside those that are computed now."""

from pathlib import Path

import pytest

from nanocl.records import UserError
from nanocl.studies import changes, claims
from nanocl.studies.changes import Change
from nanocl.studies.claims import Claim, Setting
from nanocl.studies.verdicts import judge_claims

RESULTS = Path(__file__).parents[2] / "results"
FILE = """
[reason]
few = "too few seeds"
more = "more settings"

[[change]]
claim = "a and b"
old = "holds"
now = ["a", "b", "gone"]
reasons = ["few"]

[[change]]
claim = "a"
old = "undecided"
reasons = ["few", "more"]
"""


def judged():
    clear = {seed: 3.0 + 0.1 * (-1) ** seed for seed in range(12)}
    made = [Claim("a", "", "", claims.points("x"), [Setting("s", clear)])]
    return judge_claims([*made, Claim("b", "", "", claims.points("x"))])


def test_old_verdicts_come_from_the_file_and_new_ones_from_the_records(tmp_path):
    assert changes.section(changes.read(tmp_path), judged()) == ""
    (tmp_path / changes.FILE).write_text(FILE)
    read = changes.read(tmp_path)
    assert read.changes == [
        Change("a and b", "holds", ("few",), ("a", "b", "gone")),
        Change("a", "undecided", ("few", "more")),
    ]
    text = changes.section(read, judged())
    rows = [line for line in text.splitlines() if line.startswith("| a ")]
    assert "| holds (1); not measured (1); not judged any more (1) | few |" in rows[0]
    assert rows[1] == "| a | undecided | holds | few; more |"
    assert text.endswith("- *few*: too few seeds\n- *more*: more settings")


@pytest.mark.parametrize(
    "text", ["claim =", "[[change]]\nclaim = 'a'", FILE.replace('["few"]', '["many"]')]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / changes.FILE).write_text(text)
    with pytest.raises(UserError, match=r"verdicts.toml: .*it needs a table `reason`"):
        changes.read(tmp_path)


def test_the_published_changes_name_claims_of_the_published_page():
    page = (RESULTS / "CLAIMS.md").read_text(encoding="utf-8")
    overview = page.split("## Evidence elsewhere")[0].replace("\\", "")
    published = changes.read(RESULTS)
    assert len(published.changes) > 20
    assert {name for change in published.changes for name in change.reasons} == {*published.reasons}
    for change in published.changes:
        for text in change.now or (change.claim,):
            assert f"| {text} |" in overview, text
        assert change.claim in page.replace("\\", "")

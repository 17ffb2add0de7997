"""Verdicts follow from the states of the findings."""

from nanocl.studies.claims import AGAINST, FOR, OPEN, Claim, Finding


def claim(**states: tuple[str, ...]) -> Claim:
    return Claim(
        "c",
        "s",
        "r",
        "u",
        {
            name: tuple(
                Finding(f"f{place}", 1.0, None, None, 9, state) for place, state in enumerate(row)
            )
            for name, row in states.items()
        },
    )


def test_the_verdict_names_what_it_depends_on():
    assert claim(a=(FOR, FOR), b=(FOR, FOR)).verdict == "holds"
    assert claim(a=(FOR, AGAINST), b=(OPEN, FOR)).verdict == "does not hold"
    assert claim(a=(FOR, OPEN)).verdict == "undecided"
    assert claim(a=(FOR,), b=(AGAINST,), c=(OPEN,)).verdict == (
        "depends on the setting: holds with a. Does not hold with b. Undecided with c"
    )
    assert claim().verdict == "not measured"
    few = Claim("c", "s", "r", "u", {"a": (Finding("f", None, None, None, 2),)})
    assert few.verdict == "not measured"
    mixed = claim(a=(FOR, AGAINST), b=(OPEN, FOR))
    assert mixed.tally == "f0: for in 1, against in 0 of 2; f1: for in 1, against in 1 of 2"


def test_with_many_settings_the_short_verdict_counts_them():
    rows = {name: (FOR,) for name in "abc"} | {"d": (AGAINST,), "e": (OPEN,)}
    assert claim(**rows).short_verdict == (
        "depends on the setting: holds in 3 of 5, does not hold in 1, undecided in 1"
    )
    assert claim(a=(FOR,), b=(OPEN,)).short_verdict == claim(a=(FOR,), b=(OPEN,)).verdict
    assert claim(a=(FOR,)).short_verdict == "holds"


def test_a_finding_in_words_has_its_numbers_and_its_state():
    ratio = Finding("x / y", 0.5, (0.25, 1.0), 0.0004, 9, FOR, medians=(1.0, 2.0))
    assert str(ratio) == "x / y (medians 1 and 2) 0.5 [0.25, 1], p < 0.001, 9 seeds: for"
    assert ratio.without_name() == "(medians 1 and 2) 0.5 [0.25, 1], p < 0.001, 9 seeds: for"
    difference = Finding("x - y", 2.0, None, 0.04, 5, OPEN, neutral=0.0, unit="points", joint=True)
    assert str(difference) == "x - y +2 points, joint p = 0.04, 5 seeds: open"
    assert Finding("x", None, None, None, 2).without_name() == "not measured (2 seeds)"

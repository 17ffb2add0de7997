"""One style for each strategy."""

import itertools

import pytest

from nanocl.reporting import colours
from nanocl.reporting.colours import style
from nanocl.studies.teacher_student.settings import ARMS


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_no_two_arms_of_the_study_share_a_colour():
    assert len({style(arm).colour for arm in ARMS}) == len(ARMS)


def test_no_two_known_strategies_look_the_same_unless_they_are_the_same():
    same = {frozenset(("nano", "nanoadam")), frozenset(("gd", "sgd"))}
    for first, second in itertools.combinations(colours._STYLES, 2):
        assert (style(first) == style(second)) == (frozenset((first, second)) in same), (
            first,
            second,
        )


def test_an_unknown_name_gets_the_same_style_each_time_and_from_the_palette():
    names = [f"strategy-{number}" for number in range(40)]
    assert all(
        style(name) == style(name) and style(name).colour in colours.PALETTE for name in names
    )
    assert len({style(name) for name in names}) > 30


def test_every_colour_is_seen_on_white():
    assert all(1.05 / (luminance(colour) + 0.05) > 2 for colour in colours.PALETTE)


def test_rows_of_one_figure_never_share_colour_and_marker():
    names = ["adamw", "adamw", *(f"learner-{number}" for number in range(8))]
    styles = colours.distinct(names)
    assert len({(style.colour, style.marker) for style in styles}) == len(names)
    assert styles[0] == colours.style("adamw")


def test_more_rows_of_a_colour_than_markers_are_refused():
    with pytest.raises(ValueError, match="at most 8 rows"):
        colours.distinct(["adamw"] * 9)

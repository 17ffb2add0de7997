"""A claim is one signed quantity with a margin."""

import math

import pytest

from nanocl.studies import claims


def test_a_quantity_is_shown_in_its_own_unit_with_its_margin():
    points = claims.points("old-task accuracy, a - b")
    assert (points.shown(1.234), points.margin_words) == ("+1.23", "2 points")
    ratio = claims.ratio("drift, a / b")
    assert (ratio.shown(math.log(2)), ratio.margin_words) == ("2", "a factor of 1.25")
    assert ratio.shown(-math.log(2)) == "0.5" and ratio.margin == pytest.approx(math.log(1.25))
    assert claims.Quantity("slope - 0.9").margin_words == "none"


def test_nothing_has_no_sign():
    points = claims.points("old-task accuracy, a - b")
    assert [points.shown(value) for value in (0.0, -0.0, -7e-15, 3e-12)] == ["0"] * 4
    assert points.shown(-0.001) == "-0.001"

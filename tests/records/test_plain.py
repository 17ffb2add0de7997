"""Values become JSON and back; what is not JSON is refused."""

import json
import math

import pytest

from nanocl.records import plain


def test_numbers_that_are_not_finite_become_null_at_every_depth():
    value = {"a": [1.5, math.nan, (math.inf, -math.inf)], "b": {"c": math.nan}, "d": "nan"}
    assert plain.finite(value) == {"a": [1.5, None, [None, None]], "b": {"c": None}, "d": "nan"}


def test_every_finite_number_can_be_rounded():
    assert plain.finite([1.26, 3], lambda number: round(number, 1)) == [1.3, 3]


def test_lines_is_json_with_a_line_for_each_key():
    record = {"b": [1, 2], "a": {"x": None}}
    text = plain.lines(record)
    assert json.loads(text) == record and list(json.loads(text)) == ["b", "a"]
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "", "[1,]", "-Infinity"])
def test_text_that_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match="not JSON"):
        plain.parse(text)

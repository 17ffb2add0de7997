"""Values become JSON and back; what is not JSON is refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some
from mutants import PUBLISHED

from nanocl.records import plain

TEXTS = some.text(alphabet='[]{}"\\\\,:a', max_size=4)
VALUES = some.recursive(
    some.none() | some.integers() | TEXTS,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


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


@given(VALUES, some.integers(0, 6))
def test_a_text_that_is_surely_shallow_is_not_deeper(value, levels):
    text = json.dumps(value)
    assert not (plain.is_surely_shallow(text, levels) and plain.is_deeper(value, levels))
    brackets = set("[]{}")
    if not any(brackets & set(text) for text in texts_in(value)):
        # an empty innermost level counts here and not there
        assert plain.is_surely_shallow(text, levels + 1) or plain.is_deeper(value, levels)


def texts_in(value):
    """The strings of a value, as they are written in JSON."""
    if isinstance(value, str):
        yield json.dumps(value)[1:-1]
    elif isinstance(value, list | dict):
        items = [*value, *value.values()] if isinstance(value, dict) else value
        for item in items:
            yield from texts_in(item)


def test_most_committed_records_are_surely_shallow():
    texts = [path.read_text() for path in PUBLISHED[::50]]
    assert sum(plain.is_surely_shallow(text, plain.DEEPEST) for text in texts) > len(texts) / 2


@pytest.mark.parametrize("quoted", ["1", '"]","["', '"a[b]"', r'"\"]"'])
def test_nesting_is_counted_to_the_level_whatever_stands_in_strings(quoted):
    inner = f"[{quoted}]"
    right = "[" * (plain.DEEPEST - 1) + inner + "]" * (plain.DEEPEST - 1)
    assert plain.parse(right) == json.loads(right)
    with pytest.raises(ValueError, match="nested deeper than 32 levels"):
        plain.parse(f"[{right}]")


@pytest.mark.parametrize(("close", "open"), [('"]"', '"["'), (r'"\"]\""', r'"\"[\""')])
def test_brackets_within_strings_hide_no_level(close, open):
    text = "1"
    for _ in range(plain.DEEPEST + 1):
        text = f"[{close},{text},{open}]"
    with pytest.raises(ValueError, match="nested deeper than 32 levels"):
        plain.parse(text)

"""The compiled schema accepts no record that jsonschema refuses, and every one we write."""

import copy
import json
import random
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from making import a_result

from nanocl.records import schema
from nanocl.records.compiled import compiled
from nanocl.records.encoding import to_record

RULES = schema.schema()
VALID = Draft202012Validator(RULES).is_valid
FITS = compiled(RULES)
PUBLISHED = sorted((Path(__file__).parents[2] / "results" / "runs").glob("**/*.json"))
WRONG = (None, True, 1, -1, 0.5, 1e400, "", "x", "class", "ok", [], [1], {}, {"name": 1})


def records():
    yield json.loads(json.dumps(to_record(a_result())))
    for path in PUBLISHED[:: max(1, len(PUBLISHED) // 12)]:
        yield json.loads(path.read_text())


def places(value, path=()):
    """The path of every value within a record."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from places(item, (*path, key))


def changed(record, draw):
    """The record with one value replaced, removed or added at a random place."""
    record = copy.deepcopy(record)
    *path, last = draw.choice([place for place in places(record) if place])
    parent = record
    for key in path:
        parent = parent[key]
    kind = draw.choice(("replace", "remove", "add"))
    if kind == "replace":
        parent[last] = draw.choice(WRONG)
    elif kind == "remove":
        del parent[last]
    elif isinstance(parent, dict):
        parent["surplus"] = draw.choice(WRONG)
    else:
        parent.append(draw.choice(WRONG))
    return record


def test_every_published_record_fits_without_jsonschema():
    assert all(map(FITS, records()))


def test_no_changed_record_fits_that_jsonschema_refuses():
    draw = random.Random(0)
    refused = 0
    for record in records():
        small = {**record, "drift": record["drift"][:1], "evaluation": record["evaluation"][:1]}
        for _ in range(40):
            mutant = changed(small, draw)
            valid = VALID(mutant)
            refused += not valid
            assert valid or not FITS(mutant), mutant
    assert refused > 200


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ({"type": "integer"}, [True, "1", 1.5, None]),
        ({"type": "number", "minimum": 0, "maximum": 1}, [-1, 2, True, "0"]),
        ({"exclusiveMinimum": 0}, [0, -1, 0.0]),
        ({"const": 1}, [True, "1", 2]),
        ({"enum": ["a", None]}, ["b", 0, False]),
        ({"type": ["string", "null"], "minLength": 1, "maxLength": 2}, ["", "abc", 1]),
        ({"pattern": "^a$"}, ["b", "ba"]),
        ({"items": {"type": "string"}, "minItems": 1, "maxItems": 2}, [[], [1], ["a"] * 3]),
        ({"minProperties": 2}, [{}, {"a": 1}]),
        ({"required": ["a"], "additionalProperties": False}, [{}, {"a": 1}]),
        ({"properties": {"a": {"const": "x"}}, "additionalProperties": {"type": "null"}},
         [{"a": "y"}, {"b": 1}]),
        ({"oneOf": [{"type": "null"}, {"type": "array", "items": {"const": "x"}}]}, [1, ["y"]]),
        ({"if": {"properties": {"a": {"const": "x"}}}, "then": {"required": ["b"]}}, [{"a": "x"}]),
        ({"$ref": "#/$defs/tree", "$defs": {"tree": {"items": {"$ref": "#/$defs/tree"},
                                                     "type": "array"}}}, [[[1]], 1]),
    ],
)  # fmt: skip
def test_every_keyword_refuses_what_it_refuses_in_jsonschema(rules, refused):
    fits = compiled(rules)
    for value in refused:
        assert not Draft202012Validator(rules).is_valid(value) and not fits(value), value


@pytest.mark.parametrize(
    "rules",
    [
        {"not": {"type": "null"}},
        {"properties": {"a": {"uniqueItems": True}}},
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        {"oneOf": [{"minimum": 1}, {"type": "null"}]},
        {"if": {"type": "integer"}, "then": {"minimum": 3}},
        {"if": {"properties": {"a": {"const": 1}}}, "then": {}},
    ],
)
def test_a_rule_that_cannot_be_compiled_is_named(rules):
    with pytest.raises(ValueError, match=r"keyword|oneOf|condition"):
        compiled(rules)

"""A record has the published form, or is refused with the place of the mistake."""

import dataclasses
import json
import math
import random

import pytest
from jsonschema import Draft202012Validator, ValidationError
from making import a_result
from mutants import changed, places
from mutants import records as some_records

from nanocl import records
from nanocl.records import schema, store


def one_record(root):
    return store.save(a_result(), root)


def test_the_schema_is_valid_and_lists_exactly_the_fields_of_the_records():
    published = schema.schema()
    Draft202012Validator.check_schema(published)
    rules = {
        "spec": records.RunSpec,
        "part": records.Part,
        "drift": records.Drift,
        "cost": records.Cost,
        "environment": records.Environment,
    }
    for name, kind in rules.items():
        assert list(published["$defs"][name]["properties"]) == [
            field.name for field in dataclasses.fields(kind)
        ], name
    training = published["$defs"]["spec"]["properties"]["training"]["properties"]
    assert list(training) == [field.name for field in dataclasses.fields(records.Training)]
    assert list(published["properties"])[3:] == [
        field.name for field in dataclasses.fields(records.RunResult)
    ]
    assert tuple(published["$defs"]["spec"]["properties"]["tier"]["enum"]) == records.TIERS


def test_a_saved_record_fits_the_whole_published_schema(tmp_path):
    record = json.loads(one_record(tmp_path).read_text())
    Draft202012Validator(schema.schema()).validate(record)


def test_what_came_later_is_left_out_at_its_default_and_read_back_where_it_is_not(tmp_path):
    record = json.loads(one_record(tmp_path).read_text())
    assert not {"experiences", "weights", "cpu_seconds", "together"} & {*record, *record["cost"]}
    assert not {*records.spec.LATER} & {*record["spec"]["training"]}
    plain = a_result()
    training = dataclasses.replace(plain.spec.training, schedule="cosine")
    later = dataclasses.replace(
        plain,
        spec=dataclasses.replace(plain.spec, training=training),
        experiences=({"classes": (3, 1), "train": 20, "test": 4},) * 3,
        weights="0123456789ab",
        cost=dataclasses.replace(plain.cost, cpu_seconds=3.5, together=4),
    )
    path = store.save(later, tmp_path)
    assert store.load(path, tmp_path) == later
    Draft202012Validator(schema.schema()).validate(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"hidden.bias":[0.0,null]', '"hidden.bias":["0",null]', "layer hidden.bias"),
        ('"hidden.bias":[0.0,null]', '"hidden.bias":[0.0]', "layer hidden.bias"),
        ('"hidden.bias":[0.0,null]', '"hidden.bias":0.0', "hidden.bias"),
        ('"deciles":[0.1', '"deciles":["0.1"', "decile"),
        ("[0.9,0.2,0.1]", '[0.9,0.2,"0.1"]', "evaluation matrix"),
        ("[0.9,0.2,0.1]", "[0.9,0.2,true]", "evaluation matrix"),
        ("[0.9,0.2,0.1]", "0.9", "evaluation matrix"),
        ('"touched":1.0', '"touched":"1.0"', "touched"),
        ("[0.9,0.2,0.1]", "[0.9,0.2,1.1]", "from 0 to 1"),
        ("[0.9,0.2,0.1]", "[0.9,0.2,-0.1]", "from 0 to 1"),
        ('"initial": [0.1', '"initial": [-0.1', "from 0 to 1"),
        ('"train_seconds":10.0', '"train_seconds":-10.0', "cost/train_seconds"),
        ('"steps":1000', '"steps":-1', "cost/steps"),
        (',"release":"official"', "", "release"),
        ('"release":"official"', '"release":"mine"', "release"),
    ],
)
def test_what_is_no_number_where_numbers_belong_is_refused(tmp_path, old, new, words):
    path = one_record(tmp_path)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    _, (problem,) = store.load_all(tmp_path)
    assert words in problem.reason
    with pytest.raises(ValidationError):
        Draft202012Validator(schema.schema()).validate(json.loads(path.read_text()))


def has_infinity(record):
    def value_at(place):
        value = record
        for key in place:
            value = value[key]
        return value

    values = map(value_at, places(record))
    return any(isinstance(value, float) and math.isinf(value) for value in values)


def test_a_changed_record_fits_the_schema_exactly_if_jsonschema_says_so():
    draw = random.Random(0)
    slow, fast = Draft202012Validator(schema.schema()), schema._validator(schema.schema())
    refused = 0
    for record in some_records():
        assert fast.is_valid(record)
        small = {**record, "drift": record["drift"][:1], "evaluation": record["evaluation"][:1]}
        for _ in range(30):
            mutant = changed(small, draw)
            try:
                fits = fast.is_valid(mutant)
            except UnicodeEncodeError:
                fits = False
            valid = slow.is_valid(mutant)
            refused += not valid
            assert valid or not fits, mutant
            assert fits or not valid or has_infinity(mutant) or "ud800" in repr(mutant), mutant
    assert refused > 150


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"processor":"', '"processor":"\\ud800'),
        ('"hidden.bias":', '"hidden.bias\\ud800":'),
        ('"backbone":{', '"backbone\\ud800":{'),
        ('"libraries":{', '"libraries":{"\\ud800":"1",'),
    ],
)
def test_half_a_character_is_named_wherever_it_stands(tmp_path, old, new):
    path = one_record(tmp_path)
    text = path.read_text().replace('"libraries":{}', '"libraries":{"timm":"1"}')
    assert old in text
    path.write_text(text.replace(old, new, 1))
    _, (problem,) = store.load_all(tmp_path)
    assert "half a character" in problem.reason

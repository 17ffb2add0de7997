"""Committed records, and records with one value changed at random."""

import copy
import json
from pathlib import Path

from making import a_result

from nanocl.records.encoding import to_record

PUBLISHED = sorted((Path(__file__).parents[1] / "results" / "runs").glob("**/*.json"))
WRONG = (None, True, 1, -1, 0.5, 1e400, "", "x", "class", "ok", [], [1], {}, {"name": 1}, "\ud800")


def records():
    """One of a test, and a dozen of the committed ones."""
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
        parent[draw.choice(("surplus", "\ud800"))] = draw.choice(WRONG)
    else:
        parent.append(draw.choice(WRONG))
    return record

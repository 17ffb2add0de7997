"""A record carries a checksum of its content: no change goes unnoticed."""

import dataclasses
import hashlib
import json
import math
import random

from making import a_result
from mutants import PUBLISHED, places, records

from nanocl.records import LATER_FIELDS, Cost, RunResult, Training, encoding, plain, store


def test_the_checksum_is_sha256_over_the_sorted_json_of_the_rest():
    record = encoding.to_record(a_result())
    content = {name: value for name, value in record.items() if name != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert record["checksum"] == hashlib.sha256(text.encode()).hexdigest()


def test_no_flipped_bit_of_a_stored_record_goes_unnoticed(tmp_path):
    path = store.save(a_result(), tmp_path)
    whole, result = path.read_bytes(), store.load(path, tmp_path)
    rng = random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        place = rng.randrange(len(damaged))
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        (results, problems) = store.load_all(tmp_path)
        # white space between values carries nothing: such a record may be read, as what it was
        assert problems or results == [result], f"bit flipped at byte {place}"


def plain_fingerprint(result):
    """The hash by which leaderboards were always cited, by a walk over the whole result."""

    def content(value):
        if isinstance(value, Training):
            return value.identity()
        values = {entry.name: getattr(value, entry.name) for entry in dataclasses.fields(value)}
        is_later = isinstance(value, RunResult | Cost)
        return {k: v for k, v in values.items() if v or not (is_later and k in LATER_FIELDS)}

    text = json.dumps(result, default=content, sort_keys=True)
    return hashlib.sha256(json.dumps(text).encode()).hexdigest()


def test_the_fingerprint_of_a_record_is_that_of_its_whole_result():
    for path in PUBLISHED[::150]:
        result = store.verified(plain.read(path))
        assert encoding.fingerprint(result) == plain_fingerprint(result)
        other = dataclasses.replace(result, status="diverged")
        assert encoding.fingerprint(other) == plain_fingerprint(other)


def test_texts_with_separators_and_controls_have_the_checksum_and_fingerprint_of_plain_json():
    result = a_result()
    words = dataclasses.replace(result.environment, processor='a, b: "c",":"\\ \x01\x02 é')
    layers = {'0,1: "\x01"': (0.1, None)}
    drift = tuple(dataclasses.replace(entry, layers=layers) for entry in result.drift)
    result = dataclasses.replace(result, environment=words, drift=drift)
    record = json.loads(json.dumps(encoding.to_record(result)))
    read = encoding.from_sealed(record)
    assert read == result and encoding.fingerprint(read) == plain_fingerprint(result)


def nudged(value, draw):
    """The value with a change that few comparisons would notice."""
    if isinstance(value, bool | None):
        return 0
    if isinstance(value, float):
        return draw.choice((math.nextafter(value, 9.0), -value if value else -0.0))
    if isinstance(value, int):
        return float(value)
    return value.replace(",", ", ") if "," in value else value + "\x01"


def test_a_record_is_intact_exactly_if_its_checksum_is_that_of_plain_json():
    draw = random.Random(2)
    for record in records():
        assert encoding.from_sealed(record) == encoding.from_record(record)
        leaves = [place for place in places(record) if place and place != ("checksum",)]
        for _ in range(25):
            copy = json.loads(json.dumps(record))
            *path, last = draw.choice(leaves)
            parent = copy
            for key in path:
                parent = parent[key]
            if isinstance(parent[last], dict | list):
                continue
            parent[last] = nudged(parent[last], draw)
            assert not encoding.is_intact(copy)
            assert encoding.from_sealed(copy) is None, (path, last)

"""A record carries a checksum of its content: no change goes unnoticed."""

import hashlib
import json
import random

from making import a_result

from nanocl.records import encoding, store


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

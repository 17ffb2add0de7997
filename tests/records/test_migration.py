"""Records of the first format become current ones; no number and no digest changes."""

import copy
import json

import pytest
from made_probes import a_layer
from making import a_result, a_spec

from nanocl.records import UserError, encoding, migration, probes, store


def as_first_format(record: dict) -> dict:
    """What the first version wrote for the same run, by the description of its format."""
    old = {name: copy.deepcopy(value) for name, value in record.items() if name != "checksum"}
    names = {"protocol": "benchmark", "options_from": "recipe"}
    spec = {names.get(name, name): value for name, value in old["spec"].items()}
    for part in (spec["stream"], spec["model"], *spec["strategy"]):
        part.pop("version")
        hashes = [part.pop(name) for name in ("plugin", "weights", "pretrained_on")]
        part["source"] = "".join(hashes)
    return {**old, "schema": "nanocl-result/1", "spec": spec}


def with_model(**model) -> dict:
    record = encoding.to_record(a_result())
    record["spec"]["model"] |= model
    record["digest"] = store.RunSpec.from_dict(record["spec"]).digest
    return encoding.sealed(record)


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"name": "mine", "plugin": "0123456789ab"},
        {"options": {"weights": "first.pt"}, "weights": "12fca82f0beb"},
        {"options": {"weights": "", "pretrain": "cifar10"}, "pretrained_on": "ece58f28916f5c8a"},
    ],
    ids=["plain", "user plugin", "weights", "pretrained"],
)
def test_the_one_hash_of_a_part_becomes_the_field_that_it_meant(model):
    record = with_model(**model)
    assert migration.current(as_first_format(record)) == record


def test_a_folder_is_converted_once_in_place_and_then_read(tmp_path):
    result = a_result(a_spec("ewc+adam", 3))
    path = store.save(result, tmp_path)
    before = path.read_text()
    path.write_text(json.dumps(as_first_format(json.loads(before))))
    with pytest.raises(UserError, match="report migrate"):
        store.missing([result.spec], tmp_path)
    assert migration.migrate(tmp_path) == ([path], [])
    assert path.read_text() == before and store.find(result.spec, tmp_path) == result
    assert migration.migrate(tmp_path) == ([], [])


def test_an_edited_record_is_named_and_left_as_it_was(tmp_path):
    path = store.save(a_result(), tmp_path)
    old = as_first_format(json.loads(path.read_text()))
    old["spec"]["seed"] = 7
    path.write_text(json.dumps(old))
    before = path.read_bytes()
    converted, (problem,) = migration.migrate(tmp_path)
    assert not converted and problem.path == path and "hashes to" in problem.reason
    assert path.read_bytes() == before


def test_probes_are_converted_too(tmp_path):
    spec = a_spec()
    looks = [{"experience": 0, "step": 0, "layers": {"a": a_layer()}}]
    changes = [{"experience": 0, "steps": 1, "layers": {"a": [0.1] * 10}}]
    path = probes.write(spec, looks, changes, probes.folder(tmp_path))
    before = path.read_text()
    old = as_first_format(json.loads(before))
    path.write_text(json.dumps({**old, "schema": "nanocl-probe/1"}))
    assert probes.read(path) is None
    assert migration.migrate(tmp_path) == ([path], [])
    assert path.read_text() == before and probes.read(path) is not None

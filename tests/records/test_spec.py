"""A digest covers what decides the numbers, and stays what was published."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from making import a_spec

from nanocl.records import Part, RunSpec

RESULTS = Path(__file__).parents[2] / "results"


def published_digest(spec: dict) -> str:
    """The rule of the first version of the format, written again from its description."""

    def part(values: dict) -> dict:
        hashes = [values[name] for name in ("plugin", "weights", "pretrained_on") if values[name]]
        content = {"name": values["name"], "options": values["options"], "source": "+".join(hashes)}
        return content if values["version"] == 1 else {**content, "version": values["version"]}

    content = {
        name: value for name, value in spec.items() if name not in ("protocol", "options_from")
    }
    content["benchmark"] = spec["protocol"]
    content |= {"stream": part(spec["stream"]), "model": part(spec["model"])}
    content["strategy"] = [part(values) for values in spec["strategy"]]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def test_the_digests_of_all_committed_records_are_those_that_were_published():
    """The file names are from the first version of the format; they include the digest."""
    paths = sorted((RESULTS / "runs").glob("*/*/*.json"))
    assert len(paths) >= 1314
    for path in paths:
        spec = json.loads(path.read_text())["spec"]
        digest = path.stem.rpartition("-")[2]
        assert RunSpec.from_dict(spec).digest == digest == published_digest(spec)


@pytest.mark.parametrize("field", ["plugin", "weights", "pretrained_on"])
def test_another_plugin_file_weights_or_pretraining_data_is_another_run(field):
    spec = a_spec()
    one, other = (
        dataclasses.replace(spec, model=Part("mlp", **{field: value})) for value in ("a", "b")
    )
    assert len({spec.digest, one.digest, other.digest}) == 3
    assert one.protocol_hash != other.protocol_hash


def test_an_edited_plugin_file_with_the_same_weights_is_another_run():
    digests = {
        dataclasses.replace(a_spec(), model=Part("mine", plugin=plugin, weights="w")).digest
        for plugin in ("first", "edited")
    }
    assert len(digests) == 2


def test_a_higher_version_of_an_algorithm_is_another_run_and_version_1_is_as_before():
    spec = a_spec("sgd")
    first, second = (
        dataclasses.replace(spec, strategy=(Part("sgd", version=version),)) for version in (1, 2)
    )
    assert first.digest == spec.digest != second.digest
    assert first.protocol_hash == second.protocol_hash


def test_the_origin_of_the_options_is_not_in_the_digest():
    assert a_spec(options_from="tuned").digest == a_spec(options_from="set").digest

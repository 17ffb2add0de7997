"""One flipped bit in any stored file is noticed, or changes nothing."""

import random
import warnings

import numpy as np
import pytest
from pictures import pictures, write_zip
from small_runs import numbers, spec

from nanocl import data
from nanocl.data import cache
from nanocl.records import UserError, probes, store, tensors
from nanocl.training import assembly, experiment, pretraining, verified
from nanocl.training.context import Context

MANY = [6, pytest.param(500, marks=pytest.mark.slow)]


def flips(path, count):
    """Writes the file with one flipped bit at a time, and at last as it was."""
    whole, rng = path.read_bytes(), random.Random(count)
    for _ in range(count):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        yield
    path.write_bytes(whole)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A run, its result and the folder of its checkpoint."""
    run, folder = spec("er+nanoadam"), tmp_path_factory.mktemp("part")
    return run, experiment.run_one(run, Context(checkpoints=folder)), folder


@pytest.mark.parametrize("count", MANY)
def test_of_a_checkpoint(measured, count):
    run, _, folder = measured
    (path,) = folder.iterdir()
    identity = {"schema": "nanocl-checkpoint/4", "digest": run.digest, **verified.versions("cpu")}
    verified.read(path, identity)
    for _ in flips(path, count):
        with pytest.raises(verified.Unusable):
            verified.read(path, identity)


@pytest.mark.parametrize("count", MANY)
def test_of_a_record(measured, tmp_path, count):
    run, result, _ = measured
    path = store.save(result, tmp_path)
    expected = numbers(store.find(run, tmp_path))
    for _ in flips(path, count):
        try:
            found = store.find(run, tmp_path)
        except UserError:  # another format is never replaced
            continue
        # a letter of a key may change its case in JSON's escapes only; numbers never change
        assert found is None or numbers(found) == expected
        results, problems = store.load_all(tmp_path)
        assert len(problems) == (found is None) and len(results) == (found is not None)


@pytest.mark.parametrize("count", MANY)
def test_of_a_probe(tmp_path, count):
    experiment.run_one(spec(), Context(probes=tmp_path))
    (path,) = tmp_path.glob("*/*.json")
    for _ in flips(path, count):
        assert probes.read(path) is None


@pytest.mark.parametrize("count", MANY)
def test_of_a_decoded_copy(tmp_path, count):
    write_zip(tmp_path / "insects.zip", pictures())
    before = data.load("insects", tmp_path)
    values = {name: getattr(before, name).copy() for name in cache.ARRAYS}
    for _ in flips(tmp_path / ".nanocl" / "insects.safetensors", count):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a flip may also make it a copy of another source
            after = data.load("insects", tmp_path)
        assert after.facts() == before.facts()
        assert all(np.array_equal(getattr(after, name), values[name]) for name in values)


@pytest.mark.parametrize("count", MANY)
def test_of_pretrained_weights(tmp_path, count):
    run = spec(settings={"model": {"pretrain": "digits", "pretrain_epochs": "1"}})
    context = Context(data_root=tmp_path)
    assembly.build(run, context)
    (path,) = (tmp_path / ".nanocl").glob("pretrained-*.safetensors")
    assert pretraining._intact([path]) == path
    checksum = tensors.verify(path)
    for _ in flips(path, count):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # a flip in white space of the header changes nothing
            assert pretraining._intact([path]) is None or tensors.verify(path) == checksum

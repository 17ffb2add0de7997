"""A stream of tensors from Python has their samples, in their order."""

import numpy as np
import pytest
import torch

from nanocl.data import tensors
from nanocl.data.batches import tensor_parts
from nanocl.records import UserError
from nanocl.streams.tensors import Tensors
from nanocl.testing import check_stream


def written(folder, is_regression=False):
    generator = np.random.default_rng(0)
    experiences = []
    for first in (0, 2):
        inputs = generator.normal(size=(8, 5)).astype(np.float32)
        labels = first + np.arange(8, dtype=np.int64) % 2
        targets = inputs[:, :2] if is_regression else labels
        experiences.append(tensors.Experience(inputs, targets, inputs[:4], targets[:4]))
    return tensors.write(experiences, folder), experiences


def test_it_has_the_samples_in_their_order(tmp_path):
    name, given = written(tmp_path)
    scenario = Tensors(data=name).build(scenario="task", seed=0, data_root=tmp_path)
    assert (scenario.inputs, scenario.outputs, scenario.classes) == ((5,), 4, ((0, 1), (2, 3)))
    for number, experience in enumerate(scenario.train_stream):
        inputs, labels = zip(*((x, y) for x, y, _ in experience.dataset), strict=True)
        assert torch.equal(torch.stack(inputs), torch.from_numpy(given[number].train_inputs))
        assert list(labels) == given[number].train_targets.tolist()
    (facts,) = scenario.data
    assert facts["fingerprint"] == name.removeprefix("tensors-") and facts["release"] == "other"


@pytest.mark.parametrize("is_regression", [False, True])
def test_held_out_samples_are_of_the_training_data_of_each_class_and_drawn_by_the_seed(
    tmp_path, is_regression
):
    name, given = written(tmp_path, is_regression)
    stream = Tensors(data=name, validation=0.25)
    kind = "domain" if is_regression else "class"
    parts = [stream.build(scenario=kind, seed=seed, data_root=tmp_path) for seed in (0, 0, 1)]
    rows = [
        [tensor_parts(one.dataset)[0][0].rows.tolist() for one in made.validation_stream]
        for made in parts
    ]
    assert rows[0] == rows[1] != rows[2]
    for number, held_out in enumerate(rows[0]):
        used = tensor_parts(parts[0].train_stream[number].dataset)[0][0].rows.tolist()
        assert sorted(used + held_out) == [*range(8)] and len(held_out) == 2
        sample, target, _ = parts[0].validation_stream[number].dataset[0]
        row = held_out[0]
        assert torch.equal(sample, torch.from_numpy(given[number].train_inputs[row]))
        expected = torch.as_tensor(given[number].train_targets[row])
        assert torch.equal(torch.as_tensor(target), expected)
        assert len(parts[0].test_stream[number].dataset) == 4
        if not is_regression:
            assert sorted(row % 2 for row in held_out) == [0, 1], "one of each class"
    assert (
        "validation"
        not in Tensors(data=name).build(scenario=kind, seed=0, data_root=tmp_path).streams
    )


def test_it_keeps_the_contract_of_streams(tmp_path):
    name = written(tmp_path)[0]
    check_stream(Tensors, {"data": name, "validation": 0.25}, data_root=tmp_path)


def test_token_numbers_stay_integers(tmp_path):
    tokens = np.arange(24, dtype=np.int64).reshape(8, 3)
    labels = np.arange(8) % 2
    name = tensors.write([tensors.Experience(tokens, labels, tokens, labels)], tmp_path)
    scenario = Tensors(data=name).build(scenario="class", seed=0, data_root=tmp_path)
    sample, _, _ = scenario.train_stream[0].dataset[1]
    assert scenario.dtype == torch.int64 and sample.tolist() == [3, 4, 5]
    check_stream(Tensors, {"data": name}, data_root=tmp_path)


def test_vectors_of_floats_are_a_regression_in_the_domain_scenario_alone(tmp_path):
    stream = Tensors(data=written(tmp_path, is_regression=True)[0])
    scenario = stream.build(scenario="domain", seed=0, data_root=tmp_path)
    assert (scenario.measure, scenario.outputs) == ("loss", 2)
    with pytest.raises(ValueError, match="must be domain for a regression stream, got 'class'"):
        stream.build(scenario="class", seed=0, data_root=tmp_path)


@pytest.mark.parametrize("data", ["", "digits", "tensors-1"])
def test_another_name_is_refused_with_how_to_give_data(data):
    with pytest.raises(UserError, match=r"nanocl.run\(stream=\[\(train, test\), ...\]\)"):
        Tensors(data=data)

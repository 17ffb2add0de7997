"""A stream of tensors from Python has their samples, in their order."""

import numpy as np
import pytest
import torch

from nanocl.data import tensors
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


def test_it_keeps_the_contract_of_streams(tmp_path):
    check_stream(Tensors, {"data": written(tmp_path)[0]}, data_root=tmp_path)


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

"""The claims that all checks share."""

import random

import numpy as np
import pytest
import torch

from nanocl.plugins.state import same_values
from nanocl.testing import NotConforming
from nanocl.testing._claims import silence
from nanocl.training.randomness import global_seed


def numbers():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_global_seed_seeds_all_generators_and_restores_them():
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    expected = numbers()
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    with global_seed(1) as first:
        inside = numbers()
    with global_seed(1) as second:
        assert numbers() == inside
    assert numbers() == expected
    assert same_values(first, second) and set(first) == {"random", "numpy", "torch"}
    with global_seed(2) as other:
        assert numbers() != inside
    assert not any(same_values(first[name], other[name]) for name in first)


def test_silence_notices_what_is_printed_and_passes_everything_else():
    with silence(int):
        pass
    with pytest.raises(NotConforming, match="int: nothing may be printed, got 'done"), silence(int):
        print("done")


NAN = float("nan")


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, NAN]), True),
        (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64), False),
        (torch.zeros(2, 1), torch.zeros(2), False),
        ({"a": [1, (NAN, torch.ones(2))]}, {"a": [1, [NAN, torch.ones(2)]]}, True),
        ({"a": 1}, {"b": 1}, False),
        ([1, 2], [1], False),
        (np.arange(3), np.arange(3), True),
        (np.arange(3), np.arange(4), False),
        (1, 1.0, False),
        (None, None, True),
    ],
)
def test_same_values_compares_nested_values_with_their_types(a, b, equal):
    assert same_values(a, b) is equal

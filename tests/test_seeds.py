"""What every test begins with."""

import random

import numpy
import torch


def test_every_test_draws_the_same_random_numbers_in_any_order_of_tests():
    reference = torch.Generator().manual_seed(0)
    assert torch.equal(torch.rand(3), torch.rand(3, generator=reference))
    assert numpy.array_equal(numpy.random.rand(3), numpy.random.RandomState(0).rand(3))
    assert random.random() == random.Random(0).random()

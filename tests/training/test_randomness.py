"""Every global generator goes on where it was."""

import random

import numpy
import torch

from nanocl.training import randomness


def draw():
    return torch.rand(3).tolist(), random.random(), numpy.random.rand(3).tolist()


def test_restored_generators_draw_the_same_numbers_again():
    saved = randomness.state()
    first = draw()
    assert draw() != first
    randomness.restore(saved)
    assert draw() == first

"""Permuted moves the pixels of all images of an experience alike."""

import pytest
import torch
from experiences import both, build

from nanocl.streams.permuted import Permuted
from nanocl.streams.split import Split


@pytest.mark.parametrize("first", ["identity", "random"])
def test_permuted_moves_the_pixels_of_all_images_alike(first):
    scenario = build(Permuted(data="digits", experiences=3, first=first, pad=1), "domain")
    plain = both(build(Split(experiences=1, pad=1)), 0)
    orders = set()
    for number in range(3):
        images = both(scenario, number)
        # the values that a pixel shows over all images tell where it was read from
        order = [int((plain == column[:, None]).all(0).nonzero()[0]) for column in images.T]
        assert torch.equal(images, plain[:, order])
        assert torch.equal(images.sort(1).values, plain.sort(1).values)
        orders.add(tuple(order))
    assert len(orders) == 3
    assert torch.equal(both(scenario, 0), plain) == (first == "identity")


def test_an_unknown_first_experience_is_refused():
    with pytest.raises(ValueError, match="first must be one of identity, random, got 'none'"):
        Permuted(first="none")

"""Tensors arrive on a device as they are."""

import pytest
import torch

from nanocl.data.transfer import moved


def test_a_tensor_stays_itself_on_its_own_device():
    values = torch.arange(3)
    assert moved(values, "cpu") is values


def test_a_tensor_keeps_shape_and_type_on_another_device():
    there = moved(torch.zeros(2, 3, dtype=torch.uint8), "meta")
    assert (there.device.type, there.shape, there.dtype) == ("meta", (2, 3), torch.uint8)


@pytest.mark.gpu
def test_values_survive_the_way_to_a_gpu_and_back():
    values = torch.randn(1_000_000)
    assert torch.equal(moved(moved(values, "cuda") * 2, "cpu"), values * 2)

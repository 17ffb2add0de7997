"""Drift columns against numbers worked out by hand."""

import math

import pytest
import torch
from torch import nn

from nanocl.training import drift
from nanocl.training.drift import (
    DriftMeter,
    change_by_magnitude,
    changes,
    columns,
    smallest_first,
    squares,
)


def compare(reference, now):
    before, after = (dict(enumerate(tensors)) for tensors in (reference, now))
    return columns([*changes(before, after, squares(before), squares(after)).values()])


def test_columns_of_a_known_change():
    columns = compare(
        [torch.tensor([3.0, 4.0]), torch.tensor([0.0])],
        [torch.tensor([3.0, 1.0]), torch.tensor([4.0])],
    )
    assert columns["l2"] == 5.0
    assert columns["relative"] == 1.0
    assert columns["mean_squared"] == pytest.approx(25 / 3)
    assert columns["touched"] == pytest.approx(2 / 3)
    assert columns["cosine"] == pytest.approx((9 + 4) / (5 * math.sqrt(26)))


def test_touched_counts_bits_not_values():
    assert compare([torch.tensor([0.0, 1.0])], [torch.tensor([-0.0, 1.0])])["touched"] == 0.5
    assert compare([torch.tensor([float("nan")])], [torch.tensor([float("nan")])])["touched"] == 0.0


def test_what_has_no_meaning_is_none():
    columns = compare([torch.zeros(3)], [torch.ones(3)])
    assert columns["relative"] is None and columns["cosine"] is None


def test_change_by_magnitude_puts_small_weights_first():
    reference = torch.arange(20, 0, -1).float()
    now = reference.clone()
    now[reference <= 2] += 0.5
    assert change_by_magnitude(reference, now) == (0.5, *([0.0] * 9))


def test_groups_part_head_from_backbone_and_follow_two_anchors():
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    meter = DriftMeter(model, {"2.weight", "2.bias"})
    with torch.no_grad():
        model[2].bias += 1.0
    first = meter.measure(model)
    assert first.start["backbone"]["l2"] == 0.0 and first.start["head"]["l2"] == pytest.approx(
        math.sqrt(2)
    )
    with torch.no_grad():
        model[2].bias += 1.0
        model[1].running_mean += 3.0
    second = meter.measure(model)
    assert second.start["head"]["l2"] == pytest.approx(2 * math.sqrt(2))
    assert second.previous["head"]["l2"] == pytest.approx(math.sqrt(2))
    assert second.previous["all"]["touched"] == pytest.approx(
        2 / sum(p.numel() for p in model.parameters())
    )
    assert second.previous["buffers"]["l2"] == pytest.approx(3 * math.sqrt(5))
    assert (
        second.layers["2.bias"][0] == pytest.approx(2 * math.sqrt(2))
        and second.average_tensor == 0.0
    )


def test_frozen_parameters_are_no_part_of_the_drift():
    model = nn.Linear(3, 3)
    model.weight.requires_grad_(False)
    assert set(DriftMeter(model, set()).measure(model).layers) == {"bias"}


def test_the_start_is_sorted_once_and_again_only_when_another_start_is_loaded(monkeypatch):
    torch.manual_seed(0)
    model, sorted_now = nn.Linear(8, 8), []
    meter = DriftMeter(model, set())
    sort = drift.smallest_first
    monkeypatch.setattr(drift, "smallest_first", lambda x: (sorted_now.append(1), sort(x))[1])

    def moved(meter):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p))
        flat = [torch.cat([x.flatten() for x in t.values()]) for t in (meter.start, snap())]
        return meter.measure(model).deciles, change_by_magnitude(*flat, order=sort(flat[0]))

    def snap():
        return drift.snapshot(model)

    for _ in range(3):
        measured, expected = moved(meter)
        assert measured == expected
    assert sorted_now == [1]
    meter.load_state_dict(DriftMeter(model, set()).state_dict())
    measured, expected = moved(meter)
    assert measured == expected and sorted_now == [1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_order_is_that_of_a_stable_sort_by_magnitude(dtype):
    drawn = torch.randn(1000, generator=torch.Generator().manual_seed(0)).repeat(2)
    special = torch.tensor([0.0, -0.0, 1e-45, -1e-45, math.inf, -math.inf, 3e38, -3e38])
    reference = torch.cat([drawn, -drawn, special]).to(dtype)
    places = range(len(reference))
    expected = sorted(places, key=lambda place: abs(reference[place].item()))
    order = smallest_first(reference)
    assert order.tolist() == expected and order.dtype == torch.int32


def test_a_measurement_is_that_of_a_meter_that_kept_nothing():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    meter = DriftMeter(model, {"2.weight", "2.bias"})
    for _ in range(3):
        fresh = DriftMeter(model, meter.head)
        fresh.load_state_dict(meter.state_dict())
        with torch.no_grad():
            for tensor in (*model.parameters(), model[1].running_mean):
                tensor.add_(torch.randn_like(tensor))
        assert meter.measure(model) == fresh.measure(model)


def test_each_tensor_is_passed_over_once_for_all_its_columns(monkeypatch):
    """All groups and both references share what one pass over a tensor gives."""
    model, passes = nn.Linear(8, 8, bias=False), []
    meter = DriftMeter(model, set())
    square = drift._square
    monkeypatch.setattr(drift, "_square", lambda x: (passes.append(1), square(x))[1])
    meter.measure(model)
    meter.measure(model)
    passes.clear()
    meter.measure(model)
    assert len(passes) == 3  # the weight, and its change from the start and from the last time

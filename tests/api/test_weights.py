"""The drift of two state dicts is that of a run, and that of plain formulas."""

import numpy
import pytest
import torch
from torch import nn

import nanocl
from nanocl.training.drift import DriftMeter


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))


def copied(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def moved(model):
    with torch.no_grad():
        for place, parameter in enumerate(model.parameters()):
            if place != 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)


def test_the_columns_are_their_formulas():
    model = network()
    before = copied(model)
    moved(model)
    after = model.state_dict()
    measured = nanocl.drift(before, after)
    names = [name for name in before if before[name].is_floating_point()]
    old = numpy.concatenate([before[name].double().numpy().ravel() for name in names])
    new = numpy.concatenate([after[name].double().numpy().ravel() for name in names])
    norm = numpy.linalg.norm
    expected = {
        "l2": norm(new - old),
        "relative": norm(new - old) / norm(old),
        "mean_squared": ((new - old) ** 2).mean(),
        "touched": (new != old).mean(),
        "cosine": new @ old / norm(new) / norm(old),
    }
    assert measured.total == pytest.approx(expected, rel=1e-6)
    parts = numpy.array_split(numpy.abs(new - old)[numpy.argsort(abs(old), kind="stable")], 10)
    assert measured.deciles == pytest.approx([part.mean() for part in parts], rel=1e-5)
    assert measured.layers["0.bias"]["l2"] == 0 and measured.layers["0.weight"]["l2"] > 0
    assert measured.left_out == ("1.num_batches_tracked",)
    frame = measured.to_pandas()
    assert list(frame.index) == [*names, "all"]
    assert frame["l2"]["all"] == measured.total["l2"]


def test_parameters_alone_give_the_drift_of_a_run():
    model = network()
    meter = DriftMeter(model, head=set())
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    moved(model)
    of_a_run = meter.measure(model)
    measured = nanocl.drift(before, dict(model.named_parameters()))
    assert measured.total == of_a_run.start["all"]
    assert measured.deciles == of_a_run.deciles
    assert {name: (row["l2"], row["relative"]) for name, row in measured.layers.items()} == (
        of_a_run.layers
    )


def test_a_state_dict_that_was_not_copied_is_refused():
    model = network()
    before = model.state_dict()
    moved(model)
    with pytest.raises(ValueError, match=r"the same memory.*tensor\.clone\(\)"):
        nanocl.drift(before, model.state_dict())


def test_what_cannot_be_compared_is_left_out_and_named():
    before, after = copied(network()), copied(network())
    before["2.weight"] = torch.zeros(9, 5)
    del after["0.bias"]
    measured = nanocl.drift(before, after)
    assert set(measured.left_out) == {"0.bias", "1.num_batches_tracked", "2.weight"}
    with pytest.raises(ValueError, match="no floating-point tensor is in both"):
        nanocl.drift({"a": torch.ones(2)}, {"b": torch.ones(2)})
    with pytest.raises(ValueError, match=r"w must have one type in both, got torch.float32"):
        nanocl.drift({"w": torch.ones(2)}, {"w": torch.ones(2, dtype=torch.bfloat16)})


def test_differences_of_short_types_are_not_rounded_to_them():
    before = {"w": torch.linspace(-1, 1, 20).bfloat16()}
    after = {"w": (before["w"].float() * -0.37).bfloat16()}
    expected = numpy.linalg.norm((after["w"].double() - before["w"].double()).numpy())
    assert nanocl.drift(before, after).total["l2"] == pytest.approx(expected, rel=1e-6)


def test_weights_without_values_have_no_drift():
    state = {"weight": torch.zeros(3, device="meta")}
    with pytest.raises(ValueError, match="weight is on the meta device, which holds no values"):
        nanocl.drift(state, {"weight": torch.zeros(3)})

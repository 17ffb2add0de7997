"""The quadratic penalty: its value, its gradient, and parameters that have grown."""

import copy

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from nanocl.strategies import _compiled
from nanocl.strategies._penalty import HalfSquare, _Pulls, fit, plain_pulls, snapshot, still

ZERO = torch.zeros(())


@pytest.fixture(params=["plain", "compiled"])
def computed(request, monkeypatch):
    """Both ways to compute the penalty."""
    monkeypatch.setattr(_compiled, "LONG", 0 if request.param == "compiled" else 10**9)
    if request.param == "plain":
        monkeypatch.delitem(_compiled.sys.modules, "numba", raising=False)
    return request.param


def moved_from(centres, model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(centres[name] + torch.randn_like(parameter))


def test_the_penaltys_gradient_is_weight_times_distance(computed):
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    centres = snapshot(model)
    weights = {name: torch.rand_like(p) for name, p in model.named_parameters() if name != "1.bias"}
    half_square = HalfSquare()
    assert half_square(ZERO, model, weights, centres) == 0
    moved_from(centres, model)
    penalty = half_square(ZERO, model, weights, centres, 3.0)
    (7 * penalty).backward()
    expected = 0.0
    for name, parameter in model.named_parameters():
        if name == "1.bias":
            assert parameter.grad is None
            continue
        offset = parameter.detach() - centres[name]
        torch.testing.assert_close(parameter.grad, 21 * weights[name] * offset)
        expected += 1.5 * (weights[name] * offset**2).sum()
    torch.testing.assert_close(penalty.detach(), expected)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_compiled_and_plain_gradients_are_equal_to_the_bit(kind, threads, monkeypatch):
    monkeypatch.setattr(_compiled, "LONG", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    # a length below, at and above one block, and enough entries for two threads
    model = nn.ParameterList(
        nn.Parameter(torch.randn(n, dtype=kind)) for n in (1, 67, 8192, 8193, 70001)
    )
    centres = {name: torch.randn_like(p) for name, p in model.named_parameters()}
    weights = {name: torch.rand_like(p) for name, p in model.named_parameters()}
    pulls = _Pulls(model, weights, centres)
    made, penalty = pulls.compute(0.3)
    torch.set_num_threads(before)
    assert pulls._rows is not None  # the loop ran
    held = [p.detach() for p in model]
    plain, sums = plain_pulls(held, [*centres.values()], [*weights.values()], 0.3)
    assert all(map(torch.equal, made, plain))
    torch.testing.assert_close(penalty, 0.15 * sums.sum())


def test_a_constant_beside_the_penalty_changes_its_value_alone(computed):
    model = nn.Linear(3, 2)
    centres = snapshot(model)
    moved_from(centres, model)
    weights = {name: torch.rand_like(p) for name, p in model.named_parameters()}
    without, beside = (HalfSquare()(ZERO, model, weights, centres, 2.0, c) for c in (0.0, 5.0))
    torch.testing.assert_close(beside, without + 5)
    pairs = [torch.autograd.grad(value, model.parameters()) for value in (without, beside)]
    assert all(map(torch.equal, *pairs))


def test_an_unused_parameter_at_its_centre_gets_no_gradient(computed):
    model = nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2)])
    centres = snapshot(model)
    weights = {name: torch.ones_like(p) for name, p in model.named_parameters()}
    with torch.no_grad():
        model[0].weight += 1
    HalfSquare()(model[0](torch.ones(3)).sum(), model, weights, centres).backward()
    assert model[1].weight.grad is None
    # 1 from the loss, and the distance of 1
    torch.testing.assert_close(model[0].weight.grad, torch.full((2, 3), 2.0))


def test_the_first_gradient_tells_what_the_values_tell():
    """As on a GPU, where the values are not read."""
    torch.manual_seed(0)
    heads = nn.ModuleList([nn.Linear(3, 2) for _ in range(4)])
    centres = snapshot(heads)
    weights = {name: torch.ones_like(p) for name, p in heads.named_parameters()}
    weights["2.weight"].zero_()
    with torch.no_grad():
        heads[3].bias += 1  # moved before the experience
    other = copy.deepcopy(heads)
    by_value = _Pulls(heads, weights, centres)
    by_gradient = _Pulls(other, weights, centres)
    columns = zip(*[(centres[n], weights[n]) for n in weights], strict=True)
    by_gradient.still = still(by_gradient.parameters, *map(list, columns))
    for used in (0, 1, 0, 2, 1):
        for pulls, model in ((by_value, heads), (by_gradient, other)):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            optimizer.zero_grad()
            made, _ = pulls.compute(0.5)
            model[used](torch.ones(3)).square().sum().backward()
            for parameter, pull in zip(model.parameters(), made, strict=True):
                if pull is not None:
                    parameter.grad = pull if parameter.grad is None else parameter.grad + pull
            optimizer.step()
        pairs = zip(heads.parameters(), other.parameters(), strict=True)
        assert all(torch.equal(a, b) and (a.grad is None) == (b.grad is None) for a, b in pairs), (
            used
        )


def test_a_step_on_a_gpu_reads_no_value():
    with FakeTensorMode():  # refuses to read any
        model = nn.Linear(3, 2)
        pulls = _Pulls(model, snapshot(model), snapshot(model))
        pulls.still = [False, True]
        (weight, bias), penalty = pulls.compute(2.0)
    assert weight.shape == (2, 3) and bias is None and penalty.shape == ()


def test_a_graph_that_is_kept_gives_the_gradient_twice(computed):
    model = nn.Linear(3, 2)
    centres = snapshot(model)
    moved_from(centres, model)
    penalty = HalfSquare()(ZERO, model, snapshot(model), centres)
    first = torch.autograd.grad(penalty, model.parameters(), retain_graph=True)
    second = torch.autograd.grad(penalty, model.parameters())
    assert all(map(torch.equal, first, second))


def test_a_copy_has_the_penalty_of_its_own_model(computed):
    model = nn.Linear(3, 2)
    centres = snapshot(model)
    moved_from(centres, model)
    pair = (HalfSquare(), model, {name: torch.ones_like(p) for name, p in centres.items()}, centres)
    penalty = pair[0](ZERO, *pair[1:])
    copied = copy.deepcopy(pair)
    assert torch.equal(copied[0](ZERO, *copied[1:]), penalty)
    copied[3]["weight"].zero_()
    fresh = copied[1].weight.detach().square().sum()
    rest = (copied[1].bias.detach() - centres["bias"]).square().sum()
    torch.testing.assert_close(copied[0](ZERO, *copied[1:]).detach(), 0.5 * (fresh + rest))


def test_the_penalty_covers_grown_parameters_in_their_old_part():
    model = nn.Linear(3, 4)
    held = fit({"weight": torch.ones(2, 3), "bias": torch.ones(2), "gone": torch.ones(1)}, model)
    assert held["weight"].tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 2
    assert held["bias"].tolist() == [1.0, 1.0, 0.0, 0.0] and "gone" not in held

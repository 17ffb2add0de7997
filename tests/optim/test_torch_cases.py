"""The cases of torch's own optimizer tests (pytorch/test/test_optim.py), for our optimizers.

Cases of options that we lack (`foreach`, `maximize`, `differentiable`), of `capturable`, which has
tests of its own, and of sparse or complex parameters, which we refuse, are left out.
"""

import copy

import pytest
import torch
from regression import closure_of, regression
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, LinearLR, PolynomialLR, StepLR
from trajectories import assert_same, tiny_params, train

TYPES = (torch.float32, torch.bfloat16, torch.float64, torch.float16)


# torch's `get_error_inputs_for_all_optims`: arguments, the error's type and its words
ERRORS = {
    "no list": (lambda p, q: p, TypeError, "should be an iterable of Tensors or dicts"),
    "in two groups": (
        lambda p, q: [{"params": [p]}, {"params": [p]}],
        ValueError,
        "some parameters appear in more than one parameter group",
    ),
    "some names": (
        lambda p, q: [("weight", p), q],
        ValueError,
        "all optimizer params should be with/without names",
    ),
    "names of a group": (
        lambda p, q: [{"params": [p]}, {"params": [("weight", q)]}],
        ValueError,
        "all optimizer param groups should be with/without names",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_parameters_are_refused_in_torchs_words(make, case):
    arguments, error, words = ERRORS[case]
    with pytest.raises(error, match=words):
        make(arguments(*tiny_params()[:2]))


def test_a_repeated_parameter_of_a_group_is_a_warning(make):
    param = tiny_params()[0]
    with pytest.warns(UserWarning, match="a parameter group with duplicate parameters"):
        make([param, param])


def test_an_lr_of_two_entries_is_refused(make):
    with pytest.raises(ValueError, match="lr must be a number"):
        make(tiny_params(), lr=torch.tensor([0.001, 0.001]))


SCHEDULES = {
    "none": [],
    "step": [lambda optimizer: StepLR(optimizer, gamma=0.99999, step_size=300)],
    "two": [
        lambda optimizer: ExponentialLR(optimizer, gamma=0.999),
        lambda optimizer: LinearLR(optimizer, start_factor=0.8, total_iters=4),
    ],
    "polynomial": [lambda optimizer: PolynomialLR(optimizer, power=0.9, total_iters=100)],
}


@pytest.mark.parametrize("contiguous", [True, False])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_steps_go_in_the_right_direction(make, contiguous, schedule):
    weight, bias, inputs = regression(contiguous)
    optimizer = make([weight, bias], lr=0.05)
    schedulers = [scheduler(optimizer) for scheduler in SCHEDULES[schedule]]
    closure = closure_of(optimizer, weight, bias, inputs)
    initial = closure().item()
    for _ in range(20):
        loss = optimizer.step(closure)
        for scheduler in schedulers:
            scheduler.step()
    assert isinstance(loss, torch.Tensor) and closure().item() < initial


def test_groups_with_their_own_lr_go_in_the_right_direction(make):
    weight, bias, inputs = regression()
    optimizer = make([{"params": [weight]}, {"params": [bias], "lr": 0.01}], lr=0.05)
    schedulers = [scheduler(optimizer) for scheduler in SCHEDULES["two"]]
    closure = closure_of(optimizer, weight, bias, inputs)
    initial = closure().item()
    for _ in range(20):
        optimizer.step(closure)
        for scheduler in schedulers:
            scheduler.step()
    assert closure().item() < initial


@pytest.mark.parametrize("schedule", ["none", "step"])
def test_a_tensor_as_lr_is_a_number_as_lr(make, schedule):
    results = []
    for lr in (0.0625, torch.tensor(0.0625), torch.tensor([0.0625])):
        weight, bias, inputs = regression()
        optimizer = make([weight, bias], lr=lr)
        schedulers = [scheduler(optimizer) for scheduler in SCHEDULES[schedule]]
        for _ in range(5):
            optimizer.step(closure_of(optimizer, weight, bias, inputs))
            for scheduler in schedulers:
                scheduler.step()
        assert torch.is_tensor(lr) == torch.is_tensor(optimizer.param_groups[0]["lr"])
        results.append([weight.detach(), bias.detach()])
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


@pytest.mark.parametrize("option", ["lr", "betas", "eps", "weight_decay"])
def test_a_tensor_that_changes_in_place_is_read_in_each_step(make, option):
    numbers = {"lr": (0.05, 0.2), "betas": (0.9, 0.5), "eps": (1e-8, 0.5), "weight_decay": (0, 0.5)}
    first, second = numbers[option]
    if option not in make(tiny_params()).defaults:
        return
    params, others = tiny_params(), tiny_params()
    tensor = torch.tensor(float(first), dtype=torch.float64)
    second_beta = torch.tensor(0.999, dtype=torch.float64)
    changing = make(params, **{option: (tensor, second_beta) if option == "betas" else tensor})
    by_hand = make(others, **{option: (first, 0.999) if option == "betas" else float(first)})
    train(params, changing, 3)
    train(others, by_hand, 3)
    tensor.fill_(second)
    by_hand.param_groups[0][option] = (second, 0.999) if option == "betas" else second
    train(params, changing, 3, first=3)
    train(others, by_hand, 3, first=3)
    assert_same(params, others)


def test_weight_decay_of_a_group_is_its_own(make):
    """Only the weight decays; torch's test also has zero gradients."""
    weight, bias, _ = regression()
    decayed = make(
        [{"params": [weight], "weight_decay": 0.5}, {"params": [bias], "weight_decay": 0.0}], lr=0.1
    )
    before = bias.detach().clone()
    for param in (weight, bias):
        param.grad = torch.zeros_like(param)
    decayed.step()
    assert torch.equal(bias, before)


def test_a_group_of_lr_zero_stays(make):
    weight, bias, inputs = regression()
    optimizer = make([{"params": [weight]}, {"params": [bias], "lr": 0.0}], lr=0.1)
    before = bias.detach().clone()
    for _ in range(3):
        optimizer.step(closure_of(optimizer, weight, bias, inputs))
    assert torch.equal(bias, before)


def test_parameters_without_gradient_do_not_change(make):
    params = tiny_params()
    optimizer = make(params, weight_decay=0.9)
    before = copy.deepcopy(params)
    for param in params:
        param.grad = None
    optimizer.step()
    assert_same(before, params)
    assert not any(optimizer.state.values())


def test_zero_gradients_of_fresh_parameters_do_not_move_them(make):
    params = tiny_params()
    optimizer = make(params, lr=0.1, weight_decay=0.0)
    before = copy.deepcopy(params)
    for param in params:
        param.grad = torch.zeros_like(param)
    for _ in range(2):
        optimizer.step()
    for param, other in zip(params, before, strict=True):
        torch.testing.assert_close(param, other, rtol=0, atol=1e-7)


def test_another_default_dtype_changes_nothing(make):
    results = []
    for dtype in (torch.float32, torch.float64):
        params = tiny_params()
        generator = torch.Generator().manual_seed(7)
        steps = [
            torch.randn(param.shape, generator=generator, dtype=torch.float32) for param in params
        ]
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            optimizer = make(params, lr=0.05)
            for _ in range(5):
                for param, gradient in zip(params, steps, strict=True):
                    param.grad = gradient.clone()
                optimizer.step()
        finally:
            torch.set_default_dtype(before)
        assert all(param.dtype == torch.float32 for param in params)
        results.append(params)
    assert_same(*results)


def test_parameters_of_several_types_train_in_one_group(make):
    params = [nn.Parameter(torch.ones(30, dtype=dtype)) for dtype in TYPES]
    alone = [nn.Parameter(torch.ones(30, dtype=dtype)) for dtype in TYPES]
    both = make(params, lr=0.05)
    singles = [make([param], lr=0.05) for param in alone]
    for _ in range(4):
        for param in params + alone:
            param.grad = torch.linspace(-1, 1, 30).to(param.dtype)
        both.step()
        for single in singles:
            single.step()
    if "factors" not in both.optional_state and "cut" not in both.defaults:
        assert_same(params, alone)
    assert all(param.isfinite().all() for param in params)

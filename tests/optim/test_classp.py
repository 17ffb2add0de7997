"""CLASSP against its formula, entry by entry, and against Adagrad."""

import pytest
import torch
from torch import nn
from trajectories import assert_follows, gradients_of, make_params, train

from nanocl.footprint import state_bytes_of
from nanocl.footprint.architectures import Weight
from nanocl.optim import CLASSP
from nanocl.optim._reference.classp import CLASSPReference
from nanocl.strategies.classp import CLASSP as Strategy
from nanocl.testing import small_learner, small_stream


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threshold": 0.5},
        {"threshold": 0.2, "power": 2.0, "weight_decay": 0.1},
        {"power": 0.5, "eps": 1e-2},
        {"threshold": 0.5, "apply_decay": False},
    ],
    ids=str,
)
def test_trajectory_equals_the_formula_entry_by_entry(options):
    params = make_params(dtype=torch.float64)
    optimizer, reference = (
        CLASSP(params, lr=0.05, **options),
        CLASSPReference(params, lr=0.05, **options),
    )
    assert_follows(params, optimizer, reference, 10, 1e-12)


def test_power_two_without_threshold_is_adagrad():
    """Except for eps, which is inside the root here and outside in Adagrad."""
    params, expected = make_params(dtype=torch.float64), make_params(dtype=torch.float64)
    train(params, CLASSP(params, lr=0.05, power=2.0, threshold=0.0, eps=1e-20), 20)
    train(expected, torch.optim.Adagrad(expected, lr=0.05, eps=1e-10), 20)
    for param, other in zip(params, expected, strict=True):
        torch.testing.assert_close(param, other, rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_entries_below_the_threshold_keep_every_bit_of_weight_and_sum(dtype):
    params = make_params(dtype=dtype)
    optimizer = CLASSP(params, lr=0.1, threshold=0.25, weight_decay=0.1)
    train(params, optimizer, 1)
    for step in range(1, 5):
        before = [
            (param.detach().clone(), optimizer.state[param]["sum"].clone()) for param in params
        ]
        for param, gradient in zip(params, gradients_of(params, step), strict=True):
            param.grad = gradient
        optimizer.step()
        for param, (weight, total) in zip(params, before, strict=True):
            quiet = param.grad.float().abs() <= 0.5
            assert torch.equal(param[quiet], weight[quiet])
            assert torch.equal(optimizer.state[param]["sum"][quiet], total[quiet])
            assert (optimizer.state[param]["sum"][~quiet] > total[~quiet]).all()


def test_an_entry_that_moved_much_moves_less():
    param = nn.Parameter(torch.zeros(2))
    optimizer, steps = CLASSP([param], lr=1.0, eps=0.0, threshold=0.0), []
    for gradient in ([1.0, 0.0], [1.0, 0.0], [1.0, 1.0]):
        before = param.detach().clone()
        param.grad = torch.tensor(gradient)
        optimizer.step()
        steps.append((before - param.detach()).tolist())
    assert steps == [[1.0, 0.0], [0.5, 0.0], [pytest.approx(1 / 3), 1.0]]


def test_a_bfloat16_sum_keeps_growing():
    """Rounded to nearest, 256 + 1 would stay 256."""
    param = nn.Parameter(torch.zeros(2000))
    optimizer = CLASSP([param], state_dtype="bfloat16", threshold=0.0)
    param.grad = torch.ones(2000)
    for _ in range(400):
        optimizer.step()
    assert optimizer.state[param]["sum"].float().mean().item() == pytest.approx(400, rel=0.01)


@pytest.mark.parametrize("options", [{}, {"state_dtype": "bfloat16"}], ids=str)
def test_state_takes_the_bytes_that_are_predicted(options):
    params = make_params()
    optimizer = CLASSP(params, **options)
    train(params, optimizer, 2)
    counted = [optimizer.state[param]["sum"].nbytes for param in params]
    predicted = state_bytes_of(CLASSP, options, torch.float32)
    assert counted == [predicted(Weight("w", tuple(param.shape))) for param in params]
    assert sum(counted) == optimizer.state_bytes()


def test_the_dense_layers_of_the_strategy_have_no_threshold():
    stream = small_stream()
    learner = small_learner(stream, [Strategy(lr=0.01, dense="head", threshold=1e6)])
    start = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    learner.train(stream.train_stream[0], eval_streams=[])
    assert {
        name for name, p in learner.model.named_parameters() if not torch.equal(p, start[name])
    } == {"head.weight", "head.bias"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": -0.1}, r"threshold must be a number in \[0, inf\), got -0.1"),
        ({"power": 0.0}, r"power must be a number in \(0, inf\), got 0.0"),
        ({"apply_decay": 2}, "apply_decay must be one of True, False, got 2"),
        ({"state_dtype": "int8"}, "state_dtype must be one of .*'int8'"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        CLASSP(make_params(), **options)

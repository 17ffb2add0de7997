"""LIFT against its paper's selection and against a slow reference."""

import pytest
import torch
from torch import nn
from trajectories import (
    assert_close_to_adamw,
    assert_follows,
    make_params,
    selected,
    state_bytes,
    train,
)

from nanocl.footprint import state_bytes_of
from nanocl.footprint.architectures import Weight
from nanocl.optim import LIFT
from nanocl.optim._reference.lift import LIFTReference
from nanocl.optim.lift import low_rank

SHAPES = ((17, 9), (6, 3, 2, 2), (13,), ())


@pytest.mark.parametrize("policy", ["keep", "carry", "reset"])
@pytest.mark.parametrize(
    ("rank", "chunk_size", "scope"),
    [(1, None, "selected"), (0.25, None, "all"), (3, 20, "selected"), (100, None, "selected")],
)
def test_trajectory_equals_the_slow_reference(policy, rank, chunk_size, scope):
    options = dict(
        lr=0.05,
        betas=(0.8, 0.99),
        density=0.3,
        rank=rank,
        mask_interval=4,
        chunk_size=chunk_size,
        moment_policy=policy,
        weight_decay=0.1,
        decay_scope=scope,
    )
    params = make_params(SHAPES, dtype=torch.float64)
    optimizer, reference = LIFT(params, **options), LIFTReference(params, **options)
    assert_follows(params, optimizer, reference, 18, 1e-13)


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (5, 2, 3, 3)])
@pytest.mark.parametrize("rank", [1, 3, 0.5])
def test_the_approximation_is_the_truncated_singular_value_decomposition(shape, rank):
    (param,) = make_params((shape,), torch.float64)
    left, values, right = torch.linalg.svd(
        param.detach().reshape(shape[0], -1), full_matrices=False
    )
    kept = rank if rank >= 1 else -(-len(values) // 2)
    expected = left[:, :kept] * values[:kept] @ right[:kept]
    torch.testing.assert_close(low_rank(param, rank), expected.flatten(), rtol=0, atol=1e-12)


def test_the_approximation_of_a_matrix_of_low_rank_or_of_a_vector_is_itself():
    (left,), (right,), (vector,) = (
        make_params(((9, 2),)),
        make_params(((2, 12),), seed=1),
        make_params(((13,),)),
    )
    product = (left @ right).detach()
    torch.testing.assert_close(low_rank(product, 2), product.flatten(), rtol=0, atol=1e-5)
    assert torch.equal(low_rank(vector, 0.1), vector.detach())
    assert torch.equal(low_rank(product, 40), product.flatten())


def test_selection_follows_the_approximation_and_not_the_weights():
    """A single large weight in a matrix of rank one is not principal."""
    outer = torch.outer(torch.linspace(1, 2, 8), torch.linspace(1, 2, 8))
    outer[0, 0] += 1.2 * outer.max()
    param = nn.Parameter(outer)
    param.grad = torch.ones_like(param)
    optimizer = LIFT([param], density=4 / 64, rank=1)
    optimizer.step()
    assert outer.abs().argmax() == 0 and 0 not in selected(optimizer, param).tolist()


def test_entries_never_selected_keep_every_bit():
    params = make_params(((40, 30), (50,)))
    before = [param.detach().clone() for param in params]
    optimizer = LIFT(params, lr=0.05, density=0.1, rank=2, mask_interval=4)
    touched = [torch.zeros(param.numel(), dtype=torch.bool) for param in params]
    for step in range(20):
        train(params, optimizer, 1, first=step)
        for mask, param in zip(touched, params, strict=True):
            mask[selected(optimizer, param)] = True
    for mask, param, old in zip(touched, params, before, strict=True):
        assert torch.equal(
            param.detach().flatten()[~mask], old.flatten()[~mask]
        ) and 0 < mask.sum() < len(mask)


def test_selection_changes_only_at_multiples_of_the_interval():
    (param,) = make_params(((40, 40),))
    optimizer, previous, changes = LIFT([param], lr=0.5, rank=2, mask_interval=6), None, []
    for step in range(20):
        train([param], optimizer, 1, first=step)
        if previous is None or not torch.equal(selected(optimizer, param), previous):
            changes.append(step)
        previous = selected(optimizer, param)
    assert changes == [0, 6, 12, 18]


@pytest.mark.parametrize(("policy", "first_step"), [("keep", 0.1 / 0.001**0.5), ("carry", 1.0)])
def test_the_first_step_of_a_new_entry_is_longer_in_the_authors_policy(policy, first_step):
    """Their bias correction counts the parameter's steps, so many by then that it is 1."""
    param = nn.Parameter(torch.tensor([3.0, 1.0]))
    optimizer = LIFT([param], lr=1e-4, density=0.5, mask_interval=20_000, moment_policy=policy)
    param.grad = torch.ones(2)
    optimizer.step()
    optimizer.state[param]["step"] = 20_000
    with torch.no_grad():
        param.copy_(torch.tensor([1.0, 3.0]))
    optimizer.step()
    assert selected(optimizer, param).tolist() == [1]
    assert (3 - param[1].item()) / 1e-4 == pytest.approx(
        first_step, rel=0.02
    )  # 3 has a resolution of 2.4e-7


def test_full_density_is_adamw():
    assert_close_to_adamw(lambda params: LIFT(params, lr=0.01, weight_decay=0.1, density=1.0), 20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_compiled_step_equals_the_plain_one(dtype):
    steps = []
    for fused in (None, False):
        params = make_params(SHAPES, dtype=dtype)
        train(params, LIFT(params, lr=0.05, density=0.2, rank=2, mask_interval=3, fused=fused), 10)
        steps.append(params)
    for one, other in zip(*steps, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_weights_that_are_not_finite_raise_no_error():
    (param,) = make_params(((6, 7),))
    with torch.no_grad():
        param[0, 0] = float("inf")
    train([param], LIFT([param], density=0.2, rank=2), 2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"density": 0.2, "moment_policy": "carry"},
        {"state_dtype": "bfloat16"},
        {"chunk_size": 100, "moment_policy": "reset"},
        {"density": 1.0},
    ],
    ids=str,
)
def test_state_takes_the_bytes_that_are_predicted(options):
    params = make_params(((300, 121), (5,)))
    optimizer = LIFT(params, **options)
    predicted = [
        state_bytes_of(LIFT, options, torch.float32)(Weight("w", tuple(param.shape)))
        for param in params
    ]
    train(params, optimizer, 2)
    counted = [state_bytes(optimizer, param) for param in params]
    assert counted == predicted and optimizer.state_bytes() == sum(predicted)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 0}, r"rank must be a number in \(0, inf\), got 0"),
        ({"rank": 2.5}, r"rank must be a whole number or a share in \(0, 1\), got 2.5"),
        ({"density": -0.1}, r"density must be a number in \[0, 1\], got -0.1"),
        ({"mask_interval": 0}, "mask_interval must be an integer of at least 1, got 0"),
        ({"moment_policy": "slot"}, "moment_policy must be one of keep, carry, reset, got 'slot'"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        LIFT(make_params(SHAPES), **options)

"""PaFi's one mask over all parameters, against a slow reference and masks of single layers."""

import copy

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
from nanocl.optim import NanoAdam, PaFi
from nanocl.optim._reference.pafi import PaFiReference


@pytest.mark.parametrize("scope", ["selected", "all"])
@pytest.mark.parametrize(("density", "chunk_size"), [(0.3, 20), (0.07, None), (0.0, 20)])
@pytest.mark.parametrize("fused", [None, False])
def test_trajectory_equals_the_slow_reference(density, chunk_size, scope, fused):
    options = dict(lr=0.05, betas=(0.8, 0.99), density=density, weight_decay=0.1, decay_scope=scope)
    params = make_params(dtype=torch.float64, scales=(1.0, 0.3, 0.1, 1.0))
    optimizer = PaFi(params, chunk_size=chunk_size, fused=fused, **options)
    reference = PaFiReference(params, **options)
    assert_follows(params, optimizer, reference, 15, 1e-14)


def test_one_threshold_holds_for_all_layers_and_not_one_for_each():
    shapes, scales = ((40, 30), (40, 30), (50,)), (1.0, 0.01, 0.3)
    params = make_params(shapes, scales=scales)
    before = [param.detach().clone().flatten() for param in params]
    optimizer, layered = (
        PaFi(params, density=0.2),
        NanoAdam(copy.deepcopy(params), select="static-small", density=0.2),
    )
    train(params, optimizer, 1)
    chosen = [selected(optimizer, param) for param in params]
    weights = torch.cat(before).abs()
    mask = torch.zeros(len(weights), dtype=torch.bool)
    mask[torch.cat([chosen[0], chosen[1] + 1200, chosen[2] + 2400])] = True
    assert mask.sum() == 490 and weights[mask].max() < weights[~mask].min()
    train(layered.param_groups[0]["params"], layered, 1)
    counts = [len(selected(layered, param)) for param in layered.param_groups[0]["params"]]
    assert counts == [240, 240, 10] and len(chosen[1]) > 470 and len(chosen[0]) < 10


def test_the_choice_is_never_made_again_and_all_other_entries_keep_every_bit():
    params = make_params()
    before = [param.detach().clone().flatten() for param in params]
    optimizer = PaFi(params, lr=0.1, density=0.2)
    train(params, optimizer, 1)
    chosen = [selected(optimizer, param) for param in params]
    train(params, optimizer, 20, first=1)
    for param, old, index in zip(params, before, chosen, strict=True):
        assert torch.equal(selected(optimizer, param), index)
        mask = torch.ones(param.numel(), dtype=torch.bool)
        mask[index] = False
        assert torch.equal(param.detach().flatten()[mask], old[mask])
    assert sum(map(len, chosen)) == 34  # a fifth of 168, rounded up


def test_equal_magnitudes_are_taken_from_the_front():
    params = [nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(4))]
    optimizer = PaFi(params, density=0.625)
    train(params, optimizer, 1)
    assert [selected(optimizer, param).tolist() for param in params] == [[0, 1, 2, 3], [0]]


def test_the_choice_skips_dense_and_frozen_parameters_and_its_threshold_holds_for_late_ones():
    params = make_params(((30,), (30,), (30,)), scales=(1.0, 1e-3, 1.0))
    params[2].requires_grad_(False)
    largest = params[0].abs().sort().values[2]
    expected = (params[2].abs() <= largest).nonzero()[:, 0].tolist()
    optimizer = PaFi(
        [{"params": [params[0]]}, {"params": [params[1]], "density": 1.0}, {"params": [params[2]]}],
        density=0.1,
    )
    for param in params[:2]:
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert len(selected(optimizer, params[0])) == 3 and "offset" not in optimizer.state[params[1]]
    params[2].grad = torch.ones_like(params[2])
    optimizer.step()
    assert (
        selected(optimizer, params[2]).tolist() == expected
        and len(selected(optimizer, params[0])) == 3
    )


def test_a_group_added_later_is_chosen_from_by_itself():
    params = make_params(((30,), (30,)), scales=(1.0, 100.0))
    optimizer = PaFi(params[:1], density=0.1)
    train(params[:1], optimizer, 2)
    optimizer.add_param_group({"params": params[1:]})
    train(params, optimizer, 2)
    assert [len(selected(optimizer, param)) for param in params] == [3, 3]


def test_full_density_is_adamw():
    assert_close_to_adamw(lambda params: PaFi(params, lr=0.01, weight_decay=0.1, density=1.0), 20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "options", [{}, {"density": 0.03, "state_dtype": "bfloat16"}, {"chunk_size": 100}], ids=str
)
def test_state_takes_the_bytes_that_are_predicted_but_for_the_rounding_of_each_share(
    options, dtype
):
    params = make_params(((30, 70), (50,), (40, 40)), dtype, scales=(1.0, 0.1, 0.5))
    optimizer = PaFi(params, **options)
    predicted = sum(
        state_bytes_of(PaFi, options, dtype)(Weight("w", tuple(param.shape))) for param in params
    )
    train(params, optimizer, 2)
    counted = sum(state_bytes(optimizer, param) for param in params)
    assert counted == optimizer.state_bytes()
    assert counted <= predicted < counted + 3 * 10  # ten bytes an entry


def test_frozen_parameters_are_no_part_of_the_predicted_state():
    params = make_params(((30, 70), (40, 40)), torch.float32, scales=(1.0, 0.1))
    params[0].requires_grad_(False)
    optimizer = PaFi(params)
    train(params[1:], optimizer, 2)
    assert optimizer.state_bytes() == sum(state_bytes(optimizer, param) for param in params)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"density": 1.1}, r"density must be a number in \[0, 1\], got 1.1"),
        ({"chunk_size": 0}, "chunk_size must be an integer of at least 1, got 0"),
        ({"decay_scope": "none"}, "decay_scope must be one of selected, all, got 'none'"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        PaFi(make_params(), **options)

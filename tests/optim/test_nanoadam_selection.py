"""Which entries NanoAdam selects, and when."""

import math

import torch
from torch import nn
from trajectories import make_params, selected, train

from nanocl.optim import NanoAdam


def test_selection_changes_only_at_multiples_of_the_two_intervals():
    params = make_params(shapes=((40, 40),))
    optimizer = NanoAdam(params, lr=0.05, mask_interval=5, density_interval=7)
    previous, changes = None, []
    for step in range(40):
        train(params, optimizer, 1, first=step)
        now = selected(optimizer, params[0])
        if previous is None or not torch.equal(now, previous):
            changes.append(step)
        previous = now
    assert changes == [step for step in range(40) if step % 5 == 0 or step % 7 == 0]


def test_first_selection_depends_on_the_weights_alone():
    first, second = make_params(), make_params()
    optimizers = NanoAdam(first), NanoAdam(second)
    train(first, optimizers[0], 1, first=0)
    train(second, optimizers[1], 1, first=77)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(selected(optimizers[0], one), selected(optimizers[1], other))


def test_each_chunk_gives_its_own_smallest_entries():
    scales = torch.cat([torch.full((32,), 1.0), torch.full((32,), 0.01), torch.full((10,), 100.0)])
    param = nn.Parameter(make_params(shapes=((74,),))[0].detach() * scales)
    weights = param.detach().clone().abs()
    param.grad = torch.ones_like(param)
    optimizer = NanoAdam([param], density=0.2, chunk_size=32)
    optimizer.step()
    chosen = selected(optimizer, param)
    for first, end in ((0, 32), (32, 64), (64, 74)):
        inside = torch.zeros(74, dtype=torch.bool)
        inside[first:end] = True
        mask = torch.zeros(74, dtype=torch.bool)
        mask[chosen] = True
        assert (mask & inside).sum() == math.ceil(0.2 * (end - first))
        assert weights[mask & inside].max() <= weights[~mask & inside].min()
    assert set(chosen.tolist()) != set(weights.argsort()[: len(chosen)].tolist())


def test_small_and_large_selections_are_disjoint_below_one_half():
    params = make_params()[:2]
    chosen = []
    for select in ("small", "large"):
        optimizer = NanoAdam(params, lr=0.0, density=0.45, select=select)
        train(params, optimizer, 1)
        chosen.append([set(selected(optimizer, param).tolist()) for param in params])
    assert all(not small & large for small, large in zip(*chosen, strict=True))


def test_equal_magnitudes_are_taken_from_the_front():
    param = nn.Parameter(torch.tensor([1.0, -0.0, 2.0, 0.0, -1.0, 0.0]))
    param.grad = torch.ones(6)
    optimizer = NanoAdam([param], density=0.5)
    optimizer.step()
    assert selected(optimizer, param).tolist() == [1, 3, 5]
    param = nn.Parameter(torch.zeros(10))
    param.grad = torch.ones(10)
    optimizer = NanoAdam([param], density=0.3)
    optimizer.step()
    assert selected(optimizer, param).tolist() == [0, 1, 2]


def test_random_selection_is_seeded_has_the_exact_size_and_changes():
    def choices(seed):
        params = make_params(shapes=((64, 64),))
        optimizer = NanoAdam(params, density=0.1, select="random", mask_interval=1, seed=seed)
        drawn = []
        for step in range(3):
            train(params, optimizer, 1, first=step)
            drawn.append(selected(optimizer, params[0]).tolist())
        return drawn

    first, again, other = choices(3), choices(3), choices(4)
    assert first == again != other
    assert all(len(set(drawn)) == 410 for drawn in first)
    overlap = len(set(first[0]) & set(first[1]))
    assert 15 < overlap < 75  # 41 expected of two independent tenths


def test_gradient_selection_takes_the_largest_gradients_of_the_step():
    param = nn.Parameter(torch.randn(20, generator=torch.Generator().manual_seed(0)))
    param.grad = torch.arange(20.0).sub(9.5)
    optimizer = NanoAdam([param], density=0.2, select="gradient")
    optimizer.step()
    assert selected(optimizer, param).tolist() == [0, 1, 18, 19]


def test_gallop_takes_the_largest_gradients_in_times_of_the_weight():
    param = nn.Parameter(torch.tensor([1.0, -0.1, 0.0, 4.0, 0.0, 0.5]))
    param.grad = torch.tensor([1.0, 0.3, 0.0, -8.0, 1e-9, 0.9])
    optimizer = NanoAdam([param], density=0.5, select="gallop")
    optimizer.step()
    assert selected(optimizer, param).tolist() == [1, 3, 4]  # 3, 2 and a weight of 0, not 0 / 0


def test_static_selection_never_changes():
    params = make_params()
    optimizer = NanoAdam(params, lr=0.1, density=0.2, select="static-small", mask_interval=2)
    train(params, optimizer, 1)
    first = [selected(optimizer, param) for param in params]
    train(params, optimizer, 20, first=1)
    assert all(
        torch.equal(chosen, selected(optimizer, param))
        for chosen, param in zip(first, params, strict=True)
    )


def test_density_schedule_ends_at_the_final_density_within_one_interval():
    params = make_params(shapes=((50, 20),))
    optimizer = NanoAdam(
        params, density=0.5, final_density=0.1, total_steps=40, mask_interval=3, density_interval=10
    )
    counts = []
    for step in range(45):
        train(params, optimizer, 1, first=step)
        counts.append(len(selected(optimizer, params[0])))
    assert counts[:31:10] == [500, 400, 300, 200]
    assert counts[40:] == [100] * 5
    assert all(counts[step] == counts[step - step % 10] for step in range(45))

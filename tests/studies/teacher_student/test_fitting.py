"""One training step of the compiled engine, against autograd and plain NumPy."""

import numpy as np
import pytest
import torch

from nanocl.studies.teacher_student import _selection
from nanocl.studies.teacher_student.fitting import TwoLayers, fit


def random_network(
    hidden: int, dimension: int, seed: int = 0
) -> tuple[TwoLayers, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    network = TwoLayers(
        generator.standard_normal((hidden, dimension)), generator.standard_normal(hidden)
    )
    return network, generator.standard_normal((50, dimension)), generator.standard_normal(50)


@pytest.mark.parametrize("dimension", [1, 2, 3, 6, 7])
def test_a_step_follows_the_gradient_of_autograd_over_a_batch_of_networks(dimension):
    networks = [random_network(6, dimension, seed) for seed in range(4)]
    weights, heads, inputs, targets = (
        torch.tensor(np.stack(parts), dtype=torch.float32)
        for parts in zip(*((n.weights, n.head, x, y) for n, x, y in networks), strict=True)
    )

    def loss(w, a, x, y):
        return (torch.relu(x @ w.T) @ a - y).square().mean()

    slopes = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))(weights, heads, inputs, targets)
    for place, (network, x, y) in enumerate(networks):
        after = fit(network, x, y, lr=0.1, steps=1)[0]
        for part, before, slope in zip(after, (weights, heads), slopes, strict=True):
            assert np.allclose(part, before[place] - 0.1 * slope[place], atol=2e-6)


@pytest.mark.parametrize(
    ("select", "lowest"),
    [
        (_selection.SMALL, lambda w, g: np.abs(w)),
        (_selection.LARGE, lambda w, g: -np.abs(w)),
        (_selection.GRADIENT, lambda w, g: -np.abs(g)),
    ],
)
def test_one_step_changes_the_chosen_entries_of_each_layer_and_no_bit_of_the_others(select, lowest):
    network, x, y = random_network(10, 3)
    network = TwoLayers(*(part.astype(np.float32) for part in network))
    full = fit(network, x, y, lr=0.1, steps=1)[0]
    after = fit(network, x, y, lr=0.1, steps=1, select=select, share=0.2)[0]
    for before, dense, masked, count in zip(network, full, after, (6, 2), strict=True):
        order = np.argsort(lowest(before, dense - before).ravel(), kind="stable")
        expected = before.copy().ravel()
        expected[order[:count]] = dense.ravel()[order[:count]]
        assert np.array_equal(masked.ravel(), expected)


def test_whole_neurons_are_chosen_by_their_size_and_a_head_of_its_own_is_trained_whole():
    network, x, y = random_network(10, 3)
    size = np.abs(network.head) * np.linalg.norm(network.weights, axis=1)
    after = fit(network, x, y, lr=0.1, steps=20, select=_selection.NEURON, share=0.2)[0]
    moved = np.any(after.weights != network.weights.astype(np.float32), axis=1)
    assert sorted(np.flatnonzero(moved)) == sorted(np.argsort(size)[:2])
    assert np.array_equal(moved, after.head != network.head.astype(np.float32))
    sizes = np.arange(10.0)[::-1]
    after = fit(
        network,
        x,
        y,
        lr=0.1,
        steps=1,
        select=_selection.NEURON,
        share=0.2,
        dense_head=True,
        sizes=sizes,
    )[0]
    ranked = np.argsort(sizes * np.linalg.norm(network.weights, axis=1))[:2]
    assert sorted(
        np.flatnonzero(np.any(after.weights != network.weights.astype(np.float32), axis=1))
    ) == sorted(ranked)
    assert np.all(after.head != network.head.astype(np.float32))


def test_the_random_arm_reaches_every_entry_equally_often_and_renews_its_selection():
    network, x, y = random_network(10, 3)
    start = network.weights.astype(np.float32)
    options = {"lr": 1e-3, "select": _selection.RANDOM, "share": 0.2, "interval": 1}
    moved = [
        fit(network, x, y, steps=1, key=key, **options)[0].weights != start for key in range(400)
    ]
    assert {mask.sum() for mask in moved} == {6}
    counts = np.sum(moved, axis=0)
    assert counts.min() > 50 and counts.max() < 110, "80 are expected, with a deviation of 8"
    assert (fit(network, x, y, steps=100, **options)[0].weights != start).all()
    assert (
        fit(network, x, y, steps=100, **{**options, "interval": 0})[0].weights != start
    ).sum() == 6

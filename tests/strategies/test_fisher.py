"""The Fisher is the exact diagonal; Avalanche's estimate differs and depends on the mini-batch."""

import torch
from avalanche.training.plugins import EWCPlugin
from fisher_cases import Convolutions, Features, a_dataset, a_network, assert_equal, fisher
from torch import nn
from torch.func import functional_call, grad, vmap

from nanocl.strategies._fisher import batched_fisher
from nanocl.testing import small_learner, small_stream


def test_the_fisher_of_a_softmax_linear_model_is_the_analytic_diagonal():
    network = a_network(Features())
    inputs = torch.randn(40, 5)
    chances = network.eval()(inputs).softmax(1).detach()
    variance = chances * (1 - chances)
    actual = fisher(network, a_dataset(inputs, torch.zeros(40, dtype=torch.int64)))
    torch.testing.assert_close(
        actual["head.weight"], (variance[:, :, None] * inputs[:, None].square()).mean(0)
    )
    torch.testing.assert_close(actual["head.bias"], variance.mean(0))


def test_the_fisher_does_not_depend_on_the_mini_batch_size_and_avalanches_does(monkeypatch):
    scenario = small_stream()
    learner, experience = small_learner(scenario, epochs=8), scenario.train_stream[0]
    learner.train(experience, eval_streams=[])
    exact, avalanche = [], []
    for batch_size in (1, 24):
        monkeypatch.setattr("nanocl.strategies._fisher.CHUNK", batch_size)
        exact.append(fisher(learner.model, experience.dataset))
        avalanche.append(
            EWCPlugin(1.0).compute_importances(
                learner.model,
                learner._criterion,
                learner.optimizer,
                experience.dataset,
                "cpu",
                batch_size,
            )
        )
    assert_equal(*exact)
    single, whole = (importance["backbone.1.weight"].data.sum() for importance in avalanche)
    assert single > 3 * whole


def test_the_batched_fisher_is_what_avalanches_plugin_computes():
    scenario = small_stream()
    learner = small_learner(scenario)
    experience = scenario.train_stream[0]
    learner.model.adaptation(experience)
    expected = EWCPlugin(1.0).compute_importances(
        learner.model, learner._criterion, learner.optimizer, experience.dataset, "cpu", 5
    )
    actual = batched_fisher(learner.model, experience.dataset, learner._criterion, 5)
    assert_equal(actual, {name: value.data for name, value in expected.items()})


def test_the_empirical_fisher_squares_the_gradients_of_the_true_labels():
    network = a_network(Features())
    inputs, targets = torch.randn(30, 5), torch.arange(30) % 4
    values = {name: p.detach() for name, p in network.named_parameters()}

    def loss(parameters, sample, target):
        return nn.functional.cross_entropy(
            functional_call(network, parameters, (sample[None],)), target[None]
        )

    each = vmap(grad(loss), in_dims=(None, 0, 0))(values, inputs, targets)
    actual = fisher(network, a_dataset(inputs, targets), "empirical")
    assert_equal(actual, {name: value.square().mean(0) for name, value in each.items()})


def test_the_sampled_fisher_is_right_on_average():
    network = a_network(Features())
    dataset = a_dataset(torch.randn(2000, 5), torch.zeros(2000, dtype=torch.int64))
    exact, sampled = fisher(network, dataset), fisher(network, dataset, "sampled")
    assert not torch.equal(exact["head.weight"], sampled["head.weight"])
    torch.testing.assert_close(exact["head.weight"], sampled["head.weight"], rtol=0.2, atol=0.02)


def test_the_fisher_of_a_regression_is_the_squared_jacobian():
    network = a_network(Features(), "shared", (), 3)
    inputs = torch.randn(20, 5)
    actual = fisher(network, a_dataset(inputs, torch.randn(20, 3)))
    torch.testing.assert_close(actual["head.weight"], inputs.square().mean(0).expand(3, 5))
    torch.testing.assert_close(actual["head.bias"], torch.ones(3))


def test_a_subset_is_drawn_from_the_seed_and_leaves_the_global_generator_alone():
    network = a_network(Features())
    dataset = a_dataset(torch.randn(50, 5), torch.zeros(50, dtype=torch.int64))
    before = torch.get_rng_state()
    first, again, other = (
        fisher(network, dataset, samples=10, seed=seed)["head.weight"] for seed in (1, 1, 2)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_measuring_the_fisher_leaves_the_model_as_it_was():
    network = a_network(Convolutions())
    network.train()
    network.backbone[1].eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    fisher(network, a_dataset(torch.randn(4, 2, 6, 6), torch.zeros(4, dtype=torch.int64)))
    assert network.training and not network.backbone[1].training and network.backbone[9].training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert (
        all(p.grad is None for p in network.parameters()) and not network.backbone[0]._forward_hooks
    )

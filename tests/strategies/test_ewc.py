"""EWC's Fisher is the exact diagonal and its penalty the paper's; Avalanche's estimate is another thing."""

import pytest
import torch
from avalanche.training.plugins import EWCPlugin
from torch import nn
from torch.func import functional_call, grad, vmap

from nanocl.data.batches import TensorDataset
from nanocl.strategies._fisher import batched_fisher, diagonal_fisher
from nanocl.strategies._penalty import fit, half_square, snapshot, zeros
from nanocl.strategies.ewc import EWC
from nanocl.strategies.online_ewc import OnlineEWC
from nanocl.strategies.sgd import SGD
from nanocl.strategies.si import SI
from nanocl.testing import run, small_learner, small_stream
from nanocl.training.heads import Network


class Features(nn.Identity):
    features = 5


class Convolutions(nn.Sequential):
    """Every kind of layer that has its own way: convolutions, norm, in-place activation, linear."""

    features = 6

    def __init__(self):
        super().__init__(
            nn.Conv2d(2, 4, 3, padding=1, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 4, 3, groups=2, padding="same"),
            nn.GroupNorm(2, 4),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(4 * 9, 6),
            nn.LayerNorm(6),
            nn.Dropout(0.5),
        )


def a_dataset(inputs, targets, label=0):
    return TensorDataset(inputs, torch.arange(len(inputs)), targets, task_label=label, train=True)


def a_network(backbone, kind="all", classes=((0, 1), (2, 3)), outputs=4):
    torch.manual_seed(1)
    network = Network(backbone, outputs=outputs, kind=kind, classes=classes)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    return network


def fisher(network, dataset, kind="exact", samples=0, seed=0):
    return diagonal_fisher(network, dataset, kind=kind, samples=samples, seed=seed)


def sample_by_sample(network, inputs, labels):
    """The exact diagonal Fisher with one backward pass for each sample and class."""
    network.eval()
    total = zeros(network)
    for sample, label in zip(inputs, labels, strict=True):
        scores = network(sample[None], label[None])[0]
        for chance, log_chance in zip(
            scores.softmax(0).tolist(), scores.log_softmax(0), strict=True
        ):
            if chance == 0:
                continue
            found = torch.autograd.grad(
                log_chance, list(network.parameters()), retain_graph=True, allow_unused=True
            )
            for name, gradient in zip(total, found, strict=True):
                if gradient is not None:
                    total[name] += chance * gradient.square() / len(inputs)
    return total


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=2e-5, atol=1e-9, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_the_fisher_of_a_softmax_linear_model_is_the_analytic_diagonal():
    network = a_network(Features())
    inputs = torch.randn(40, 5)
    chances = network.eval()(inputs).softmax(1).detach()
    variance = chances * (1 - chances)
    found = fisher(network, a_dataset(inputs, torch.zeros(40, dtype=torch.int64)))
    torch.testing.assert_close(
        found["head.weight"], (variance[:, :, None] * inputs[:, None].square()).mean(0)
    )
    torch.testing.assert_close(found["head.bias"], variance.mean(0))


@pytest.mark.parametrize("kind", ["all", "seen", "own", "masked"])
def test_the_fisher_of_a_deep_network_is_what_single_backward_passes_give(kind):
    network = a_network(Convolutions(), kind)
    network.seen[:3] = True
    inputs, label = torch.randn(9, 2, 6, 6), 1
    network.train()(inputs, 1)  # batch normalisation has statistics of its own now
    found = fisher(network, a_dataset(inputs, torch.full((9,), 2), label))
    assert_equal(found, sample_by_sample(network, inputs, torch.full((9,), label)))
    assert found["backbone.0.weight"].min() > 0


def test_a_layer_called_twice_and_attention_are_exact_too():
    class Repeating(nn.Module):
        features = 8

        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.randn(1, 1, 8))
            self.layer, self.attention = (
                nn.Linear(8, 8),
                nn.MultiheadAttention(8, 2, batch_first=True),
            )

        def forward(self, inputs):
            words = torch.cat([self.token.expand(len(inputs), -1, -1), inputs], 1)
            words = self.layer(torch.tanh(self.layer(words)))
            return self.attention(words, words, words, need_weights=False)[0].mean(1)

    class Shared(nn.Module):
        features = 8

        def __init__(self):
            super().__init__()
            self.layer, self.attention = (
                nn.Linear(8, 8),
                nn.MultiheadAttention(8, 2, batch_first=True),
            )

        def forward(self, inputs):
            words = self.layer(torch.tanh(self.layer(inputs)))
            return self.attention(words, words, words, need_weights=False)[0].mean(1)

    for backbone in (Repeating(), Shared()):
        network, inputs = a_network(backbone), torch.randn(5, 3, 8)
        found = fisher(network, a_dataset(inputs, torch.zeros(5, dtype=torch.int64)))
        assert_equal(found, sample_by_sample(network, inputs, torch.zeros(5, dtype=torch.int64)))


def test_a_parameter_that_two_layers_share_is_refused_in_one_sentence():
    backbone = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    backbone.features = 5
    backbone[1].weight = backbone[0].weight
    with pytest.raises(ValueError, match="use fisher='batched'"):
        fisher(a_network(backbone), a_dataset(torch.randn(3, 5), torch.zeros(3, dtype=torch.int64)))


def test_a_parameter_used_past_its_layer_is_refused_in_one_sentence():
    class Past(nn.Module):
        features = 5

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 5)

        def forward(self, inputs):
            return inputs @ self.layer.weight

    with pytest.raises(ValueError, match="use fisher='batched'"):
        fisher(a_network(Past()), a_dataset(torch.randn(3, 5), torch.zeros(3, dtype=torch.int64)))


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
    found = batched_fisher(learner.model, experience.dataset, learner._criterion, 5)
    assert_equal(found, {name: value.data for name, value in expected.items()})


def test_the_empirical_fisher_squares_the_gradients_of_the_true_labels():
    network = a_network(Features())
    inputs, targets = torch.randn(30, 5), torch.arange(30) % 4
    values = {name: p.detach() for name, p in network.named_parameters()}

    def loss(parameters, sample, target):
        return nn.functional.cross_entropy(
            functional_call(network, parameters, (sample[None],)), target[None]
        )

    each = vmap(grad(loss), in_dims=(None, 0, 0))(values, inputs, targets)
    found = fisher(network, a_dataset(inputs, targets), "empirical")
    assert_equal(found, {name: value.square().mean(0) for name, value in each.items()})


def test_the_sampled_fisher_is_right_on_average():
    network = a_network(Features())
    dataset = a_dataset(torch.randn(2000, 5), torch.zeros(2000, dtype=torch.int64))
    exact, sampled = fisher(network, dataset), fisher(network, dataset, "sampled")
    assert not torch.equal(exact["head.weight"], sampled["head.weight"])
    torch.testing.assert_close(exact["head.weight"], sampled["head.weight"], rtol=0.2, atol=0.02)


def test_the_fisher_of_a_regression_is_the_squared_jacobian():
    network = a_network(Features(), "shared", (), 3)
    inputs = torch.randn(20, 5)
    found = fisher(network, a_dataset(inputs, torch.randn(20, 3)))
    torch.testing.assert_close(found["head.weight"], inputs.square().mean(0).expand(3, 5))
    torch.testing.assert_close(found["head.bias"], torch.ones(3))


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


def test_the_penaltys_gradient_is_weight_times_distance():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    centres = snapshot(model)
    weights = {name: torch.rand_like(p) for name, p in model.named_parameters() if name != "1.bias"}
    assert half_square(model, weights, centres) == 0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)
    penalty = half_square(model, weights, centres)
    (7 * penalty).backward()
    expected = 0.0
    for name, parameter in model.named_parameters():
        if name == "1.bias":
            assert parameter.grad is None
            continue
        offset = parameter.detach() - centres[name]
        torch.testing.assert_close(parameter.grad, 7 * weights[name] * offset)
        expected += 0.5 * (weights[name] * offset**2).sum()
    torch.testing.assert_close(penalty.detach(), expected)


class Losses(SGD):
    """SGD that also notes what the penalty adds to each loss."""

    def __init__(self, **options):
        super().__init__(**options)
        self.added = []

    def before_backward(self, strategy, **kwargs):
        self.added.append((strategy.loss - strategy.criterion()).item())


def test_the_first_experience_has_no_penalty_and_the_second_starts_at_its_minimum():
    scenario, losses = small_stream(), Losses(lr=0.1)
    learner = small_learner(scenario, [EWC(strength=50.0), losses], epochs=1)
    learner.train(scenario.train_stream[0], eval_streams=[])
    assert losses.added == [0.0] * 3
    learner.train(scenario.train_stream[1], eval_streams=[])
    assert losses.added[3] == 0 and all(value > 0 for value in losses.added[4:])


def test_one_quadratic_stands_for_the_sum_over_all_experiences():
    scenario, ewc = small_stream(), EWC(strength=10.0)
    learner = small_learner(scenario, [ewc, SGD(lr=0.1)])
    pairs = []
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
        draw = len(pairs) + 1
        pairs.append(
            (
                fisher(learner.model, experience.dataset, samples=ewc.samples, seed=draw),
                snapshot(learner.model),
            )
        )
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    merged = half_square(learner.model, ewc.importance, ewc.centre) + ewc.floor
    apart = sum(half_square(learner.model, importance, anchor) for importance, anchor in pairs)
    torch.testing.assert_close(merged, apart)
    weights = list(learner.model.parameters())
    first = torch.autograd.grad(half_square(learner.model, ewc.importance, ewc.centre), weights)
    second = torch.autograd.grad(sum(half_square(learner.model, *pair) for pair in pairs), weights)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("strategy", [EWC, OnlineEWC])
def test_a_huge_strength_freezes_what_matters(strategy):
    moved = []
    for strength in (0.0, 1e6):
        scenario = small_stream("domain")
        learner = small_learner(scenario, [strategy(strength=strength, samples=0)], epochs=4)
        learner.train(scenario.train_stream[0], eval_streams=[])
        anchor = snapshot(learner.model)
        importance = fisher(learner.model, scenario.train_stream[0].dataset)
        learner.train(scenario.train_stream[1], eval_streams=[])
        moved.append(half_square(learner.model, importance, anchor).item())
    assert moved[1] < 1e-2 * moved[0]


def test_online_ewc_decays_what_it_held_and_anchors_at_the_last_weights():
    scenario, online = small_stream(), OnlineEWC(decay=0.25, samples=0)
    learner = small_learner(scenario, [online])
    expected = None
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
        new = fisher(learner.model, experience.dataset)
        expected = (
            new if expected is None else {name: 0.25 * expected[name] + new[name] for name in new}
        )
    assert_equal(online.importance, expected)
    assert_equal(online.anchor, snapshot(learner.model))


@pytest.mark.parametrize("strategy", [EWC, OnlineEWC, SI])
def test_heads_that_are_not_in_use_keep_every_bit(strategy):
    scenario = small_stream("task")
    learner = small_learner(scenario, [strategy(strength=100.0)])
    first = scenario.train_stream[0]
    untouched = learner.model.head[2].weight.detach().clone()
    learner.train(first, eval_streams=[])
    trained = learner.model.head[0].weight.detach().clone()
    learner.train(scenario.train_stream[1], eval_streams=[])
    assert torch.equal(learner.model.head[0].weight, trained)
    assert torch.equal(learner.model.head[2].weight, untouched)


def test_the_penalty_covers_grown_parameters_in_their_old_part():
    model = nn.Linear(3, 4)
    held = fit({"weight": torch.ones(2, 3), "bias": torch.ones(2), "gone": torch.ones(1)}, model)
    assert held["weight"].tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 2
    assert held["bias"].tolist() == [1.0, 1.0, 0.0, 0.0] and "gone" not in held


@pytest.mark.parametrize("strategy", [EWC, OnlineEWC])
def test_a_regression_stream_can_be_protected(strategy):
    scenario = small_stream("domain", measure="loss")
    outcome = run(small_learner(scenario, [strategy(strength=10.0)]), scenario)
    plain = run(small_learner(scenario), scenario)
    assert outcome.status == "ok" and outcome.evaluation[0] == plain.evaluation[0]
    assert outcome.evaluation[2] != plain.evaluation[2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strength": -1.0}, r"strength must be in \[0, inf\), got -1.0"),
        ({"strength": float("nan")}, "strength must be in .*nan"),
        ({"fisher": "all"}, "fisher must be one of exact, sampled, empirical, batched, got 'all'"),
        ({"samples": -5}, "samples must be at least 0, got -5"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, said):
    with pytest.raises(ValueError, match=said):
        EWC(**options)

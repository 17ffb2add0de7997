"""Squared gradients of single samples, computed for whole mini-batches, against single passes."""

import pytest
import torch
from fisher_cases import (
    Convolutions,
    a_dataset,
    a_network,
    assert_equal,
    fisher,
    sample_by_sample,
)
from torch import nn


@pytest.mark.parametrize("kind", ["all", "seen", "own", "masked"])
def test_the_fisher_of_a_deep_network_is_what_single_backward_passes_give(kind):
    network = a_network(Convolutions(), kind)
    network.open(range(3))
    inputs, label = torch.randn(9, 2, 6, 6), 1
    network.train()(inputs, 1)  # batch normalisation has statistics of its own now
    actual = fisher(network, a_dataset(inputs, torch.full((9,), 2), label))
    assert_equal(actual, sample_by_sample(network, inputs, torch.full((9,), label)))
    assert actual["backbone.0.weight"].min() > 0


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
        actual = fisher(network, a_dataset(inputs, torch.zeros(5, dtype=torch.int64)))
        assert_equal(actual, sample_by_sample(network, inputs, torch.zeros(5, dtype=torch.int64)))


class Tied(nn.Sequential):
    """Two layers with one weight."""

    features = 5

    def __init__(self):
        super().__init__(nn.Linear(5, 5), nn.Linear(5, 5))
        self[1].weight = self[0].weight


class Past(nn.Module):
    """A weight that is used past its layer, before and after a call of the layer."""

    features = 5

    def __init__(self, *, called):
        super().__init__()
        self.layer, self.last, self.called = nn.Linear(5, 5), nn.Linear(5, 5), called

    def forward(self, inputs):
        values = inputs @ self.layer.weight
        return self.last(self.layer(values) if self.called else values)


class Recurrent(nn.Module):
    """A recurrent layer, read at its outputs or at its last state."""

    features = 5

    def __init__(self, kind, *, read, batch_first=True):
        super().__init__()
        self.cells = kind(5, 5, batch_first=batch_first)
        self.read, self.batch_first = read, batch_first

    def forward(self, inputs):
        words = inputs.view(-1, 3, 5)
        outputs, state = self.cells(words if self.batch_first else words.transpose(0, 1))
        state = state[0] if isinstance(state, tuple) else state
        return outputs.mean(1 if self.batch_first else 0) if self.read == "outputs" else state[-1]


class WordsFirst(nn.Module):
    """Linear layers whose first dimension is that of the words, or of words and samples."""

    features = 5

    def __init__(self, *, joined):
        super().__init__()
        self.layer, self.joined = nn.Linear(5, 5), joined

    def forward(self, inputs):
        words = inputs.view(-1, 3, 5)
        if self.joined:
            return self.layer(words.flatten(0, 1)).view(-1, 3, 5).tanh().sum(1)
        return self.layer(words.transpose(0, 1)).tanh().sum(0)


class Prompted(nn.Module):
    """A layer that is called without any sample."""

    features = 5

    def __init__(self):
        super().__init__()
        self.token, self.layer = nn.Parameter(torch.randn(1, 5)), nn.Linear(5, 5)

    def forward(self, inputs):
        return inputs[:, :5] * self.layer(self.token)


@pytest.mark.parametrize(
    "backbone",
    [
        Tied,
        lambda: Past(called=False),
        lambda: Past(called=True),
        lambda: Recurrent(nn.GRU, read="outputs"),
        lambda: Recurrent(nn.GRU, read="state"),
        lambda: Recurrent(nn.LSTM, read="state"),
        lambda: Recurrent(nn.RNN, read="outputs", batch_first=False),
        lambda: WordsFirst(joined=False),
        lambda: WordsFirst(joined=True),
        Prompted,
    ],
)
def test_a_model_that_is_not_made_of_separate_layers_has_the_exact_fisher_too(backbone):
    network = a_network(backbone())
    width = 5 if isinstance(network.backbone, Tied | Past) else 15
    inputs = torch.randn(3, width)  # as many samples as words
    actual = fisher(network, a_dataset(inputs, torch.zeros(3, dtype=torch.int64)))
    assert_equal(actual, sample_by_sample(network, inputs, torch.zeros(3, dtype=torch.int64)))
    assert all(value.max() > 0 for name, value in actual.items() if "weight" in name)


@pytest.mark.parametrize("kind", ["sampled", "empirical"])
def test_both_ways_give_the_same_sampled_and_empirical_fisher(kind, monkeypatch):
    network = a_network(Convolutions())
    data = a_dataset(torch.randn(9, 2, 6, 6), torch.arange(9) % 4)
    fast = fisher(network, data, kind)
    monkeypatch.setattr("nanocl.strategies._fisher.is_layered", lambda *arguments: False)
    assert_equal(fisher(network, data, kind), fast)


def test_a_network_of_usual_layers_takes_no_backward_pass_for_each_sample(monkeypatch):
    monkeypatch.delattr("nanocl.strategies._fisher.one_by_one")
    network = a_network(Convolutions())
    fisher(network, a_dataset(torch.randn(9, 2, 6, 6), torch.zeros(9, dtype=torch.int64)))

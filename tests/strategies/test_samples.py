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
    network.seen[:3] = True
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

"""Measuring leaves modes and random numbers as they were, whatever the data set does."""

import random
from types import SimpleNamespace

import numpy
import pytest
import torch
from torch import nn
from training_cases import plain_network, vectors

from nanocl.integrations.predictions import Divergence, Reader, measured, undisturbed


class Random(list):
    """A data set that draws random numbers for each sample."""

    def __getitem__(self, number):
        torch.rand(1), numpy.random.rand(), random.random()
        return super().__getitem__(number)


def test_modes_and_generators_are_afterwards_as_they_were():
    network = plain_network().train()
    network[0].eval()

    def drawn():
        return torch.rand(1).item(), numpy.random.rand(), random.random()

    for generator in (torch.manual_seed, numpy.random.seed, random.seed):
        generator(1)
    right = drawn()
    for generator in (torch.manual_seed, numpy.random.seed, random.seed):
        generator(1)
    with undisturbed(network):
        assert not network[2].training
        measured(network, Random(vectors()), Reader())
    assert drawn() == right and network[2].training and not network[0].training


def test_the_batch_size_of_measurements_changes_no_number():
    network, data = plain_network().eval(), vectors(count=7)
    with torch.no_grad():
        found = [measured(network, data, Reader(size)) for size in (1, 3, 7)]
    assert found[0] == pytest.approx(found[1]) and found[0] == pytest.approx(found[2])


def test_a_data_set_without_labels_is_no_kept_task():
    class Echo(torch.nn.Linear):
        def forward(self, x, y=None):
            return super().forward(x)

    with pytest.raises(ValueError, match="needs labels"):
        measured(Echo(4, 2), [{"x": torch.zeros(4)}], Reader())


def test_kl_uses_the_stated_number_of_samples():
    network, data = plain_network().eval(), vectors()
    divergence = Divergence(data, Reader(5), 12)
    with torch.no_grad():
        divergence.begin(network)
        assert sum(map(len, divergence.start)) == 12 and divergence.now(network).kl < 1e-12


def test_a_batch_without_a_label_that_counts_changes_no_loss():
    class Tagger(nn.Module):
        def forward(self, inputs, labels):
            logits = inputs[..., None] * torch.tensor([1.0, 2.0])
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
            return SimpleNamespace(logits=logits, loss=loss)

    model = Tagger()
    model.weight = nn.Parameter(torch.zeros(1))
    counted = [{"inputs": torch.tensor([0.5, 2.0]), "labels": torch.tensor([0, 1])}]
    ignored = [{"inputs": torch.tensor([1.0, 1.0]), "labels": torch.tensor([-100, -100])}]
    reader = Reader(batch_size=1)
    assert measured(model, counted + ignored, reader) == measured(model, counted, reader)


def test_a_kept_data_set_without_samples_has_no_loss():
    with pytest.raises(ValueError, match="no sample with a label that counts"):
        measured(plain_network(), [], Reader())


def test_a_data_set_of_which_half_has_no_label_has_the_numbers_of_the_other_half():
    network, data = plain_network().eval(), vectors(count=8)
    ignored = [(inputs, -100) for inputs, _ in vectors(count=8, seed=1)]
    with torch.no_grad():
        right = measured(network, data, Reader())
        for size in (16, 4):
            assert measured(network, data + ignored, Reader(size)) == pytest.approx(right)

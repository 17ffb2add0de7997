"""Networks and data sets for tests of the Fisher information, and a slow reference."""

import torch
from torch import nn

from nanocl.data.batches import TensorDataset
from nanocl.strategies._fisher import diagonal_fisher
from nanocl.strategies._penalty import zeros
from nanocl.training.heads import Network


class Features(nn.Identity):
    features = 5


class Convolutions(nn.Sequential):
    """Every kind of layer that is computed in its own way."""

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
    """The inputs as an experience with one task label."""
    return TensorDataset(inputs, torch.arange(len(inputs)), targets, task_label=label, train=True)


def a_network(backbone, kind="all", classes=((0, 1), (2, 3)), outputs=4):
    """A network with random weights of standard deviation 0.5."""
    torch.manual_seed(1)
    network = Network(backbone, outputs=outputs, kind=kind, classes=classes)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    return network


def fisher(network, dataset, kind="exact", samples=0, seed=0):
    """The diagonal Fisher on all samples, unless `samples` says how many."""
    return diagonal_fisher(network, dataset, kind=kind, samples=samples, seed=seed)


def sample_by_sample(network, inputs, labels):
    """The exact diagonal Fisher with one backward pass for each sample and class."""
    network.eval()
    total = zeros(network)
    for sample, label in zip(inputs, labels, strict=True):
        scores = network(sample[None], label[None])[0]
        logs = scores.log_softmax(0)
        for probability, log in zip(scores.softmax(0).tolist(), logs, strict=True):
            if probability == 0:
                continue
            parameters = list(network.parameters())
            gradients = torch.autograd.grad(log, parameters, retain_graph=True, allow_unused=True)
            for name, gradient in zip(total, gradients, strict=True):
                if gradient is not None:
                    total[name] += probability * gradient.square() / len(inputs)
    return total


def assert_equal(actual, expected):
    """Both have the same tensors by name, up to rounding."""
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            actual[name], value, rtol=2e-5, atol=1e-9, msg=lambda text, n=name: f"{n}: {text}"
        )

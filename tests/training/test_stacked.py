"""Stacked networks compute what each computes alone, and its gradients."""

import pytest
import torch
from together_runs import Plain
from torch import nn
from torch.nn import functional

from nanocl.training.heads import Network
from nanocl.training.stacked import Stack

LABELS = [[0, 1], [2, 3]]


def networks(kind="own", backbone=Plain):
    torch.manual_seed(0)
    made = [Network(backbone(), outputs=4, classes=LABELS, kind=kind) for _ in range(3)]
    for number, network in enumerate(made):
        network.open(range(number + 1))
    return made


class Convolutional(nn.Sequential):
    features = 8

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 8)
        )


@pytest.mark.parametrize("kind", ["own", "masked", "seen", "all"])
@pytest.mark.parametrize("backbone", [Plain, Convolutional])
def test_scores_and_gradients_are_those_of_each_network(kind, backbone):
    stacked, alone = networks(kind, backbone), networks(kind, backbone)
    inputs = torch.randn(3, 5, 1, 4, 4)
    stack = Stack(stacked)
    scores = stack.scores(inputs, 1)
    targets = torch.tensor([2, 3, 2, 3, 2])
    losses = [functional.cross_entropy(own, targets) for own in scores]
    stack.backward(torch.stack(losses), [0, 2])
    for number, network in enumerate(alone):
        expected = network(inputs[number], 1)
        torch.testing.assert_close(scores[number], expected)
        functional.cross_entropy(expected, targets).backward()
        if number == 1:
            network.zero_grad()
        ours = {name: p.grad for name, p in stacked[number].named_parameters()}
        theirs = {name: p.grad for name, p in network.named_parameters()}
        torch.testing.assert_close(ours, theirs)


def test_what_an_optimizer_changes_in_place_is_what_the_stack_computes_with():
    stacked = networks()
    stack = Stack(stacked)
    inputs = torch.randn(3, 5, 1, 4, 4)
    before = stack.scores(inputs, 0)
    with torch.no_grad():
        for parameter in stacked[1].parameters():
            parameter.mul_(0.5)
    after = stack.scores(inputs, 0)
    assert torch.equal(after[0], before[0]) and not torch.equal(after[1], before[1])
    torch.testing.assert_close(after[1], stacked[1](inputs[1], 0))


def test_the_gradient_of_a_linear_layer_needs_no_copy():
    """A copy takes as long as the matrix product."""
    stack = Stack(networks())
    name = "backbone.1.weight"
    (gradient,) = torch.autograd.grad(
        stack.scores(torch.randn(3, 5, 1, 4, 4), 0).sum(), [stack.tensors[name]]
    )
    assert gradient.is_contiguous() and gradient.shape == (3, 12, 16)


def test_separate_networks_have_memory_of_their_own_and_the_same_parameters():
    stacked = networks()
    before = [*stacked[0].parameters()]
    values = [parameter.clone() for parameter in before]
    Stack(stacked).separate()
    for parameter, value, same in zip(stacked[0].parameters(), values, before, strict=True):
        assert parameter is same and torch.equal(parameter, value)
        assert parameter.untyped_storage().nbytes() == 4 * parameter.numel()


def test_a_frozen_parameter_gets_no_gradient():
    stacked = networks("all")
    for network in stacked:
        network.backbone[1].weight.requires_grad_(False)
    stack = Stack(stacked)
    stack.backward(stack.scores(torch.randn(3, 5, 1, 4, 4), 0).sum((1, 2)), range(3))
    assert stacked[0].backbone[1].weight.grad is None
    assert stacked[0].backbone[1].bias.grad is not None

"""Only open classes answer, and separate heads learn separately."""

import copy

import pytest
import torch
from torch import nn

from nanocl.training.heads import CLOSED, Network, choose

CLASSES = ((0, 3), (1, 4), (2,))


class Backbone(nn.Linear):
    features = 6


class Experience:
    def __init__(self, classes):
        self.classes_in_this_experience = set(classes)


def network(kind):
    torch.manual_seed(0)
    return Network(Backbone(4, 6), outputs=5, kind=kind, classes=CLASSES)


def test_classes_not_met_yet_are_closed_and_get_no_gradient():
    net = network("seen")
    net.train()
    net.adaptation(Experience((0, 3)))
    scores = net(torch.randn(7, 4))
    assert (scores[:, [1, 2, 4]] == CLOSED).all() and (scores[:, [0, 3]] > CLOSED).all()
    nn.functional.cross_entropy(scores, torch.tensor([0, 3] * 3 + [0])).backward()
    assert (
        net.head.weight.grad[[1, 2, 4]].abs().max() == 0 < net.head.weight.grad[[0, 3]].abs().min()
    )


def test_evaluation_opens_no_class():
    net = network("seen")
    net.adaptation(Experience((0, 3)))
    net.eval()
    net.adaptation(Experience((1, 4)))
    assert net.seen.tolist() == [True, False, False, True, False]


def test_what_is_closed_follows_from_what_was_seen_in_copies_and_loaded_states_too():
    net = network("seen")
    assert not net.closed.any()
    net.adaptation(Experience((0, 3)))
    copied, loaded = copy.deepcopy(net), network("seen")
    loaded.load_state_dict(net.state_dict())
    for other in (copied, loaded):
        assert other.closed.tolist() == [False, True, True, False, True]
        other.adaptation(Experience((1,)))
        assert other.closed.tolist() == [False, False, True, False, True]
    assert net.closed.tolist() == [False, True, True, False, True]
    net.load_state_dict(network("seen").state_dict())
    assert not net.closed.any()


def test_masked_and_own_heads_answer_with_the_classes_of_the_task_label():
    inputs, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    for kind in ("masked", "own"):
        scores = network(kind)(inputs, labels)
        for row, label in zip(scores, labels.tolist(), strict=True):
            assert (row > CLOSED).nonzero().flatten().tolist() == sorted(CLASSES[label])


def test_a_mixed_mini_batch_equals_its_single_task_parts():
    net, inputs, labels = network("own"), torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    scores = net(inputs, labels)
    for label in range(3):
        assert torch.equal(scores[labels == label], net(inputs[labels == label], label))


def test_a_head_of_another_task_gets_no_gradient_at_all():
    net = network("own")
    net(torch.randn(3, 4), 1)[:, [1, 4]].sum().backward()
    assert net.head[0].weight.grad is None and net.head[1].weight.grad is not None


@pytest.mark.parametrize("kind", ["seen", "all", "own", "masked", "shared"])
def test_without_labels_a_multi_task_module_gives_the_scores_of_each_label(kind):
    net, inputs = network(kind), torch.randn(3, 4)
    scores = net(inputs, None)
    assert [*scores] == [0, 1, 2]
    assert all(torch.equal(scores[label], net(inputs, label)) for label in scores)


@pytest.mark.parametrize("kind", ["seen", "own", "masked"])
def test_features_and_answer_together_are_the_forward_pass_in_bfloat16_too(kind):
    net, inputs = network(kind).cast(torch.bfloat16), torch.randn(3, 4)
    scores = net.answer(net.features(inputs), 1)
    assert scores.dtype == torch.float32 and torch.equal(scores, net(inputs, 1))


def test_heads_with_task_labels_ask_for_them():
    for kind in ("masked", "own"):
        with pytest.raises(ValueError, match="task label"):
            network(kind)(torch.randn(2, 4))


@pytest.mark.parametrize(
    ("head", "scenario", "measure", "chosen"),
    [
        ("auto", "class", "accuracy", "seen"),
        ("auto", "task", "accuracy", "own"),
        ("auto", "domain", "accuracy", "shared"),
        ("auto", "domain", "loss", "shared"),
        ("all", "class", "accuracy", "all"),
        ("masked", "task", "accuracy", "masked"),
    ],
)
def test_the_head_follows_the_scenario(head, scenario, measure, chosen):
    assert choose(head, scenario, measure) == chosen


def test_a_head_that_does_not_fit_the_scenario_is_refused():
    with pytest.raises(
        ValueError, match="one of auto, seen, all in a class-incremental stream, got 'own'"
    ):
        choose("own", "class", "accuracy")

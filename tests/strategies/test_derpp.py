"""Dark experience replay: the content of the reservoir, and the terms added to the loss."""

import pytest
import torch
from torch import nn

from nanocl.strategies import Strategy
from nanocl.strategies.derpp import DERpp, masked_mean_square, selected_mean_square
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream
from nanocl.training.heads import CLOSED


class Watch(Strategy):
    """Record of each step the mini-batch, the drawn samples, weights, scores, loss, gradient."""

    def __init__(self, derpp):
        super().__init__()
        self.derpp, self.steps = derpp, []

    def after_backward(self, strategy, **kwargs):
        weights = {name: value.clone() for name, value in strategy.model.state_dict().items()}
        head = strategy.model.head
        gradient = head.weight.grad.clone() if isinstance(head, nn.Linear) else None
        output, loss = strategy.mb_output.detach().clone(), strategy.loss.item()
        drawn = [list(map(torch.clone, batch)) for batch in self.derpp.drawn]
        self.steps.append((strategy.mbatch, drawn, weights, output, loss, gradient))


def plain():
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU())
    backbone.features = 12
    return backbone


def watched(head="all", **options):
    derpp, scenario = DERpp(**options), small_stream()
    watch = Watch(derpp)
    learner = small_learner(scenario, [derpp, watch, SGD()], head=head, backbone=plain())
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    return derpp, watch.steps


def test_loss_and_gradient_are_equation_6_of_the_paper():
    _, steps = watched(memory_size=20, alpha=0.3, beta=0.7, replay_batch_size=5)
    model = small_learner(small_stream(), head="all", backbone=plain()).model
    assert not steps[0][1] and all(len(drawn[0][0]) == 5 for _, drawn, *_ in steps[1:])
    for (inputs, targets, labels), drawn, weights, _, loss, gradient in steps[1:]:
        model.load_state_dict(weights)
        (first, _, first_labels, scores), (second, wanted, second_labels, _) = drawn
        expected = (
            nn.functional.cross_entropy(model(inputs, labels), targets)
            + 0.3 * ((model(first, first_labels) - scores) ** 2).mean()
            + 0.7 * nn.functional.cross_entropy(model(second, second_labels), wanted)
        )
        assert loss == pytest.approx(expected.item(), rel=1e-5)
        torch.testing.assert_close(torch.autograd.grad(expected, model.head.weight)[0], gradient)


def test_replayed_samples_have_the_scores_of_the_model_that_saw_them_first():
    _, steps = watched(memory_size=20)
    met = {}
    for (inputs, targets, labels), drawn, _, output, *_ in steps:
        for batch in drawn:
            for picture, target, label, score in zip(*batch, strict=True):
                *expected, scores = met[picture.numpy().tobytes()]
                assert [target, label] == expected
                assert any(torch.equal(score, one) for one in scores)
        for picture, target, label, score in zip(inputs, targets, labels, output, strict=True):
            met.setdefault(picture.numpy().tobytes(), (target, label, []))[2].append(score)


def test_every_sample_stays_with_the_same_probability():
    rounds, kept = 600, torch.zeros(60)
    for seed in range(rounds):
        derpp = DERpp(memory_size=12)
        derpp.generator = torch.Generator().manual_seed(seed)
        for start in range(0, 60, 10):
            batch = torch.arange(start, start + 10)
            derpp._add([batch] * 4)
        assert len(derpp.stored[0].unique()) == 12
        kept[derpp.stored[0]] += 1
    expected = rounds * 12 / 60
    # about chi-squared with 59 degrees of freedom
    statistic = ((kept - expected) ** 2 / (expected * 0.8)).sum()
    assert 30 < statistic < 100


def test_scores_of_classes_that_were_closed_do_not_count():
    derpp, steps = watched(head="seen", memory_size=20, beta=0.0)
    assert (derpp.stored[3] == CLOSED).any()
    assert all(loss < 100 for *_, loss, _ in steps)  # one closed score alone would add thousands


def test_with_both_weights_0_it_is_training_without_memory():
    scenario = small_stream()
    alone = run(small_learner(scenario, [SGD()], head="all"), scenario)
    beside = run(small_learner(scenario, [DERpp(alpha=0.0, beta=0.0), SGD()], head="all"), scenario)
    assert alone.evaluation == beside.evaluation


def test_it_remembers_what_training_without_it_forgets():
    scenario = small_stream()

    def outcome(*strategies):
        parts = [*strategies, SGD(lr=0.1)]
        return run(small_learner(scenario, parts, backbone=plain(), epochs=10), scenario)

    bare, replayed = outcome(), outcome(DERpp(memory_size=30))
    assert max(bare.evaluation[-1][:2]) < 0.1 and min(replayed.evaluation[-1]) > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_size": 0}, r"memory_size must be at least 1, got 0"),
        ({"alpha": -1.0}, "alpha must be in .*-1.0"),
        ({"beta": -0.5}, "beta must be in .*-0.5"),
        ({"replay_batch_size": -1}, "replay_batch_size must be at least 0, got -1"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        DERpp(**options)


def test_the_mean_over_open_scores_needs_no_selection_of_them():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(20, 6, generator=generator)
    scores[:, 4:] = CLOSED
    now = [torch.randn(20, 6, generator=generator).requires_grad_()]
    now.append(now[0].detach().clone().requires_grad_())
    means = [selected_mean_square(now[0], scores), masked_mean_square(now[1], scores)]
    gradients = [torch.autograd.grad(mean, one)[0] for mean, one in zip(means, now, strict=True)]
    torch.testing.assert_close(*means)
    torch.testing.assert_close(*gradients)
    assert not gradients[1][:, 4:].any()

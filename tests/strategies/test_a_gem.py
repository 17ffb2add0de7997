"""A-GEM projects what would harm the memory, and nothing else."""

import pytest
import torch
from torch import nn

from nanocl.strategies import Strategy
from nanocl.strategies.a_gem import AGEM, project
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream


def plain():
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU())
    backbone.features = 12
    return backbone


def parameters_with(gradients):
    made = []
    for gradient in gradients:
        p = nn.Parameter(torch.zeros(len(gradient)))
        p.grad = None if all(value is None for value in gradient) else torch.tensor(gradient)
        made.append(p)
    return made


@pytest.mark.parametrize(
    ("gradients", "reference", "wanted"),
    [
        ([[1.0, 0.0], [0.0]], [[1.0, 0.0], [1.0]], [[1.0, 0.0], [0.0]]),
        ([[1.0, 0.0], [0.0]], [[-2.0, 0.0], [0.0]], [[0.0, 0.0], [0.0]]),
        ([[1.0, 0.0], [0.0]], [[-1.0, 0.0], [1.0]], [[0.5, 0.0], [0.5]]),
        ([[1.0, 0.0], [None]], [[-1.0, 0.0], [1.0]], [[0.5, 0.0], [0.5]]),
        ([[1.0, 2.0], [3.0]], [[0.0, 0.0], [0.0]], [[1.0, 2.0], [3.0]]),
    ],
)
def test_the_projection_is_equation_11_over_all_parameters_as_one_vector(
    gradients, reference, wanted
):
    made = parameters_with(gradients)
    project([(p, torch.tensor(r)) for p, r in zip(made, reference, strict=True)])
    assert [p.grad.tolist() for p in made] == wanted


def test_each_step_takes_the_projected_gradient_of_mini_batch_and_memory():
    scenario, agem, steps = small_stream(), AGEM(memory_size=10, replay_batch_size=6), []

    class Watch(Strategy):
        def before_update(self, strategy, **kwargs):
            steps.append(
                (
                    strategy.mbatch,
                    agem.drawn,
                    {n: v.clone() for n, v in strategy.model.state_dict().items()},
                    [p.grad.clone() for p in strategy.model.parameters()],
                )
            )

    learner = small_learner(
        scenario, [agem, Watch(), SGD(lr=0.1)], head="all", backbone=plain(), epochs=4
    )
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    model, projected = small_learner(scenario, head="all", backbone=plain()).model, 0
    for (inputs, targets, labels), drawn, weights, actual in steps:
        model.load_state_dict(weights)
        loss = nn.functional.cross_entropy(model(inputs, labels), targets)
        g = torch.cat([v.flatten() for v in torch.autograd.grad(loss, list(model.parameters()))])
        if drawn:
            loss = nn.functional.cross_entropy(model(drawn[0], drawn[2]), drawn[1])
            r = torch.cat(
                [v.flatten() for v in torch.autograd.grad(loss, list(model.parameters()))]
            )
            assert len(drawn[1]) == 6
            if g @ r < 0:
                g, projected = g - (g @ r) / (r @ r) * r, projected + 1
                assert abs((g @ r).item()) < 1e-4 * (g.norm() * r.norm()).item() + 1e-6
        torch.testing.assert_close(
            torch.cat([v.flatten() for v in actual]), g, rtol=1e-4, atol=1e-6
        )
    assert 0 < projected < len(steps)


def test_the_first_experience_is_trained_as_without_it():
    scenario = small_stream(experiences=1)
    with_it, without = (
        run(small_learner(scenario, [AGEM()]), scenario),
        run(small_learner(scenario), scenario),
    )
    assert with_it.evaluation == without.evaluation


def test_it_forgets_less_than_training_without_it():
    scenario = small_stream("domain", measure="loss", seed=3)
    bare, held = (
        run(
            small_learner(
                scenario, [*strategies, SGD(lr=0.02)], backbone=plain(), epochs=10, seed=3
            ),
            scenario,
        ).evaluation[-1][0]
        for strategies in ([], [AGEM(memory_size=30)])
    )
    assert held < 0.8 * bare


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_size": 0}, r"memory_size must be at least 1, got 0"),
        ({"replay_batch_size": -1}, "replay_batch_size must be at least 0, got -1"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        AGEM(**options)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_projection_is_the_same_if_the_host_does_not_read_the_product(sign):
    def projected(waits):
        generator = torch.Generator().manual_seed(1)
        made = [nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(2, 3))]
        for p in made:
            p.grad = torch.randn(p.shape, generator=generator)
        noise = [torch.randn(p.shape, generator=generator) for p in made]
        pairs = [(p, sign * p.grad + 0.1 * n) for p, n in zip(made, noise, strict=True)]
        project(pairs, waits=waits)
        return [p.grad for p in made]

    assert all(map(torch.equal, projected(False), projected(True)))


def test_a_parameter_without_gradient_gets_none_from_a_projection_that_is_not_needed():
    made = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))]
    made[0].grad = torch.ones(2)
    project([(p, torch.ones(2)) for p in made], waits=False)
    assert made[1].grad is None and torch.equal(made[0].grad, torch.ones(2))

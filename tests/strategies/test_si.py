"""SI's path integral is the paper's, with any optimizer."""

import pytest
import torch

from nanocl.strategies import Strategy
from nanocl.strategies._penalty import snapshot
from nanocl.strategies.adam import Adam
from nanocl.strategies.sgd import SGD
from nanocl.strategies.si import SI
from nanocl.testing import run, small_learner, small_stream


class Diary(Strategy):
    """Record the loss's own gradient and the weights around each step, by a second forward pass."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def before_update(self, strategy, **kwargs):
        model = strategy.model
        loss = strategy._criterion(model(strategy.mb_x, strategy.mb_task_id), strategy.mb_y)
        named = [(name, p) for name, p in model.named_parameters() if p.grad is not None]
        gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
        self.steps.append(
            [
                {n: g for (n, _), g in zip(named, gradients, strict=True) if g is not None},
                snapshot(model),
            ]
        )

    def after_update(self, strategy, **kwargs):
        self.steps[-1].append(snapshot(strategy.model))


class Scribbler(torch.optim.Adam):
    """An optimizer that uses gradients as scratch space, as some do."""

    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.fill_(1e9)


class Scribbling(Strategy):
    def make_optimizer(self, model):
        return Scribbler(model.parameters(), lr=0.01)


def by_hand(before, steps, xi, omega):
    after = steps[-1][2]
    new = {}
    for name, start in before.items():
        path = torch.zeros_like(start)
        for gradients, old, changed in steps:
            if name in gradients:
                path -= gradients[name] * (changed[name] - old[name])
        new[name] = (omega.get(name, 0) + path / ((after[name] - start) ** 2 + xi)).clamp(min=0)
    return new


@pytest.mark.parametrize(
    "optimizer", [lambda: SGD(lr=0.1, momentum=0.9), lambda: Adam(lr=0.01), Scribbling]
)
@pytest.mark.parametrize("kind", ["class", "task"])
def test_omega_is_what_a_slow_loop_computes(optimizer, kind):
    scenario, si, diary = small_stream(kind), SI(strength=0.5, xi=0.01), Diary()
    learner = small_learner(scenario, [optimizer(), si, diary], backbone=plain())
    expected = {}
    for experience in scenario.train_stream:
        before, diary.steps = snapshot(learner.model), []
        learner.train(experience, eval_streams=[])
        expected = by_hand(before, diary.steps, 0.01, expected)
        for name, value in expected.items():
            torch.testing.assert_close(si.omega[name], value, rtol=1e-3, atol=1e-5)
        assert max(value.max() for value in si.omega.values()) > 1e-3


def test_the_path_integral_adds_up_to_the_loss_change_of_small_steps():
    scenario, si, paths = small_stream(), SI(), []
    learner = small_learner(
        scenario, [SGD(lr=2e-3), si], epochs=60, batch_size=24, backbone=plain()
    )
    experience = scenario.train_stream[0]

    class Keep(Strategy):
        def after_training_exp(self, strategy, **kwargs):
            paths.append(sum(value.sum().item() for value in si.path.values()))

    learner.plugins.insert(0, Keep())
    learner.model.adaptation(experience)
    before = whole_loss(learner, experience)
    learner.train(experience, eval_streams=[])
    change = before - whole_loss(learner, experience)
    assert change > 0.02 and paths[0] == pytest.approx(change, rel=0.02)


def test_the_penalty_is_strength_times_omega_times_squared_distance():
    scenario, si = small_stream(), SI(strength=3.0)
    learner = small_learner(scenario, [SGD(lr=0.1), si])
    learner.train(scenario.train_stream[0], eval_streams=[])
    si.before_training_exp(learner)
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter += 0.1
    learner.loss = torch.zeros(())
    si.before_backward(learner)
    expected = sum(3.0 * (omega * 0.01).sum() for omega in si.omega.values())
    torch.testing.assert_close(learner.loss.detach(), expected, rtol=1e-4, atol=1e-6)


def test_a_huge_strength_holds_the_weights_that_mattered():
    moved = []
    for strength in (0.0, 1e5):
        scenario, si = small_stream("domain"), SI(strength=strength)
        learner = small_learner(scenario, [si], epochs=4)
        learner.train(scenario.train_stream[0], eval_streams=[])
        start, omega = snapshot(learner.model), dict(si.omega)
        learner.train(scenario.train_stream[1], eval_streams=[])
        moved.append(
            sum((omega[n] * (w - start[n]) ** 2).sum() for n, w in snapshot(learner.model).items())
        )
    assert moved[1] < 0.01 * moved[0]


def test_between_experiences_only_omega_and_anchor_are_kept():
    scenario, si = small_stream(), SI()
    run(small_learner(scenario, [si]), scenario)
    kept = {name: value for name, value in si.state_dict().items() if not name.endswith(".state")}
    assert {name for name, value in kept.items() if value == {}} == {
        "path",
        "gradient",
        "weight",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": -1.0}, "strength must be in .*-1.0"),
        ({"xi": 0.0}, r"xi must be in \(0, inf\), got 0.0"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        SI(**options)


def plain():
    backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 12), torch.nn.ReLU())
    backbone.features = 12
    return backbone


def whole_loss(learner, experience):
    part = experience.dataset._flat_data._datasets[0]
    inputs, targets, labels = part.batch(torch.arange(len(part)))
    with torch.no_grad():
        return learner._criterion(learner.model(inputs, labels), targets).item()

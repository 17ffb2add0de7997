"""The optimizers are torch's and ours with the right groups; strategies compose; mistakes are errors."""

import pytest
import torch
from torch import nn

from nanocl import optim
from nanocl.data.batches import MiniBatches
from nanocl.libraries.groups import dense_groups, head_parameters, norm_parameters
from nanocl.strategies import Strategy
from nanocl.strategies.adagrad import Adagrad
from nanocl.strategies.adam import Adam
from nanocl.strategies.adamw import AdamW
from nanocl.strategies.er import ER
from nanocl.strategies.ewc import EWC
from nanocl.strategies.joint import Joint
from nanocl.strategies.lwf import LwF
from nanocl.strategies.microadam import MicroAdam
from nanocl.strategies.nanoadam import NanoAdam
from nanocl.strategies.online_ewc import OnlineEWC
from nanocl.strategies.sgd import SGD
from nanocl.strategies.si import SI
from nanocl.testing import SmallBackbone, run, small_learner, small_stream
from nanocl.training.heads import Network

PAIRS = [
    (
        SGD(lr=0.1, momentum=0.8, weight_decay=0.01, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.01, nesterov=True),
    ),
    (SGD(), lambda p: torch.optim.SGD(p, lr=0.01)),
    (
        Adam(lr=0.01, beta1=0.8, beta2=0.9, eps=1e-6, weight_decay=0.1),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1),
    ),
    (Adam(), torch.optim.Adam),
    (
        AdamW(lr=0.01, beta1=0.8, beta2=0.9, eps=1e-6, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1),
    ),
    (AdamW(), torch.optim.AdamW),
    (
        Adagrad(lr=0.1, lr_decay=0.01, eps=1e-6, weight_decay=0.1),
        lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.01, eps=1e-6, weight_decay=0.1),
    ),
    (Adagrad(), torch.optim.Adagrad),
    (
        MicroAdam(lr=0.01, density=0.2, window=4),
        lambda p: optim.MicroAdam(p, lr=0.01, density=0.2, window=4),
    ),
    (
        NanoAdam(lr=0.01, density=0.3, mask_interval=3, dense="none"),
        lambda p: optim.NanoAdam(p, lr=0.01, density=0.3, mask_interval=3),
    ),
]


def trajectory(make, steps=5):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = make(model)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 6)).square().sum().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize(
    ("strategy", "make"), PAIRS, ids=lambda value: getattr(type(value), "__name__", "")
)
def test_an_optimizer_strategy_takes_the_steps_of_the_optimizer_it_names(strategy, make):
    ours, theirs = (
        trajectory(strategy.make_optimizer),
        trajectory(lambda model: make(model.parameters())),
    )
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_norms_and_head_of_nanoadam_take_the_steps_of_dense_adam():
    """With density 0 nothing else moves."""
    scenario = small_stream()
    learner = small_learner(scenario, [NanoAdam(density=0.0, lr=0.01, mask_interval=2)])
    start = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    learner.train(scenario.train_stream[0], eval_streams=[])
    moved = {
        name for name, p in learner.model.named_parameters() if not torch.equal(p, start[name])
    }
    assert moved == {"backbone.2.weight", "backbone.2.bias", "head.weight", "head.bias"}

    same = trajectory(lambda m: NanoAdam(dense="head", density=1.0, lr=0.01).make_optimizer(m))
    dense = trajectory(lambda m: torch.optim.Adam(m.parameters(), lr=0.01))
    for a, b in zip(same, dense, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_dense_layers_may_have_a_learning_rate_of_their_own():
    network = Network(SmallBackbone(), outputs=4)
    sparse, dense = NanoAdam(lr=0.01, dense_lr=0.001).make_optimizer(network).param_groups
    assert (sparse["lr"], sparse["density"], dense["lr"], dense["density"]) == (
        0.01,
        0.1,
        0.001,
        1.0,
    )


def test_norms_are_found_by_type_and_the_head_by_the_model_or_as_its_last_linear_layer():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1),
        nn.BatchNorm2d(2),
        nn.GroupNorm(1, 2),
        nn.Flatten(),
        nn.Linear(2, 3),
        nn.LayerNorm(3),
        nn.Linear(3, 2),
        nn.BatchNorm1d(2, affine=False),
    )
    assert norm_parameters(model) == {
        f"{i}.{name}" for i in (1, 2, 5) for name in ("weight", "bias")
    }
    assert head_parameters(model) == {"6.weight", "6.bias"}
    own = Network(SmallBackbone(), outputs=4, kind="own", classes=((0, 1), (2, 3)))
    assert head_parameters(own) == {"head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"}
    assert head_parameters(nn.Conv2d(1, 1, 1)) == set()


@pytest.mark.parametrize("dense", ["norms+head", "norms", "head", "none"])
def test_every_parameter_is_in_one_group_even_when_frozen(dense):
    network = Network(SmallBackbone(), outputs=4)
    network.backbone[1].weight.requires_grad_(False)
    grouped = [p for group in dense_groups(network, dense, 0.1) for p in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, network.parameters()))


def test_the_groups_of_a_strategy_survive_training_in_avalanche():
    scenario = small_stream("task")
    learner = small_learner(scenario, [NanoAdam(density=0.5)])
    before = [[id(p) for p in group["params"]] for group in learner.optimizer.param_groups]
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
        assert [
            [id(p) for p in group["params"]] for group in learner.optimizer.param_groups
        ] == before
    assert [group["density"] for group in learner.optimizer.param_groups] == [0.5, 1.0]


def test_what_a_strategy_leaves_out_of_its_optimizer_stays_out():
    class HeadOnly(Strategy):
        def make_optimizer(self, model):
            return torch.optim.SGD(model.head.parameters(), lr=0.1)

    scenario = small_stream()
    learner = small_learner(scenario, [HeadOnly()])
    start = learner.model.backbone[1].weight.detach().clone()
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    assert torch.equal(learner.model.backbone[1].weight, start)
    assert sum(len(group["params"]) for group in learner.optimizer.param_groups) == 2


def test_a_layer_that_appears_later_joins_the_optimizer():
    scenario = small_stream()
    learner = small_learner(scenario, [SGD(lr=0.1)])
    learner.train(scenario.train_stream[0], eval_streams=[])
    learner.model.extra = nn.Parameter(torch.ones(1))
    learner.train(scenario.train_stream[1], eval_streams=[])
    assert any(p is learner.model.extra for p in learner.optimizer.param_groups[0]["params"])


class Inputs(Strategy):
    """Note the inputs of every training mini-batch."""

    def __init__(self):
        super().__init__()
        self.inputs, self.labels = [], []

    def before_forward(self, strategy, **kwargs):
        self.inputs.append(strategy.mb_x.clone())
        self.labels.append(strategy.mb_task_id.clone())


def test_joint_training_sees_every_sample_so_far_once_an_epoch():
    scenario, watch = small_stream(), Inputs()
    learner = small_learner(scenario, [Joint(), watch], epochs=1)
    for number, experience in enumerate(scenario.train_stream):
        watch.inputs, watch.labels = [], []
        learner.train(experience, eval_streams=[])
        assert torch.cat(watch.labels).bincount().tolist() == [24] * (number + 1)
        assert len(torch.cat(watch.inputs).flatten(1).unique(dim=0)) == 24 * (number + 1)


def test_joint_training_stays_on_whole_mini_batches():
    scenario, loaders = small_stream(), []

    class Loader(Strategy):
        def before_training_exp(self, strategy, **kwargs):
            loaders.append(type(strategy.dataloader))

    run(small_learner(scenario, [Joint(), Loader()]), scenario)
    assert loaders == [MiniBatches] * 3


def test_joint_training_at_the_end_waits_for_the_last_experience():
    scenario, watch = small_stream(), Inputs()
    learner = small_learner(scenario, [Joint(when="end"), watch], epochs=2)
    outcome = run(learner, scenario)
    assert outcome.status == "ok" and len(outcome.evaluation) == 3
    assert torch.cat(watch.labels).bincount().tolist() == [48] * 3
    assert outcome.drift[1].start["all"]["l2"] == 0 < outcome.drift[2].start["all"]["l2"]


def test_joint_training_at_the_end_learns_what_naive_training_forgets():
    scenario = small_stream(samples=24)
    joint = run(small_learner(scenario, [Joint(when="end")], epochs=10), scenario).evaluation[-1]
    naive = run(small_learner(scenario, epochs=10), scenario).evaluation[-1]
    assert sum(joint) / 3 > 0.8 and naive[0] < 0.2


@pytest.mark.parametrize(
    "parts",
    [
        (EWC, NanoAdam),
        (ER, LwF),
        (OnlineEWC, MicroAdam),
        (SI, SGD),
        (ER, EWC, SI, LwF, Adagrad),
        (Joint, EWC, AdamW),
    ],
)
def test_strategies_compose(parts):
    scenario = small_stream()
    strategies = [part() for part in parts]
    learner = small_learner(scenario, strategies)
    outcome = run(learner, scenario)
    assert outcome.status == "ok" and len(outcome.evaluation) == 3
    maker = (
        parts[-1]().make_optimizer(learner.model) if hasattr(parts[-1], "make_optimizer") else None
    )
    assert maker is None or type(learner.optimizer) is type(maker)


def test_the_penalties_of_a_composition_add_up():
    """EWC and LwF together change the loss by the sum of what each adds alone."""
    scenario = small_stream()
    ewc, lwf = EWC(strength=20.0), LwF(strength=2.0)
    learner = small_learner(scenario, [ewc, lwf])
    learner.train(scenario.train_stream[0], eval_streams=[])
    added = []

    class Measure(Strategy):
        def before_backward(self, strategy, **kwargs):
            base, values = strategy.criterion(), []
            for parts in ([ewc], [lwf], [ewc, lwf]):
                strategy.loss = base
                for part in parts:
                    part.before_backward(strategy)
                values.append((strategy.loss - base).item())
            added.append(values)

    learner.plugins.append(Measure())
    learner.train(scenario.train_stream[1], eval_streams=[])
    for alone, other, both in added[1:]:
        assert both == pytest.approx(alone + other, rel=1e-3, abs=1e-6) and alone > 0 and other > 0


@pytest.mark.parametrize("strategy", [SGD(lr=1e6), ER(memory_size=5), EWC(), SI(), LwF()])
def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(strategy):
    class Explosive(Strategy):
        def make_optimizer(self, model):
            return torch.optim.SGD(model.parameters(), lr=1e8)

    parts = [strategy] if hasattr(strategy, "make_optimizer") else [strategy, Explosive()]
    scenario = small_stream("domain", measure="loss")
    outcome = run(small_learner(scenario, parts, epochs=8), scenario)
    assert outcome.status == "diverged" and len(outcome.evaluation) < 3


@pytest.mark.parametrize(
    ("name", "near"),
    [("before_bakward", "before_backward"), ("after_trainig_exp", "after_training_exp")],
)
def test_a_misspelt_hook_is_an_error_that_names_the_right_one(name, near):
    with pytest.raises(TypeError, match=f"{name} is no hook of Avalanche's; did you mean '{near}'"):
        type("Typo", (Strategy,), {name: lambda self, strategy, **kwargs: None})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SGD(lr=0.0), r"lr must be in \(0, inf\), got 0.0"),
        (lambda: SGD(lr=float("inf")), "lr must be in .*inf"),
        (lambda: SGD(momentum=1.0), r"momentum must be in \[0, 1\), got 1.0"),
        (lambda: SGD(nesterov=True), "momentum must be in .* with nesterov=True"),
        (lambda: Adam(beta1=1.0), r"beta1 must be in \[0, 1\), got 1.0"),
        (lambda: Adam(beta2=-0.1), "beta2 must be in .*-0.1"),
        (lambda: AdamW(weight_decay=-1.0), "weight_decay must be in .*-1.0"),
        (lambda: AdamW(eps=-1.0), "eps must be in .*-1.0"),
        (lambda: Adagrad(lr_decay=-1.0), "lr_decay must be in .*-1.0"),
        (lambda: NanoAdam(density=1.5), r"density must be a number in \[0, 1\], got 1.5"),
        (
            lambda: NanoAdam(dense="all"),
            r"dense must be one of norms\+head, norms, head, none, got 'all'",
        ),
        (lambda: NanoAdam(dense_lr=-1.0), "dense_lr must be in .*-1.0"),
        (lambda: NanoAdam(select="big"), "select must be one of .*'big'"),
        (lambda: NanoAdam(mask_interval=0), "mask_interval must be .*0"),
        (
            lambda: NanoAdam(final_density=0.04),
            "total_steps must be a positive integer when final_density is given",
        ),
        (lambda: MicroAdam(density=0.0), r"density must be a number in \(0, 1\], got 0.0"),
        (lambda: MicroAdam(window=0), "window must be .*0"),
        (lambda: Joint(when="never"), "when must be one of each, end, got 'never'"),
        (lambda: OnlineEWC(decay=1.5), r"decay must be in \[0, 1\], got 1.5"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_the_state_of_a_strategy_leaves_out_what_hangs_on_the_graph_of_a_mini_batch():
    class Keeps(Strategy):
        def __init__(self):
            super().__init__()
            self.anchor = torch.ones(3, requires_grad=True)
            self.features = {"last": self.anchor * 2}

    state = Keeps().state_dict()
    assert torch.equal(state["anchor"], torch.ones(3)) and "features" not in state

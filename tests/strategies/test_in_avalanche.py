"""Our strategies work in Avalanche's own templates, on its growing models and its data sets."""

import copy
import random

import pytest
import torch
from avalanche.benchmarks.scenarios.dataset_scenario import benchmark_from_datasets
from avalanche.benchmarks.scenarios.supervised import with_classes_timeline
from avalanche.benchmarks.scenarios.task_aware import with_task_labels
from avalanche.benchmarks.utils import DataAttribute
from avalanche.benchmarks.utils.classification_dataset import (
    TaskAwareSupervisedClassificationDataset,
)
from avalanche.models import IncrementalClassifier, MTSimpleMLP, SimpleMLP
from avalanche.training.plugins import (
    AGEMPlugin,
    EvaluationPlugin,
    EWCPlugin,
    LwFPlugin,
    MASPlugin,
    ReplayPlugin,
    SupervisedPlugin,
)
from avalanche.training.supervised import Naive
from torch import nn
from torch.utils.data import TensorDataset

from nanocl.strategies._fisher import diagonal_fisher
from nanocl.strategies.a_gem import AGEM
from nanocl.strategies.er import ER
from nanocl.strategies.ewc import EWC
from nanocl.strategies.joint import Joint
from nanocl.strategies.lwf import LwF
from nanocl.strategies.online_ewc import OnlineEWC
from nanocl.strategies.sgd import SGD
from nanocl.strategies.si import SI
from nanocl.testing import run, small_learner, small_stream


class Growing(nn.Module):
    """An output layer that gets columns for new classes."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU())
        self.classifier = IncrementalClassifier(12, masking=False)

    def forward(self, inputs):
        return self.classifier(self.features(inputs))


MODELS = {
    "fixed": lambda: SimpleMLP(num_classes=6, input_size=16, hidden_size=12),
    "heads": lambda: MTSimpleMLP(input_size=16, hidden_size=12),
    "growing": Growing,
}
STRATEGIES = {
    "ewc": EWC,
    "ewc-sampled": lambda: EWC(fisher="sampled", samples=5),
    "ewc-batched": lambda: EWC(fisher="batched"),
    "online-ewc": OnlineEWC,
    "si": SI,
    "lwf": LwF,
    "er": lambda: ER(memory_size=10),
    "joint": Joint,
    "joint-end": lambda: Joint(when="end"),
}


def avalanche_stream():
    """Data sets of Avalanche, which reads them sample by sample."""
    generator, made = torch.Generator().manual_seed(0), []
    for number in range(3):
        targets = 2 * number + torch.arange(24) % 2
        pictures = TensorDataset(
            torch.randn(24, 1, 4, 4, generator=generator) + targets.view(-1, 1, 1, 1), targets
        )
        labels = [
            DataAttribute(targets.tolist(), "targets"),
            DataAttribute([number] * 24, "targets_task_labels", use_in_getitem=True),
        ]
        made.append(TaskAwareSupervisedClassificationDataset([pictures], data_attributes=labels))
    return with_classes_timeline(with_task_labels(benchmark_from_datasets(train=made, test=made)))


def trained(scenario, model, strategies, *, made=None):
    torch.manual_seed(0)
    made = made or MODELS[model]()
    learner = Naive(
        model=made,
        optimizer=torch.optim.SGD(made.parameters(), lr=0.05),
        train_mb_size=8,
        train_epochs=2,
        eval_mb_size=8,
        plugins=strategies,
        evaluator=EvaluationPlugin(),
    )
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
        learner.eval(scenario.test_stream)  # Avalanche may grow the model here too
    return learner


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_works_in_avalanche_without_our_learner(model, strategy):
    first = [
        next(trained(small_stream("task"), model, strategies).model.parameters()).detach()
        for strategies in ([STRATEGIES[strategy]()], [])
    ]
    assert torch.isfinite(first[0]).all() and not torch.equal(*first)


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - {"er"}))
def test_a_strategy_reads_data_sets_that_are_not_ours(strategy):
    learner = trained(avalanche_stream(), "fixed", [STRATEGIES[strategy]()])
    assert all(torch.isfinite(p).all() for p in learner.model.parameters())


def test_the_fisher_is_the_same_from_avalanches_data_and_from_ours():
    torch.manual_seed(0)
    model, scenario = MODELS["fixed"](), small_stream()
    ours = scenario.train_stream[1].dataset
    inputs, targets, labels = next(iter(torch.utils.data.DataLoader(ours, 24)))
    theirs = TaskAwareSupervisedClassificationDataset(
        [TensorDataset(inputs, targets)],
        data_attributes=[
            DataAttribute(targets.tolist(), "targets"),
            DataAttribute(labels.tolist(), "targets_task_labels", use_in_getitem=True),
        ],
    )
    fishers = [
        diagonal_fisher(model, data, kind="exact", samples=7, seed=3) for data in (ours, theirs)
    ]
    for name, value in fishers[0].items():
        torch.testing.assert_close(value, fishers[1][name])


@pytest.mark.parametrize("replay", [ER, AGEM])
def test_replay_refuses_other_data_sets_before_it_trains(replay):
    torch.manual_seed(0)
    model = MODELS["fixed"]()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(
        ValueError, match=r"replay needs a stream of nanocl.data.batches.TensorDataset"
    ):
        trained(avalanche_stream(), "fixed", [replay()], made=model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def without_dropout():
    """Avalanche's multi-head network; dropout would draw other numbers in each forward pass."""
    model = MTSimpleMLP(input_size=16, hidden_size=12)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def largest_difference(strategies):
    """Between the weights after training Avalanche's multi-head network with each strategy."""
    models = []
    for strategy in strategies:
        torch.manual_seed(0)
        learner = trained(small_stream("task"), "heads", [strategy], made=without_dropout())
        models.append(learner.model)
    pairs = zip(*(model.parameters() for model in models), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def test_multi_head_lwf_trains_the_weights_that_avalanches_trains():
    assert largest_difference([LwF(strength=1.0), LwFPlugin(1.0)]) < 1e-6


class Projecting(AGEMPlugin):
    """Avalanche's A-GEM that also moves heads without a gradient, as equation 11 says."""

    def after_backward(self, strategy, **kwargs):
        if self.buffers:
            for p in strategy.model.parameters():
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        super().after_backward(strategy, **kwargs)


def trained_here(strategy, head="own"):
    """Our network on our learner, in which no part draws from torch's global generator."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU())
    backbone.features = 12
    stream = small_stream("task")
    learner = small_learner(stream, [strategy, SGD(lr=0.1)], backbone=backbone, head=head)
    run(learner, stream)
    return nn.utils.parameters_to_vector(learner.model.parameters()).detach()


def test_multi_head_a_gem_differs_from_avalanches_in_old_heads_only():
    # the memory has all samples and each step draws all of them, so that nothing is random
    ours = trained_here(AGEM(memory_size=10_000, replay_batch_size=10_000))
    torch.testing.assert_close(ours, trained_here(Projecting(10_000, 10_000)))
    # Avalanche projects the gradient of all parameters, and drops the part on old heads
    assert (ours - trained_here(AGEMPlugin(10_000, 10_000))).abs().max() > 1e-4


def test_after_avalanches_projection_the_loss_on_the_memory_can_still_rise():
    class Watch(SupervisedPlugin):
        def __init__(self, agem):
            super().__init__()
            self.agem, self.along = agem, []

        def after_backward(self, strategy, **kwargs):
            if self.agem.buffers:
                flat = [
                    torch.zeros(p.numel()) if p.grad is None else p.grad.flatten()
                    for p in strategy.model.parameters()
                ]
                self.along.append((torch.cat(flat) @ self.agem.reference_gradients).item())

    least = []
    for agem in (AGEMPlugin(10_000, 10_000), Projecting(10_000, 10_000)):
        torch.manual_seed(0)
        watch = Watch(agem)
        trained(small_stream("task"), "heads", [agem, watch], made=without_dropout())
        least.append(min(watch.along))
    assert least[0] < -1e-3 and least[1] > -1e-6


PLUGINS = {
    "ewc": lambda: EWCPlugin(1.0),
    "lwf": lambda: LwFPlugin(1.0, 2.0),
    "replay": lambda: ReplayPlugin(10),
    "a-gem": lambda: AGEMPlugin(5, 5),
    "mas": MASPlugin,
}


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_of_avalanche_works_in_our_learner_on_our_network(plugin, scenario):
    stream, outcomes = small_stream(scenario), []
    for strategies in ([PLUGINS[plugin]()], []):
        torch.manual_seed(0)  # Avalanche's plugins draw from the global generators
        random.seed(0)
        outcomes.append(run(small_learner(stream, strategies), stream))
    assert outcomes[0].status == "ok" and len(outcomes[0].evaluation) == 3
    moved = [outcome.drift[-1].start["all"]["l2"] for outcome in outcomes]
    assert abs(moved[0] / moved[1] - 1) > 1e-5


@pytest.mark.parametrize("head", ["own", "masked"])
def test_avalanches_lwf_and_ours_train_the_same_weights_of_our_network(head):
    ours, theirs = trained_here(LwF(strength=1.0), head), trained_here(LwFPlugin(1.0), head)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)

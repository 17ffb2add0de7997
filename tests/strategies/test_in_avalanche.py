"""Our strategies work in Avalanche's own templates, on its growing models and its data sets."""

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
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive
from torch import nn
from torch.utils.data import TensorDataset

from nanocl.strategies._fisher import diagonal_fisher
from nanocl.strategies.er import ER
from nanocl.strategies.ewc import EWC
from nanocl.strategies.joint import Joint
from nanocl.strategies.lwf import LwF
from nanocl.strategies.online_ewc import OnlineEWC
from nanocl.strategies.si import SI
from nanocl.testing import small_stream


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


def trained(scenario, model, strategies):
    torch.manual_seed(0)
    made = MODELS[model]()
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


def test_replay_of_other_data_sets_is_an_error_that_names_theirs():
    with pytest.raises(
        ValueError, match=r"replay needs a stream of nanocl.data.batches.TensorDataset"
    ):
        trained(avalanche_stream(), "fixed", [ER()])

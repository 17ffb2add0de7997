"""Optimizers of libraries on growing models in Avalanche's template, and in resumed runs."""

import dataclasses

import pytest
import torch
from avalanche.models import IncrementalClassifier, MultiHeadClassifier, MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive
from library_runs import complete, make
from torch import nn

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.testing import small_stream
from nanocl.training import experiment
from nanocl.training.context import Context


class Growing(nn.Module):
    """An output layer that gets columns for new classes."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU()
        )
        self.classifier = IncrementalClassifier(12, masking=False)

    def forward(self, inputs):
        return self.classifier(self.features(inputs))


class Heads(MultiTaskModule):
    """A new head for each experience."""

    def __init__(self):
        super().__init__()
        self.features = Growing().features
        self.classifier = MultiHeadClassifier(12)

    def forward(self, inputs, task_labels):
        return self.classifier(self.features(inputs), task_labels)


@pytest.mark.parametrize("grown", [Growing, Heads])
@pytest.mark.parametrize(
    "name",
    [
        "torch:Muon",
        "pytorch-optimizer:Muon",
        "pytorch-optimizer:AdaBelief",
        "torchao:AdamW8bit",
        "bitsandbytes:AdamW8bit",
    ],
)
def test_a_model_that_grows_is_trained_in_avalanches_own_template(name, grown):
    model, stream, strategy = grown(), small_stream("task"), make(name)
    learner = Naive(
        model=model,
        optimizer=strategy.make_optimizer(model),
        train_mb_size=8,
        plugins=[strategy],
        evaluator=EvaluationPlugin(),
    )
    for experience in stream.train_stream:
        learner.train(experience, eval_streams=[])
    params = [id(p) for group in learner.optimizer.param_groups for p in group["params"]]
    assert set(map(id, model.parameters())) <= set(params) and len(set(params)) == len(params)
    assert all(learner.optimizer.state[p] for p in model.features.parameters())
    assert all(torch.isfinite(p).all() for p in model.parameters())


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "name",
    [
        "torch:Muon",
        "torch:LBFGS",
        "pytorch-optimizer:SAM:AdamW",
        "pytorch-optimizer:LookSAM:SGD",
        "pytorch-optimizer:GaLore",
        "pytorch-optimizer:ScheduleFreeAdamW",
        "torchao:AdamW8bit",
        "bitsandbytes:AdamW8bit",
    ],
)
def test_an_interrupted_run_resumes_bit_for_bit(tmp_path, monkeypatch, name):
    complete(name)  # skips the test if the library is missing
    settings = {name: {"lr": "0.1", "max_iter": "3"}} if name == "torch:LBFGS" else {}
    run = suite.specs(
        Request(tier="smoke", strategies=(f"ewc+{name}",), seeds=(0,), settings=settings),
        Catalogue(),
    )[0]
    run = dataclasses.replace(run, training=dataclasses.replace(run.training, iterations=4))
    whole, save = experiment.run_one(run, Context()), experiment.checkpoint.save

    def save_then_die(*arguments):
        save(*arguments)
        if len(arguments[-1].evaluation) == 2:
            raise Killed

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        experiment.run_one(run, Context(checkpoints=tmp_path))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    rest = experiment.run_one(run, Context(checkpoints=tmp_path))
    assert whole.status == "ok" and rest.evaluation == whole.evaluation
    # the weights, to the last bit
    assert [d.start for d in rest.drift] == [d.start for d in whole.drift]

"""An experience ends as soon as it is mastered, at the step where a plain loop ends it."""

import numpy as np
import pytest
import torch
from killed import killed_within
from sklearn.model_selection import StratifiedKFold
from torch.nn import functional

from nanocl import data
from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream
from nanocl.training import assembly, experiment
from nanocl.training.context import Context
from nanocl.training.mastery import Mastery


def spec(strategy="sgd", seed=0, **training):
    request = Request(
        "two-digit-retention", (strategy,), (seed,), tier="smoke", settings={"training": training}
    )
    return suite.specs(request, INSTALLED)[0]


def plain_loop(model, seed, lr, limit=2500):
    """The stream as its paper describes it; the lengths of the phases and R[1][0]."""
    digits = data.load("digits")
    images = torch.tensor(digits.train_inputs / 255, dtype=torch.float32).flatten(1)
    splitter = StratifiedKFold(10, shuffle=True, random_state=15626)
    folds = [rows for _, rows in splitter.split(digits.train_inputs, digits.train_labels)]
    lengths, rows_of_r = [], []
    tests = _of(digits, np.concatenate(folds[8:]), (1, 2))
    for phase, (fold, pair) in enumerate(((6, (1, 2)), (6, (3, 4)), (7, (1, 2)), (7, (3, 4)))):
        rows = _of(digits, np.sort(folds[fold]), pair)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + phase)
        order, right, since_error, step = [], 0, 0, 0
        while step < limit:
            order = order or torch.randperm(len(rows), generator=generator).tolist()
            row = rows[order.pop(0)]
            target = torch.tensor([int(digits.train_labels[row]) - 1])
            scores = model(images[row][None])
            is_right = int(scores.argmax()) == int(target)
            loss = functional.cross_entropy(scores, target)
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for weight, gradient in zip(model.parameters(), gradients, strict=True):
                    weight -= lr * gradient
            step += 1
            right += is_right
            since_error = since_error + 1 if is_right else 0
            if since_error >= 5 and right / step >= 0.9:
                break
        lengths.append(step)
        answers = model(images[tests]).argmax(1).numpy()
        rows_of_r.append((answers == digits.train_labels[tests] - 1).mean())
    return lengths, rows_of_r[1]


def _of(digits, rows, pair):
    return rows[np.isin(digits.train_labels[rows], pair)]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_run_ends_each_experience_where_a_plain_loop_of_the_paper_does(seed):
    of_run = spec(seed=seed)
    learner, _ = assembly.build(of_run, Context())
    network = learner.model
    plain = torch.nn.Sequential(*network.backbone.mlp.layers, network.head)
    result = experiment.run_one(of_run, Context())
    model = torch.nn.Sequential(torch.nn.Flatten(), *plain)
    lengths, retention = plain_loop(model, seed, of_run.strategy[0].options["lr"])
    assert [entry["steps"] for entry in result.mastery] == lengths and len({*lengths}) > 1
    assert result.evaluation[1][0] == pytest.approx(retention)
    assert result.cost.steps == sum(lengths) and all(e["mastered"] for e in result.mastery)


def test_an_experience_that_is_not_mastered_ends_at_its_limit_and_the_record_says_so():
    result = experiment.run_one(spec(iterations="7"), Context())
    assert result.status == "ok" and len(result.evaluation) == 4
    assert {"steps": 7, "mastered": False} in result.mastery
    assert all(entry["steps"] <= 7 for entry in result.mastery)


def test_a_run_that_was_cut_ends_its_experiences_at_the_same_step(tmp_path, monkeypatch):
    of_run = spec("sgd")
    whole = experiment.run_one(of_run, Context())
    ends = np.cumsum([entry["steps"] for entry in whole.mastery])
    # within an experience, and just after the step with which one was mastered
    for number, writes in enumerate((int(ends[0]) + 3, int(ends[0]))):
        folder = tmp_path / str(number)
        folder.mkdir()
        killed_within(monkeypatch, folder, of_run, writes=writes)
        again = experiment.run_one(of_run, Context(checkpoints=folder))
        assert again.mastery == whole.mastery and again.evaluation == whole.evaluation


def test_without_the_option_nothing_is_recorded():
    stream = small_stream("class")
    learner = small_learner(stream, [SGD(lr=0.1)])
    assert learner.mastery is None and run(learner, stream).mastery == []


def counted(rights):
    """Mastery after predictions of one sample each, right or wrong."""
    mastery = Mastery()
    for is_right in rights:
        mastery._count([is_right])
        if mastery.is_reached:
            break
    return mastery.entry()["mastered"], mastery._samples


@pytest.mark.parametrize(
    ("rights", "end"),
    [
        ([1] * 9, (True, 5)),
        ([0] + [1] * 20, (True, 10)),  # 9 of 10
        ([1] * 4 + [0] + [1] * 20, (True, 10)),
        ([0] * 2 + [1] * 30, (True, 20)),
        ([0, 1] * 30, (False, 60)),
    ],
)
def test_mastered_is_five_right_in_a_row_and_nine_in_ten_since_the_beginning(rights, end):
    assert counted(rights) == end

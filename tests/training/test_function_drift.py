"""CKA of earlier features and KL of new outputs are those of plain formulas on kept models."""

import copy

import pytest
import torch
from torch import nn

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.strategies.lwf import LwF
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream
from nanocl.training import function_drift, loop


def plain():
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU())
    backbone.features = 12
    return backbone


def inputs_of(experience, count=function_drift.PROBED):
    return next(iter(MiniBatches(tensor_parts(experience.dataset), count)))[0]


def cka(x, y):
    """Linear CKA in feature space."""
    x, y = (features.double() - features.double().mean(0) for features in (x, y))
    cross = (x.t() @ y).square().sum()
    return (cross / ((x.t() @ x).norm() * (y.t() @ y).norm())).item()


def trained(kind, head="", **values):
    """The outcome, and copies of the model before the stream and after each experience."""
    scenario = small_stream(kind, **values)
    torch.manual_seed(0)
    learner = small_learner(scenario, [SGD(lr=0.1)], epochs=4, backbone=plain(), head=head)
    models = [copy.deepcopy(learner.model).eval()]
    outcome = run(
        learner,
        scenario,
        after_experience=lambda _: models.append(copy.deepcopy(learner.model).eval()),
    )
    return scenario, outcome, models


@pytest.mark.parametrize("count", [256, 7])
@pytest.mark.parametrize("kind", ["class", "task", "domain"])
def test_representation_drift_is_one_minus_cka_of_the_first_test_samples(kind, count, monkeypatch):
    monkeypatch.setattr(function_drift, "PROBED", count)
    scenario, outcome, models = trained(kind)
    assert outcome.function[0]["representation"] is None
    for i in range(1, 3):
        moved = []
        for j in range(i):
            inputs = inputs_of(scenario.test_stream[j], count)
            then, now = (
                model.backbone(inputs).detach() for model in (models[j + 1], models[i + 1])
            )
            moved.append(1 - cka(then, now))
        expected = sum(moved) / i
        assert outcome.function[i]["representation"] == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert expected > 1e-3


@pytest.mark.parametrize(
    ("kind", "head"),
    [("class", "seen"), ("class", "all"), ("task", "own"), ("task", "masked"), ("domain", "")],
)
def test_kl_is_from_the_outputs_before_an_experience_to_those_after(kind, head):
    scenario, outcome, models = trained(kind, head)
    assert outcome.function[0]["kl"] is None
    for i in range(1, 3):
        inputs = inputs_of(scenario.test_stream[i])
        divergences = []
        for label in range(i) if kind == "task" else [0]:
            columns = {
                "seen": range(2 * i),
                "own": range(2 * label, 2 * label + 2),
                "masked": range(2 * label, 2 * label + 2),
            }.get(head, range(scenario.outputs))
            before, after = (
                model(inputs, label)[:, list(columns)].detach().double().softmax(1)
                for model in models[i : i + 2]
            )
            divergences.append((before * (before / after).log()).sum(1).mean().item())
        expected = sum(divergences) / len(divergences)
        assert outcome.function[i]["kl"] == pytest.approx(expected, rel=1e-4) and expected > 1e-4


def test_of_regression_only_features_are_compared():
    _, outcome, _ = trained("domain", measure="loss")
    assert [entry["kl"] for entry in outcome.function] == [None] * 3
    assert outcome.function[2]["representation"] > 0


def test_what_was_not_tested_is_not_compared():
    scenario = small_stream()
    learner = small_learner(scenario, [SGD(lr=0.1)])
    learner.measuring = type(learner.measuring)("last")
    outcome = run(learner, scenario)
    whole = run(small_learner(scenario, [SGD(lr=0.1)]), scenario).function
    assert outcome.function[1] == {"kl": whole[1]["kl"], "representation": None}
    assert outcome.function[2] == whole[2] and whole[1]["representation"] > 0


@pytest.mark.parametrize(("mode", "extra"), [("all", 0), ("seen", 2)])
def test_an_experience_is_tested_before_it_is_trained_only_if_the_last_test_left_it_out(
    mode, extra, monkeypatch
):
    counts = []
    test = loop.Learner.eval
    monkeypatch.setattr(
        loop.Learner, "eval", lambda self, tests: (counts.append(len(tests)), test(self, tests))
    )
    scenario = small_stream()
    learner = small_learner(scenario, [SGD(lr=0.1)])
    learner.measuring = type(learner.measuring)(mode)
    run(learner, scenario)
    rows = {"all": [3, 3, 3], "seen": [1, 2, 3]}[mode]
    assert sorted(counts) == sorted([3, *rows, *[1] * extra])


class OverflowsOnNext(SGD):
    """Its model has infinite outputs on the samples of the next experience only."""

    def after_eval_forward(self, strategy, **kwargs):
        trained = strategy.clock.train_exp_counter
        if trained and strategy.experience.current_experience >= trained:
            strategy.mb_output = strategy.mb_output * torch.inf


def test_infinite_outputs_on_the_next_experience_end_the_run_as_diverged():
    scenario = small_stream()
    learner = small_learner(scenario, [OverflowsOnNext(lr=0.1)])
    learner.measuring = type(learner.measuring)("seen")
    outcome = run(learner, scenario)
    assert outcome.status == "diverged" and len(outcome.evaluation) == 1


@pytest.mark.parametrize("kind", ["class", "task"])
def test_mini_batches_of_evaluation_do_not_change_what_is_compared(kind):
    outcomes = []
    for size in (512, 5):
        scenario = small_stream(kind)
        torch.manual_seed(0)  # of the backbone
        learner = small_learner(scenario, [SGD(lr=0.1)], epochs=4, backbone=plain())
        learner.eval_mb_size = size
        outcomes.append(run(learner, scenario).function)
    for whole, parts in zip(*outcomes, strict=True):
        assert parts == {name: value and pytest.approx(value) for name, value in whole.items()}
    assert outcomes[0][2]["representation"] > 0


@pytest.mark.parametrize("kind", ["class", "task"])
def test_texts_of_any_length_are_compared_with_themselves(kind, monkeypatch):
    monkeypatch.setattr(function_drift, "PROBED", 7)
    outcomes = []
    for with_lengths in (False, True):
        scenario = small_stream(kind)
        if with_lengths:
            for experience in scenario.test_stream:
                ((dataset, rows),) = tensor_parts(experience.dataset)
                dataset.lengths = 1 + 7 * torch.arange(len(rows)) % 11
        torch.manual_seed(0)  # of the backbone
        learner = small_learner(scenario, [SGD(lr=0.1)], backbone=plain())
        outcomes.append(run(learner, scenario).function)
    assert outcomes[0] == outcomes[1] and outcomes[0][2]["representation"] > 0


class DiffersByBatch(nn.Module):
    """Its features depend on the size of the mini-batch, as the rounding of bfloat16 does."""

    features = 12

    def __init__(self):
        super().__init__()
        self.layers = plain()

    def forward(self, inputs):
        return self.layers(inputs) * (torch.arange(self.features) < len(inputs))


def test_a_trained_start_is_compared_with_a_test_of_its_own(monkeypatch):
    monkeypatch.setattr(function_drift, "PROBED", 7)
    scenario = small_stream("task")
    scenario.start = 1  # the first experience was trained before the run
    learner = small_learner(scenario, [SGD(lr=0.1)], backbone=DiffersByBatch())
    start = copy.deepcopy(learner.model.backbone).eval()
    run(learner, scenario)
    features = start(inputs_of(scenario.test_stream[0], 7)).detach().double()
    gram = learner.function.references[0]
    centred = features - features.mean(0)
    expected = centred @ centred.t()
    torch.testing.assert_close(gram, expected / expected.norm())


class Dead(nn.Module):
    """Features that are the same for every sample."""

    features = 12

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(12))

    def forward(self, inputs):
        return torch.relu(self.weight - 1).expand(len(inputs), 12)


def test_features_without_variance_have_no_similarity():
    scenario = small_stream("domain")
    outcome = run(small_learner(scenario, [SGD(lr=0.1)], backbone=Dead()), scenario)
    assert [entry["representation"] for entry in outcome.function] == [None] * 3
    assert outcome.function[1]["kl"] > 0


def test_features_or_outputs_that_are_not_finite_are_no_value(monkeypatch):
    monkeypatch.setattr(
        function_drift, "_gram", lambda features: features @ features.t() * torch.nan
    )
    monkeypatch.setattr(
        function_drift.functional, "kl_div", lambda now, *rest, **options: now.sum() * torch.nan
    )
    _, outcome, _ = trained("domain")
    assert outcome.function == [{"kl": None, "representation": None}] * 3


def test_a_model_that_does_not_move_has_no_drift():
    scenario = small_stream("domain")
    learner = small_learner(scenario, [SGD(lr=1e-30)], backbone=plain())
    for entry in run(learner, scenario).function[1:]:
        assert entry["kl"] == 0 and entry["representation"] == pytest.approx(0, abs=1e-12)


def test_measuring_leaves_training_as_it_is(monkeypatch):
    outcomes = []
    for measured in (True, False):
        if not measured:
            monkeypatch.setattr(function_drift.FunctionMeter, "before", lambda *given: None)
            monkeypatch.setattr(function_drift.FunctionMeter, "after", lambda *given: {})
        scenario = small_stream("task")
        learner = small_learner(scenario, [LwF(), SGD(lr=0.1)])
        outcomes.append((run(learner, scenario).evaluation, learner.model.state_dict()))
    (matrix, model), (same, other) = outcomes
    assert matrix == same and all(torch.equal(value, other[name]) for name, value in model.items())


def test_a_run_that_diverges_has_an_entry_for_each_row():
    scenario = small_stream()
    learner = small_learner(scenario, [SGD(lr=1e30)])
    outcome = run(learner, scenario)
    assert outcome.status == "diverged"
    assert len(outcome.function) == len(outcome.evaluation)

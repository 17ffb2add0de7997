"""One run: reproducible bit for bit, resumable bit for bit, and honest about divergence."""

import dataclasses
import functools

import pytest
import torch

from nanocl.engine import local
from nanocl.plugins.catalogue import INSTALLED, Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import RunFailure, RunResult, UserError
from nanocl.training import assembly, experiment, loop
from nanocl.training.context import Context


def spec(strategy="adamw", seed=0, catalogue=INSTALLED, **values):
    request = Request(tier="smoke", strategies=(strategy,), seeds=(seed,), **values)
    return suite.specs(request, catalogue)[0]


def numbers(result: RunResult):
    return (
        result.initial,
        result.evaluation,
        result.masked,
        [dataclasses.asdict(d) for d in result.drift],
    )


def test_the_same_seed_gives_the_same_numbers_bit_for_bit():
    assert numbers(experiment.run_one(spec(), Context())) == numbers(
        experiment.run_one(spec(), Context())
    )
    assert numbers(experiment.run_one(spec(), Context())) != numbers(
        experiment.run_one(spec(seed=1), Context())
    )


def test_one_worker_and_two_give_the_same_numbers():
    specs = [spec(seed=seed) for seed in range(3)]
    run_one = functools.partial(experiment.run_one, context=Context())
    matrices = []
    for workers in (1, 2):
        results = {r.spec.seed: numbers(r) for r in local.run_all(run_one, specs, workers=workers)}
        matrices.append([results[seed] for seed in range(3)])
    assert matrices[0] == matrices[1]


def test_every_strategy_starts_from_the_same_weights_and_data():
    first, scenario = assembly.build(spec("adamw"), Context())
    second, other = assembly.build(spec("er+sgd"), Context())
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert scenario.classes == other.classes


def test_the_matrix_has_an_untrained_row_and_one_row_per_experience():
    result = experiment.run_one(spec(), Context())
    assert len(result.initial) == 5 and [len(row) for row in result.evaluation] == [5] * 5
    assert all(0 <= value <= 1 for row in result.evaluation for value in row)
    assert all(row[j] == 0 for i, row in enumerate(result.evaluation) for j in range(i + 1, 5)), (
        "closed classes"
    )
    assert result.cost.optimizer_state_bytes == 8 * result.cost.parameters + 4 * 6, (
        "two moments and a step per tensor"
    )


class Killed(Exception):
    pass


@pytest.mark.parametrize("strategy", ["nanoadam", "ewc+microadam", "er+adamw"])
def test_a_run_that_was_cut_goes_on_bit_for_bit(tmp_path, monkeypatch, strategy):
    run = spec(strategy)
    whole = experiment.run_one(run, Context())
    save = experiment.checkpoint.save

    def save_then_die(path, learner, meter, drift, outcome):
        save(path, learner, meter, drift, outcome)
        if len(outcome.evaluation) == 3:
            raise Killed

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        experiment.run_one(run, Context(checkpoints=tmp_path))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    trained = []
    monkeypatch.setattr(
        loop.Learner,
        "train",
        lambda self, e, train=loop.Learner.train, **k: (
            trained.append(e.current_experience),
            train(self, e, **k),
        ),
    )
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path))) == numbers(whole)
    assert trained == [3, 4] and not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_is_a_result_called_diverged():
    result = experiment.run_one(spec("sgd", settings={"sgd": {"lr": "1e30"}}), Context())
    assert result.status == "diverged" and len(result.evaluation) < 5


def test_weights_that_are_not_finite_after_the_last_step_are_diverged_too():
    result = experiment.run_one(
        spec(
            "sgd", settings={"sgd": {"lr": "1e30"}, "stream": {"experiences": "1", "samples": "1"}}
        ),
        Context(),
    )
    assert result.status == "diverged" and result.evaluation == ()


def test_a_damaged_checkpoint_is_dropped_and_the_run_begins_again(tmp_path):
    run = spec()
    (tmp_path / f"{run.digest}.pt").write_bytes(b"garbage")
    assert numbers(experiment.run_one(run, Context(checkpoints=tmp_path))) == numbers(
        experiment.run_one(run, Context())
    )
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_takes_no_other_with_it():
    good, bad = (
        spec(seed=0),
        dataclasses.replace(
            spec(seed=1),
            scenario="domain",
            protocol="broken",
            model=dataclasses.replace(spec().model, name="nowhere"),
        ),
    )
    outcomes = list(
        local.run_all(
            functools.partial(experiment.run_one, context=Context()), [bad, good], workers=1
        )
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RunFailure", "RunResult"]
    failure = next(outcome for outcome in outcomes if isinstance(outcome, RunFailure))
    assert "unknown model 'nowhere'" in failure.error


def test_a_worker_that_dies_is_tried_again_and_then_reported():
    outcomes = list(local.run_all(_die, [spec()], workers=1))
    assert len(outcomes) == 1 and "died 2 times" in outcomes[0].error


def _die(spec, *, tell):
    import os

    os._exit(9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"settings": {"adamw": {"lr": "-1"}}}, "-1"),
        ({"settings": {"training": {"head": "own"}}}, "head must be one of auto, seen, all"),
        ({"settings": {"stream": {"experiences": "99"}}}, "99"),
        ({"settings": {"model": {"width": "0"}}}, "width"),
    ],
)
def test_an_option_out_of_its_range_is_found_before_training(values, message):
    with pytest.raises(UserError, match=message):
        assembly.check([spec(**values)], Context())


def test_cuda_without_a_gpu_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="use --device cpu"):
        assembly.choose_device("cuda")


def test_tuning_measures_on_held_out_training_data():
    held_out = {"stream": {"validation": "0.2"}, "training": {"measured_on": "validation"}}
    result = experiment.run_one(spec(settings=held_out), Context())
    assert (
        result.evaluation
        != experiment.run_one(
            spec(settings={"stream": {"validation": "0.2"}}), Context()
        ).evaluation
    )
    with pytest.raises(UserError, match=r"such as stream.validation=0.1"):
        assembly.check([spec(settings={"training": {"measured_on": "validation"}})], Context())


NOISY = '''
import random

import numpy

from nanocl.strategies import Strategy


class Noisy(Strategy):
    """Weight each loss by chance from the generators of Python and numpy.

    Source: made up.
    """

    def before_backward(self, strategy, **kwargs):
        strategy.loss = strategy.loss * (random.random() + numpy.random.rand())
'''


def test_random_numbers_of_python_and_numpy_resume_bit_for_bit_and_an_edited_file_changes_nothing(
    tmp_path, monkeypatch
):
    plugin = tmp_path / "noisy.py"
    plugin.write_text(NOISY)
    catalogue = Catalogue([plugin])
    run = spec("noisy+sgd", catalogue=catalogue)
    whole = experiment.run_one(run, Context(catalogue))
    assert numbers(experiment.run_one(run, Context(catalogue))) == numbers(whole)
    save = experiment.checkpoint.save

    def save_then_die(path, learner, meter, drift, outcome):
        save(path, learner, meter, drift, outcome)
        raise Killed

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        experiment.run_one(run, Context(catalogue, checkpoints=tmp_path))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    plugin.write_text("an edit during the run\n")
    resumed = experiment.run_one(run, Context(catalogue, checkpoints=tmp_path))
    assert numbers(resumed) == numbers(whole)


def test_what_a_strategy_holds_in_training_only_counts_too():
    cost = experiment.run_one(spec("si+sgd"), Context()).cost
    assert cost.strategy_state_bytes >= 5 * 4 * cost.parameters, (
        "omega, anchor, path, gradient and weight of SI"
    )


def test_a_size_that_no_memory_holds_is_a_mistake_in_one_sentence():
    with pytest.raises(UserError, match="adamw on split-digits: "):
        assembly.check([spec(settings={"model": {"width": str(10**15)}})], Context())

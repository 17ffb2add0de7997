"""Tuning as runs: which data scores them, and what their scores are."""

from dataclasses import replace

import pytest
from making import MATRIX, a_cost, a_result

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols.request import Request
from nanocl.protocols.validation import SCORES
from nanocl.records import UserError
from nanocl.records.measuring import Measuring
from nanocl.reporting import metrics
from nanocl.training.context import Context
from nanocl.training.experiment import run_one
from nanocl.tuning import trials
from nanocl.tuning.search import Score

SETTING = (("sgd", "lr", 0.05),)
REQUEST = Request(tier="smoke")


def spec(how, request=REQUEST, composition="sgd", setting=SETTING):
    return trials.spec(request, composition, setting, 1000, trials.method(how), INSTALLED)


def test_a_validation_split_is_scored_on_held_out_data_with_a_tuning_seed():
    run = spec("validation-split")
    assert run.stream.options["validation"] == 0.1 and run.training.measured_on == "validation"
    assert (run.seed, run.strategy[0].options["lr"]) == (1000, 0.05)


def test_first_experiences_trains_and_tests_only_those():
    run = spec("first-experiences:2")
    assert run.training.experiences == 2 and run.training.measured_on == "validation"
    whole, part = run_one(spec("validation-split"), Context()), run_one(run, Context())
    assert len(part.initial) == len(part.evaluation) == len(part.experiences) == 2
    assert part.evaluation == tuple(row[:2] for row in whole.evaluation[:2])


def test_an_oracle_is_scored_on_the_test_data():
    run = spec("oracle")
    assert run.training.measured_on == "test" and run.stream.options["validation"] == 0.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("validation", "did you mean 'validation-split'"),
        ("first-experiences:1", "with K at least 2"),
        ("first-experiences:x", "with K at least 2"),
        ("first-experiences", "first-experiences:K with K at least 2"),
    ],
)
def test_another_method_is_refused_with_what_would_be_right(text, words):
    with pytest.raises(UserError, match=words):
        trials.method(text)


def test_tuned_options_of_the_protocol_are_no_starting_point():
    """split-mnist has tuned options for adam in the task-incremental scenario."""
    request = Request(stream="split-mnist", scenario="task")
    run = spec("validation-split", request, "adam", ())
    assert run.strategy[0].options == INSTALLED.complete("strategies", "adam", {}).options


def test_the_score_is_the_column_of_the_run_and_none_where_it_diverged():
    columns = metrics.average_accuracy, metrics.learning_accuracy
    result = a_result(cost=a_cost(cpu_seconds=3.0))
    right = Score((0.5 + 0.6 + 0.7) / 3, (0.9 + 0.8 + 0.7) / 3, 3.0)
    assert trials.score(result, *columns) == right
    diverged = replace(result, status="diverged", evaluation=MATRIX[:1])
    assert trials.score(diverged, *columns) == Score(None, None, 3.0)


def test_a_run_that_left_an_experience_unmastered_loses_whatever_it_retains():
    ends = [{"steps": 10, "mastered": True}, {"steps": 9, "mastered": True}]
    result = replace(a_result(), mastery=tuple(ends))
    columns = metrics.mastery.retention, metrics.learning_accuracy
    assert trials.score(result, *columns).score == MATRIX[1][0]
    failed = replace(result, mastery=(ends[0], {"steps": 99, "mastered": False}))
    assert trials.score(failed, *columns).score is None


def test_losses_count_as_negative_so_that_higher_is_better():
    result = replace(a_result(measure="loss"), masked=None)
    scored = trials.score(result, metrics.average_accuracy, metrics.learning_accuracy)
    assert scored.score == pytest.approx(-0.6) and scored.learning == pytest.approx(-0.8)


def test_a_column_that_the_runs_do_not_have_is_named():
    result = replace(a_result(), evaluate=Measuring("last").evaluate)
    with pytest.raises(UserError, match=r"cannot be tuned by online ACC.*--track-every"):
        trials.score(result, metrics.within.online_accuracy, metrics.learning_accuracy)


@pytest.mark.parametrize("name", SCORES)
def test_each_score_of_a_board_is_measured_and_agrees_with_a_run_that_measures_all(name):
    column = next(entry for entry in metrics.columns("accuracy") if entry.name == name)
    columns = column, metrics.learning_accuracy
    stream = "two-digit-retention" if name == "retention" else "split-digits"
    run = spec("first-experiences:2", Request(stream, tier="smoke"))
    few = trials.score(run_one(run, Context(measuring=trials.MEASURING[name])), *columns)
    whole = trials.score(run_one(run, Context(measuring=Measuring("all", 1))), *columns)
    assert few.score == pytest.approx(whole.score, abs=1e-12)
    assert few.learning == whole.learning

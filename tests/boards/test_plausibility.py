from dataclasses import replace
from pathlib import Path

import pytest
from making import a_cost, a_result, a_spec

from nanocl.boards import plausibility
from nanocl.records import store

RUNS = Path(__file__).resolve().parents[2] / "results" / "runs"
EXPERIENCES = tuple({"classes": [2 * i, 2 * i + 1], "train": 900, "test": 200} for i in range(3))


def a_plausible(**values):
    return replace(a_result(cost=a_cost(state_bytes_per_parameter=2**22 / 2**19)), **values)


def test_a_measured_record_is_plausible():
    assert [*plausibility.faults(a_plausible(experiences=EXPERIENCES))] == []


@pytest.mark.parametrize(
    "stream", ["split-digits", "split-mnist", "split-fmnist", "two-digit-retention"]
)
def test_the_committed_records_are_plausible(stream):
    for path in sorted((RUNS / stream).glob("*/*.json"))[::7]:
        result = store.load(path, RUNS.parent)
        assert [*plausibility.faults(result)] == [], path


def test_an_accuracy_that_no_number_of_hits_gives_is_found():
    row = (0.9, 0.2, 0.1037)
    result = a_plausible(experiences=EXPERIENCES)
    made_up = replace(result, evaluation=(row, *result.evaluation[1:]))
    (line,) = plausibility.faults(made_up)
    assert "row 0" in line and "20.740 hits of 200 test samples" in line


def test_an_untrained_model_that_knows_its_classes_is_found():
    (line,) = plausibility.faults(a_plausible(experiences=EXPERIENCES, initial=(0.9, 0.9, 0.9)))
    assert "untrained model has a mean accuracy of 0.900; guessing gives 0.167" in line


def test_one_class_predicted_everywhere_is_chance():
    assert [*plausibility.faults(a_plausible(experiences=EXPERIENCES, initial=(0.5, 0, 0)))] == []


def test_a_pretrained_model_may_know_its_classes():
    start = a_plausible(experiences=EXPERIENCES, initial=(0.9, 0.9, 0.9), weights="abc")
    assert [*plausibility.faults(start)] == []


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (a_cost(seconds_per_step=0.02), "seconds_per_step 0.02, its other numbers give 0.01"),
        (a_cost(state_bytes_per_parameter=4.0), "state_bytes_per_parameter 4"),
        (a_cost(steps=0), "0 steps in 10 s"),
    ],
)
def test_a_cost_that_contradicts_itself_is_found(cost, words):
    (line,) = plausibility.faults(replace(a_result(a_spec()), cost=cost))
    assert words in line


@pytest.mark.parametrize(
    ("steps", "words"),
    [((400, 300, 100), "took 800 steps, its cost has 1000"), ((600, 300, 100), "took 600 steps")],
)
def test_steps_until_mastery_that_cannot_be_are_found(steps, words):
    mastery = tuple({"steps": count, "mastered": True} for count in steps)
    result = a_plausible(mastery=mastery)
    training = replace(result.spec.training, iterations=500, until="mastered")
    (line,) = plausibility.faults(replace(result, spec=replace(result.spec, training=training)))
    assert words in line


def test_a_diverged_run_may_have_no_cost():
    assert [*plausibility.faults(replace(a_result(status="diverged"), cost=a_cost(steps=0)))] == []

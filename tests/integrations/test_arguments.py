"""Mistakes in the arguments of the meter are refused before training, in one sentence."""

import inspect

import numpy as np
import pytest
import torch
from training_cases import vectors

from nanocl.integrations.loop import ForgettingMeter

DATA = vectors(seed=1)
FORM = r'as in keep=\{"old task": old_test\}'


def test_nothing_kept_is_refused_with_the_form_to_write():
    with pytest.raises(ValueError, match=f"keep is empty, .* under a name, {FORM}"):
        ForgettingMeter(keep={}, new=DATA)


@pytest.mark.parametrize("keep", [[(1, 0)], "old task", None])
def test_what_is_kept_without_a_name_is_refused_with_the_form_to_write(keep):
    with pytest.raises(TypeError, match=f"keep takes names, {FORM}, got"):
        ForgettingMeter(keep)


@pytest.mark.parametrize(
    ("keep", "error", "match"),
    [
        ({1: DATA}, TypeError, f"a name in keep is a text, {FORM}, got 1"),
        ({"old": 3}, TypeError, r"takes data sets or functions .*\['old'\] is of type int"),
        ({"old": "abc"}, TypeError, r"keep\['old'\] is of type str"),
        ({"old": []}, ValueError, r"keep\['old'\] has no sample"),
        (
            {"old": torch.utils.data.DataLoader(DATA)},
            TypeError,
            r"keep\['old'\] is a DataLoader, .*; give its \.dataset",
        ),
    ],
)
def test_a_kind_of_kept_data_that_cannot_be_measured_is_named(keep, error, match):
    with pytest.raises(error, match=match):
        ForgettingMeter(keep)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"every": -1}, ValueError, "every must be an integer of at least 0, got -1"),
        ({"every": True}, ValueError, "every must be an integer of at least 0, got True"),
        ({"samples": 0}, ValueError, "samples must be an integer of at least 1, got 0"),
        ({"tasks": "ab"}, TypeError, r"as in tasks=\['ab'\], got the text 'ab'"),
        ({"new": []}, ValueError, "new has no sample"),
        ({"new": 3}, TypeError, "new is of type int"),
        ({"new": {"test": DATA}}, ValueError, r"'test', which is no task, .* give tasks=\[...\]"),
        (
            {"new": {"c": DATA}, "tasks": ["a", "b"]},
            ValueError,
            r"the names are those of tasks=\['a', 'b'\]",
        ),
    ],
)
def test_an_argument_that_would_measure_nothing_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        ForgettingMeter({"old": DATA}, **options)


def test_kl_data_by_task_may_use_the_names_that_tasks_have_by_default():
    new = {"task 2": DATA}
    assert ForgettingMeter({"old": DATA}, new=new).new == new


def test_tasks_of_an_iterator_are_read_once():
    meter = ForgettingMeter({"old": DATA}, new={"b": DATA}, tasks=iter(["a", "b", "c"]))
    assert meter.tasks == ("a", "b", "c")


def test_integers_of_numpy_are_integers():
    meter = ForgettingMeter({"old": DATA}, every=np.int64(5), samples=np.int32(3))
    assert (meter.every, meter.samples) == (5, 3) and type(meter.every) is int


def test_a_misspelt_argument_names_the_called_class_and_the_nearest_argument():
    class ForgettingCallback(ForgettingMeter):
        pass

    with pytest.raises(
        TypeError, match=r"^ForgettingCallback has no argument 'evry'; did you mean 'every'\?$"
    ):
        ForgettingCallback(keep={"old": DATA}, evry=10)
    with pytest.raises(TypeError, match=r"^ForgettingCallback: missing a .* .keep.;"):
        ForgettingCallback(every=10)
    with pytest.raises(TypeError, match=r"^ForgettingCallback: too many positional arguments"):
        ForgettingCallback({"old": DATA}, DATA)


def test_the_signature_for_editors_has_every_argument():
    assert [*inspect.signature(ForgettingMeter).parameters][:2] == ["keep", "new"]


@pytest.mark.parametrize(
    ("keep", "tasks", "line"),
    [
        (
            ["old task"],
            ["old", "new"],
            "tasks not in keep: 'old', 'new'; there will be no evaluation matrix, which needs two "
            "tasks of keep; did you mean 'old task' for 'old'?",
        ),
        (
            ["birds", "cars", "dogs"],
            ["birds", "cars", "dog", "x"],
            "tasks not in keep: 'dog', 'x'; they have no column in the evaluation matrix; "
            "did you mean 'dogs' for 'dog'?",
        ),
        (
            ["a"],
            ["a", "xyz"],
            "tasks not in keep: 'xyz'; there will be no evaluation matrix, which needs two tasks "
            "of keep",
        ),
    ],
)
def test_tasks_that_are_not_kept_are_told_with_the_nearest_name(capsys, keep, tasks, line):
    ForgettingMeter(dict.fromkeys(keep, DATA), tasks=tasks)
    assert capsys.readouterr().err == f"nanocl: {line}\n"


@pytest.mark.parametrize(
    ("keep", "tasks"),
    [
        (["a", "b"], ["a", "b", "a"]),
        (["a", "b"], ["a", "xyz", "b"]),
        (["a"], []),
        (["task a"], ["task b"]),
    ],
)
def test_tasks_with_a_matrix_and_no_likely_mistake_are_not_told(capsys, keep, tasks):
    ForgettingMeter(dict.fromkeys(keep, DATA), tasks=tasks)
    assert capsys.readouterr().err == ""

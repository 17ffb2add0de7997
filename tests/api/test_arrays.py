"""Each metric of a plain matrix is its formula, whatever holds the numbers."""

import math

import numpy
import pytest
import torch

import nanocl
from nanocl.api import arrays
from nanocl.reporting import function, mastery, metrics, within
from nanocl.reporting.columns import Column

RNG = numpy.random.default_rng(0)
R = RNG.random((5, 5))
J = RNG.random((5, 5))
INITIAL = RNG.random(5)
T = 5


def plain_forgetting(r):
    return numpy.mean([max(r[j : T - 1, j]) - r[T - 1, j] for j in range(T - 1)])


# each formula a second time, with numpy
EXPECTED = {
    "average_accuracy": R[-1].mean(),
    "learning_accuracy": numpy.diag(R).mean(),
    "forgetting": plain_forgetting(R),
    "average_incremental_accuracy": numpy.mean([R[i, : i + 1].mean() for i in range(T)]),
    "first_minus_last": (numpy.diag(R) - R[-1])[:-1].mean(),
    "backward_transfer": (R[-1] - numpy.diag(R))[:-1].mean(),
    "forward_transfer": (numpy.diag(R, 1) - INITIAL[1:]).mean(),
    "minimum_accuracy": numpy.mean([R[j + 1 :, j].min() for j in range(T - 1)]),
    "intransigence": (numpy.diag(J) - numpy.diag(R)).mean(),
    "gap_to_joint": J[-1].mean() - R[-1].mean(),
}
MORE = {"forward_transfer": (INITIAL,), "intransigence": (J,), "gap_to_joint": (J,)}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_metric_of_a_matrix_is_its_formula(name):
    metric, more = getattr(nanocl, name), MORE.get(name, ())
    for matrix in (R, R.tolist(), torch.tensor(R), tuple(map(tuple, R.tolist()))):
        assert metric(matrix, *more) == pytest.approx(EXPECTED[name], abs=1e-12)
    assert metric(100 * R, *(100 * values for values in more)) == pytest.approx(
        100 * EXPECTED[name]
    )


def test_every_metric_that_a_matrix_defines_has_a_function():
    others = {
        value.name
        for module in (within, mastery, function)  # of other measurements
        for value in vars(module).values()
        if isinstance(value, Column)
    }
    of_a_matrix = {column.name for column in metrics.columns("accuracy")} - others
    of_a_matrix.remove("masked_accuracy")  # average_accuracy of the other matrix of a record
    assert of_a_matrix == set(EXPECTED)


def test_for_losses_a_rise_is_forgetting():
    assert nanocl.forgetting([[0.1, 9.0], [0.5, 0.2]], measure="loss") == pytest.approx(0.4)
    assert nanocl.minimum_accuracy([[0.1, 9.0], [0.5, 0.2]], measure="loss") == 0.5


def test_a_lower_triangle_and_nan_are_tests_that_were_not_made():
    lower = [[0.9], [0.5, 0.8], [0.4, 0.6, 0.7]]
    full = [[0.9, None, math.nan], [0.5, 0.8, None], [0.4, 0.6, 0.7]]
    assert nanocl.forgetting(lower) == nanocl.forgetting(full) == pytest.approx(0.35)
    with pytest.raises(nanocl.Undefined, match="FWT needs results that the matrix does not have"):
        nanocl.forward_transfer(full, [0.1, 0.1, 0.1])
    with pytest.raises(nanocl.Undefined, match="forgetting needs 2 experiences"):
        nanocl.forgetting([[0.9]])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([[0.9, 0.1, 0.2], [0.5, 0.8, 0.2]], "2 rows of lengths 3, 3"),
        ([], "0 rows of lengths none"),
        ([0.9, 0.8], "got the row 0.9"),
    ],
)
def test_another_shape_is_refused_with_the_right_one(wrong, said):
    with pytest.raises(ValueError, match=said) as raised:
        arrays.average_accuracy(wrong)
    assert "a row for each experience trained on" in str(raised.value)


def test_the_untrained_model_has_a_result_for_each_experience():
    with pytest.raises(ValueError, match="initial must have 5 entries"):
        nanocl.forward_transfer(R, [0.1])

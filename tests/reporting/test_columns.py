import math

import pytest
from making import a_result, a_spec

from nanocl.reporting import metrics
from nanocl.reporting.columns import Evaluation, metric
from nanocl.reporting.summaries import column_name, summarise


def test_a_decorated_function_is_a_column_that_computes_as_before():
    @metric("M", "max R", "some2020", unit="share", detail=True)
    def largest(run):
        """The largest entry."""
        return max(map(max, run.matrix))

    assert (largest.name, largest.title, largest.kind) == ("largest", "M", "accuracy")
    assert (largest.source, largest.unit, largest.detail) == (("some2020",), "share", True)
    assert largest(Evaluation((0.0,), ((0.25, 0.5),))) == 0.5


@pytest.mark.parametrize(("measure", "sign"), [("accuracy", 1), ("loss", -1)])
def test_the_sign_of_an_evaluation_makes_higher_better(measure, sign):
    assert Evaluation((), (), measure).sign == sign


@pytest.mark.parametrize(
    ("unit", "signed", "measure", "bounds"),
    [
        ("score", False, "accuracy", (0.0, 1.0)),
        ("score", True, "accuracy", (-1.0, 1.0)),
        ("score", False, "loss", (0.0, math.inf)),
        ("score", True, "loss", (-math.inf, math.inf)),
        ("share", False, "loss", (0.0, 1.0)),
        ("cosine", False, "accuracy", (-1.0, 1.0)),
        ("seconds", False, "accuracy", (0.0, math.inf)),
    ],
)
def test_a_column_knows_its_possible_range(unit, signed, measure, bounds):
    column = metric("M", "m", unit=unit, signed=signed)(lambda run: 0.0)
    assert column.bounds(measure) == bounds


def test_every_value_of_a_run_lies_in_the_range_of_its_column():
    columns = {}
    for kind in metrics.KINDS:
        for column in metrics.columns(kind):
            columns |= {column_name(column, group): column for group in ("", *metrics.GROUPS)}
    backward = a_result(evaluation=((0.2, 0.9, 0.9), (0.9, 0.1, 0.9), (1.0, 1.0, 0.3)))
    for row in summarise([a_result(), a_result(a_spec("joint")), backward]):
        for name, values in row.columns.items():
            low, high = columns[name].bounds("accuracy")
            assert all(low <= value <= high for value in values if value is not None), name

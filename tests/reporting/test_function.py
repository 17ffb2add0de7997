"""The columns of the function's drift, from entries written by hand."""

import pytest

from nanocl.reporting import function
from nanocl.reporting.columns import Evaluation, Undefined


def run(*pairs):
    entries = [{"representation": moved, "kl": kl} for moved, kl in pairs]
    return Evaluation((0.5,) * 3, ((0.9,) * 3,) * 3, function=entries)


def test_representation_drift_is_that_at_the_end():
    assert function.representation_drift(run((None, None), (0.1, 2.0), (0.3, 1.0))) == 0.3


def test_divergence_is_the_mean_over_the_experiences_that_have_one():
    assert function.new_task_divergence(run((None, None), (0.1, 2.0), (0.3, 1.0))) == 1.5


@pytest.mark.parametrize("column", [function.representation_drift, function.new_task_divergence])
def test_what_was_not_measured_is_undefined_with_its_reason(column):
    with pytest.raises(Undefined, match="second experience"):
        column(run((None, None)))
    with pytest.raises(Undefined, match="before the drift of the function"):
        column(Evaluation((0.5,), ((0.9,),)))

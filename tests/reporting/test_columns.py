import pytest

from nanocl.reporting.columns import Evaluation, metric


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

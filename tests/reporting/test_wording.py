import pytest

from nanocl.reporting import metrics, wording

COLUMNS = {column.name: column for kind in metrics.KINDS for column in metrics.columns(kind)}


def test_every_wording_is_that_of_a_metric():
    assert set(wording.WORDINGS) <= set(COLUMNS)


@pytest.mark.parametrize(
    "column", [column for column in metrics.columns("accuracy") if column.name in metrics.__dict__]
)
def test_the_metrics_of_the_evaluation_matrix_have_words_that_name_the_measure(column):
    assert wording.in_words(column, "loss") != column.definition
    assert "{" not in wording.in_words(column, "loss")
    assert "accuracy" not in wording.in_words(column, "loss")


def test_a_metric_without_words_is_described_by_its_formula():
    column = COLUMNS["samples_per_second"]
    assert wording.in_words(column, "accuracy") == column.definition
    assert wording.better(column, "accuracy") == ""


def test_lower_losses_are_better_and_less_forgetting_is_better_for_both_measures():
    sides = {
        measure: [
            wording.better(COLUMNS[name], measure)
            for name in ("average_accuracy", "forgetting", "backward_transfer", "relative")
        ]
        for measure in ("accuracy", "loss")
    }
    assert sides["accuracy"] == ["higher", "lower", "higher", ""]
    assert sides["loss"] == ["lower", "lower", "higher", ""]

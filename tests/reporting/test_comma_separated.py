import csv
import io

import pytest
from making import MATRIX, a_result, a_spec, shifted

from nanocl.reporting import comma_separated
from nanocl.reporting.summaries import summarise


def runs(strategy="sgd", seeds=3):
    return [a_result(a_spec(strategy, seed), shifted(seed / 100, MATRIX)) for seed in range(seeds)]


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_full_numbers_stand_in_separate_columns():
    rows = summarise([*runs(), *runs("adam", seeds=1)])
    text = comma_separated.write(rows, ("accuracy",))
    lines = {(row["strategy"], row["metric"]): row for row in read(text)}
    line = lines["sgd", "average_accuracy"]
    values = rows[1].columns["average_accuracy"]
    assert float(line["mean"]) == pytest.approx(sum(values) / 3, abs=1e-16)
    assert float(line["low"]) < float(line["mean"]) < float(line["high"]) and line["n"] == "3"
    assert (lines["adam", "forgetting"]["std"], lines["adam", "forgetting"]["low"]) == ("", "")
    assert lines["sgd", "gap_to_joint"]["n"] == "0" and lines["sgd", "gap_to_joint"]["mean"] == ""

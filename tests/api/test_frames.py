"""The rows of the frames are the numbers of the records, each once."""

import pytest
from digits_records import record, results
from making import MATRIX, a_result

from nanocl.api import frames
from nanocl.api.results import Results

RUNS = results()


def test_the_rows_of_runs_are_what_the_records_say():
    rows = {row["digest"]: row for row in frames.runs(RUNS.summaries)}
    assert len(rows) == len(RUNS) == 6
    for run in RUNS:
        plain, row = record(run), rows[run.spec.digest]
        assert (row["seed"], row["strategy"]) == (run.spec.seed, run.spec.strategy_name)
        last = plain["evaluation"][-1]
        assert row["average_accuracy"] == pytest.approx(sum(last) / len(last), abs=1e-15)
        assert row["backbone.relative"] == plain["drift"][-1]["start"]["backbone"]["relative"]
        assert row["state_bytes_per_parameter"] == plain["cost"]["state_bytes_per_parameter"]
        assert row["online_accuracy"] is None  # not measured


def test_a_metric_against_joint_training_is_paired_by_seed():
    rows = {(row["strategy"], row["seed"]): row for row in frames.runs(RUNS.summaries)}
    for seed in (0, 1):
        joint, er = (rows[name, seed]["average_accuracy"] for name in ("joint", "er"))
        assert rows["er", seed]["gap_to_joint"] == pytest.approx(joint - er, abs=1e-15)


def test_a_run_that_diverged_has_no_metrics_and_the_others_keep_theirs():
    diverged = a_result(evaluation=MATRIX[:1], status="diverged")
    rows = list(frames.runs(Results((diverged, *RUNS)).summaries))
    (lost,) = [row for row in rows if row["status"] == "diverged"]
    assert lost["average_accuracy"] is None and lost["digest"] == diverged.spec.digest
    others = [row for row in rows if row is not lost]
    assert others == list(frames.runs(RUNS.summaries))


def test_every_test_of_a_record_is_one_row_of_the_matrices():
    rows = list(frames.matrices(RUNS.summaries))
    for run in RUNS:
        plain = record(run)
        expected = {}
        for trained, values in enumerate([plain["initial"], *plain["evaluation"]], -1):
            for tested, value in enumerate(values):
                expected["evaluation", trained, tested] = value
        for trained, values in enumerate(plain["masked"]["evaluation"]):
            for tested, value in enumerate(values[: trained + 1]):  # classes that were met
                expected["masked", trained, tested] = value
        mine = [row for row in rows if row["digest"] == run.spec.digest]
        found = {(row["view"], row["trained"], row["tested"]): row["value"] for row in mine}
        assert found == {key: value for key, value in expected.items() if value is not None}
        assert len(found) == len(mine)


@pytest.mark.parametrize("by", frames.DRIFT)
def test_every_number_of_the_drift_is_one_row(by):
    rows = list(frames.drift(RUNS.summaries, by))
    run = RUNS[0]
    mine = [row for row in rows if row["digest"] == run.spec.digest]
    last = record(run)["drift"][-1]
    at_end = [row for row in mine if row["trained"] == 4]
    if by == "decile":
        assert [row["mean_absolute_change"] for row in at_end] == last["deciles"]
    elif by == "layer":
        found = {(row["layer"], row["metric"]): row["value"] for row in at_end}
        for layer, (l2, relative) in last["layers"].items():
            assert found[layer, "l2"] == l2 and found.get((layer, "relative")) == relative
        assert {layer for layer, _ in found} == set(last["layers"])
    else:
        found = {(row["since"], row["group"], row["metric"]): row["value"] for row in at_end}
        for (since, group, metric), value in found.items():
            assert last[since][group][metric] == value
        assert ("previous", "head", "cosine") in found and len(found) == len(at_end)

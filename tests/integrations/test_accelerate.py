"""The meter in a loop of accelerate, in one process and in two."""

import pytest
from accelerated import train
from distributed_runs import spawn

from nanocl.records.trainings import load

pytest.importorskip("accelerate")


def record_of(folder):
    (path,) = folder.rglob("byo/**/*.json")
    return load(path)


def test_two_processes_write_one_record_with_the_numbers_of_one(tmp_path):
    train(0, 1, tmp_path / "one")
    spawn(train, 2, tmp_path / "two")
    one, two = record_of(tmp_path / "one"), record_of(tmp_path / "two")
    assert two["spec"]["optimizer"]["name"] == "AdamW" and two["status"] == "ok"
    assert [p["step"] for p in two["trainings"][0]["points"]] == [0, 2, 4, 6, 8]
    for mine, theirs in zip(*(r["trainings"][0]["points"] for r in (one, two)), strict=True):
        assert theirs["keep"]["old"] == pytest.approx(mine["keep"]["old"], rel=1e-4)
        assert theirs["kl"] == pytest.approx(mine["kl"], rel=1e-3, abs=1e-6)
    drifts = [r["trainings"][0]["drift"]["start"]["all"]["l2"] for r in (one, two)]
    assert drifts[1] == pytest.approx(drifts[0], rel=1e-4)

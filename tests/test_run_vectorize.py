"""`--vectorize`: seeds are trained as one model, where that is faster or asked for."""

import json

import pytest

from nanocl import run

GRID = ("--tier", "smoke", "--strategy", "sgd", "--workers", "1")


def together(folder):
    """What the records say, by seed."""
    records = [json.loads(path.read_text()) for path in folder.glob("runs/**/*.json")]
    return {record["spec"]["seed"]: record["cost"].get("together", 0) for record in records}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--seeds", "5", "--vectorize", "auto"), {seed: 5 for seed in range(5)}),
        (("--seeds", "2", "--vectorize", "on"), {0: 2, 1: 2}),
        pytest.param(("--seeds", "5"), {seed: 0 for seed in range(5)}, marks=pytest.mark.slow),
        pytest.param(
            ("--seeds", "4", "--vectorize", "auto"),
            {seed: 0 for seed in range(4)},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_records_say_what_was_trained_together(tmp_path, arguments, expected):
    assert run.main([*GRID, *arguments, "--device", "cpu", "--results", str(tmp_path)]) == 0
    assert together(tmp_path) == expected


def test_what_cannot_be_trained_together_is_refused_before_any_training(tmp_path, capsys):
    arguments = ["--tier", "smoke", "--strategy", "sgd,ewc", "--vectorize", "on"]
    assert run.main([*arguments, "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "--vectorize on: seeds of ewc cannot" in error and together(tmp_path) == {}

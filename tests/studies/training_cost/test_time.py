"""Seconds of a step are judged from the committed timings."""

import json
import math

import pytest

from nanocl.studies.training_cost.time import time_claims
from nanocl.studies.verdicts import judge_claims

ROWS = {
    "NanoAdam 10 %": 0.5,
    "NanoAdam 10 %, plain PyTorch": 4.0,
    "MicroAdam 1 %": 2.0,
    "NanoAdam 1 %": None,
}


def claims(folder, kind):
    """The claims that rest on the timings of one kind of device."""
    path = folder / "perf" / f"optimizers-{kind}.json"
    path.parent.mkdir(exist_ok=True)
    rows = [{"shapes": "1M", "optimizer": name, "amortised": ms} for name, ms in ROWS.items()]
    machine = {"processor": "a processor", "threads": 2}
    path.write_text(json.dumps({"machine": machine, "rows": rows}))
    made = time_claims(folder)
    path.write_text("{}")
    return made


def effects(claim):
    return {one.name: pytest.approx(math.exp(-one.exact)) for one in claim.settings}


def verdicts(claims):
    return [row.verdict for row in judge_claims(claims)]


def test_time_is_judged_from_the_timings_of_optimizers_that_have_a_kernel(tmp_path):
    adamw, microadam = claims(tmp_path, "cpu")
    assert effects(adamw) == {"1M parameters, CPU, NanoAdam 10 %": 0.5}
    assert effects(microadam) == {"1M parameters, CPU, NanoAdam 10 %": 0.25}
    assert "a processor, 2 threads" in adamw.ran and verdicts([adamw]) == ["holds"]
    assert verdicts(time_claims(tmp_path)) == ["not measured"] * 2


def test_on_a_gpu_where_microadam_has_no_kernel_it_is_compared_without_those_of_nanoadam(tmp_path):
    adamw, microadam = claims(tmp_path, "gpu")
    assert effects(adamw) == {"1M parameters, GPU, NanoAdam 10 %": 0.5}
    assert effects(microadam) == {"1M parameters, GPU, NanoAdam 10 %, plain PyTorch": 2.0}
    assert verdicts([microadam]) == ["does not hold"]

"""Seconds of a step are judged from the committed timings."""

import json

from nanocl.studies.training_cost.time import time_claim


def test_time_is_judged_from_the_timings_of_optimizers(tmp_path):
    def row(optimizer, amortised):
        return {"shapes": "1M", "optimizer": optimizer, "amortised": amortised}

    path = tmp_path / "perf" / "optimizers-cpu.json"
    path.parent.mkdir()
    path.write_text(
        json.dumps(
            {
                "machine": {"processor": "a processor", "threads": 2},
                "rows": [
                    row("NanoAdam 10 %", 0.5),
                    row("NanoAdam 10 %, plain PyTorch", 4.0),
                    row("MicroAdam 1 %", 2.0),
                    row("NanoAdam 1 %", None),
                ],
            }
        )
    )
    claim = time_claim(tmp_path)
    assert {setting: [f.effect for f in found] for setting, found in claim.findings.items()} == {
        "1M parameters, CPU, NanoAdam 10 %": [0.5, 0.25],
        "1M parameters, CPU, NanoAdam 10 %, plain PyTorch": [4.0, 2.0],
    }
    assert "a processor, 2 threads" in claim.ran and claim.verdict.startswith("depends")
    path.write_text("{}")
    assert time_claim(tmp_path).verdict == "not measured"

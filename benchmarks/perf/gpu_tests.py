"""Run the tests that need a GPU and write what came of them.

    python benchmarks/perf/gpu_tests.py OUT_FOLDER [arguments of pytest]

Writes `tests-gpu.json` and `tests-gpu.md`; the exit code is that of pytest.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from nanocl.training import measure


class Outcomes:
    """A pytest plugin that notes the outcome of every test.

    Attributes:
        counts: Tests by outcome.
        reasons: The first line of what went wrong, or why a test was skipped, by test.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        self.counts[report.outcome] += 1
        if not report.passed:
            lines = str(report.longrepr).strip().splitlines() or [""]
            errors = [line for line in lines if line.startswith("E ")] or lines[-1:]
            self.reasons[report.nodeid] = f"{report.outcome}: {errors[0].removeprefix('E').strip()}"


def main() -> int:
    folder, *arguments = sys.argv[1:]
    outcomes = Outcomes()
    code = pytest.main(["-m", "gpu", "--tb=short", *arguments], plugins=[outcomes])
    facts = measure.environment("cuda" if torch.cuda.is_available() else "cpu")
    record: dict[str, Any] = {
        "machine": {"device": facts.device, "torch": facts.torch, "python": facts.python},
        "counts": dict(outcomes.counts),
        "reasons": outcomes.reasons,
    }
    path = Path(folder) / "tests-gpu.json"
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    path.with_suffix(".md").write_text(_page(record))
    return int(code)


def _page(record: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in sorted(record["counts"].items()))
    names = ("device", "torch", "python")
    machine = ", ".join(f"{name} {record['machine'][name]}" for name in names)
    lines = [
        "# Tests that need a GPU",
        "",
        "Made by `benchmarks/perf/gpu.sh`, which runs `pytest -m gpu`.",
        "",
        f"Machine: {machine}.",
        "",
        f"Outcome: {counts or 'no test ran'}.",
    ]
    if record["reasons"]:
        lines += ["", *(f"- `{test}`: {why}" for test, why in sorted(record["reasons"].items()))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

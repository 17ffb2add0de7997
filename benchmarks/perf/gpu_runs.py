"""Every strategy through the command on a GPU, beside the same runs on the CPU of that machine.

    python benchmarks/perf/gpu_runs.py [--stream split-digits] [--seeds 3] [--out DIR]
        [--ways "cuda, bf16" "cuda, compiled"]

The command is called once for each way of running. A way is right where no run fails and where the
average accuracy agrees with that of the CPU: a GPU adds in another order, so that the numbers of a
seed may differ by rounding, which training makes larger. Writes `runs-gpu.json` and a page;
`--ways` adds to what is in the file. The exit code is 1 if a run failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from nanocl.records import RunResult, store
from nanocl.reporting.formats import pipe_table
from nanocl.training import measure

STRATEGIES = (
    "sgd,adam,adamw,adamw-dense,adagrad,cautious-adamw,classp,nanoadam,microadam,mofo,lift,pafi,"
    "lora,torch:Muon,torch:RMSprop,ewc,online-ewc,si,lwf,er,derpp,a-gem,joint,ewc+nanoadam,er+sgd"
)
FEW = "adamw,nanoadam,er,ewc"
GPU = ("--device", "cuda")
# name: strategies, further arguments
WAYS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cpu": (STRATEGIES, ("--device", "cpu", "--workers", "8")),
    "cuda": (STRATEGIES, (*GPU, "--runs-per-gpu", "6")),
    "cuda, again": (FEW, (*GPU, "--runs-per-gpu", "4")),
    "cuda, bf16": (FEW, (*GPU, "--runs-per-gpu", "4", "--set", "training.precision=bf16")),
    "cuda, seeds together": ("adamw,nanoadam,sgd", (*GPU, "--vectorize", "on")),
    "cuda, compiled": ("adamw,nanoadam", (*GPU, "--set", "training.compile=true")),
}
Accuracies = dict[str, dict[str, float]]  # strategy, seed, average accuracy in percent


def called(way: str, stream: str, seeds: int, folder: Path) -> dict[str, Any]:
    """Run the command; its exit code, seconds, last words, and what the records say."""
    strategies, arguments = WAYS[way]
    command = [sys.executable, "-m", "nanocl.run", "--stream", stream, "--scenario", "task"]
    command += ["--strategy", strategies, "--seeds", str(seeds), "--results", str(folder)]
    begin = time.perf_counter()
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    results, problems = store.load_all(folder)
    lines = done.stderr.splitlines()
    failed = [line for line in lines if "failed" in line or "Error" in line]
    if done.returncode and not failed:
        failed = lines[-1:]
    found = {
        "exit code": done.returncode,
        "seconds": round(seconds, 1),
        "failures": failed + [str(problem) for problem in problems],
        "accuracies": accuracies(results),
        "matrices": {f"{r.spec.strategy_name} {r.spec.seed}": r.evaluation for r in results},
    }
    kept: dict[str, Any] = json.loads(json.dumps(found))  # as it is read from the file
    return kept


def accuracies(results: list[RunResult]) -> Accuracies:
    """Average accuracy of each run, in percent."""
    found: Accuracies = defaultdict(dict)
    for result in results:
        last = [100 * value for value in result.evaluation[-1] if value is not None]
        found[result.spec.strategy_name][str(result.spec.seed)] = mean(last) if last else 0.0
    return dict(found)


def rows(ways: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """For each strategy the mean of each way, and GPU minus CPU with its standard error."""
    base = ways["cpu"]["accuracies"]
    made = []
    for strategy in sorted(base):
        cells = [strategy, f"{mean(base[strategy].values()):.2f}"]
        for way in list(ways)[1:]:
            own = ways[way]["accuracies"].get(strategy)
            cells.append(_difference(own, base[strategy]) if own else "")
        made.append(cells)
    return made


def _difference(own: Mapping[str, float], base: Mapping[str, float]) -> str:
    gaps = [own[seed] - base[seed] for seed in base if seed in own]
    error = stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
    return f"{mean(gaps):+.2f} ({error:.2f}, n = {len(gaps)})"


def page(ways: Mapping[str, Mapping[str, Any]], stream: str) -> str:
    """The table, what failed, and whether a GPU repeats its own bits."""
    facts = measure.environment("cuda")
    heads = ["strategy", "cpu, ACC in %", *(f"{way}: minus cpu" for way in list(ways)[1:])]
    first, second = (ways.get(way, {"matrices": {}})["matrices"] for way in ("cuda", "cuda, again"))
    same = sum(first.get(run) == matrix for run, matrix in second.items())
    calls = [
        [way, str(found["exit code"]), f"{found['seconds']}", str(len(found["matrices"]))]
        for way, found in ways.items()
    ]
    failures = [f"- {way}: {line}" for way, found in ways.items() for line in found["failures"]]
    return "\n".join(
        [
            "# Runs on a GPU beside the same runs on a CPU",
            "",
            f"Made by `python benchmarks/perf/gpu_runs.py`, {stream}, task-incremental. "
            f"{facts.device}, torch {facts.torch}. Differences are means over seeds in points, "
            "with the standard error and the number of seeds.",
            "",
            pipe_table(heads, rows(ways)),
            "",
            pipe_table(["way", "exit code", "seconds with start", "records"], calls),
            "",
            f"Equal matrices in two calls on the GPU: {same} of {len(second)} runs.",
            "",
            *(failures or ["No run failed."]),
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stream", default="split-digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS))
    parser.add_argument("--out", type=Path, default=Path("results/perf"))
    arguments = parser.parse_args()
    path = arguments.out / "runs-gpu.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    ways = json.loads(path.read_text()) if path.is_file() and arguments.ways else {}
    if arguments.ways and "cpu" not in (*ways, arguments.ways[0]):
        parser.error(f"{path} has no runs on the CPU to compare with; begin with --ways cpu")
    with tempfile.TemporaryDirectory() as folder:
        for place, way in enumerate(arguments.ways or WAYS):
            root = Path(folder) / str(place)
            ways[way] = called(way, arguments.stream, arguments.seeds, root)
            found = {key: ways[way][key] for key in ("exit code", "seconds", "failures")}
            print(way, found, flush=True)
            path.write_text(json.dumps(ways, indent=1) + "\n")
            path.with_suffix(".md").write_text(page(ways, arguments.stream))
    return int(any(found["exit code"] or found["failures"] for found in ways.values()))


if __name__ == "__main__":
    sys.exit(main())

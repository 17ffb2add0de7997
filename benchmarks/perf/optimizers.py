"""Time, state and peak memory of optimizers as ratios to torch's fused AdamW in the same process.

    python benchmarks/perf/optimizers.py [--device cuda] [--threads 2] [--quick] [--shapes 20M]
    [--optimizers NanoAdam]

Writes `optimizers-cpu.json`, `.md` and `.svg` (or `-gpu`) to results/perf/, with `--threads 1`
`optimizers-cpu-threads-1` and so on. The `.md` page describes the machine and the numbers. Every
set on one thread, NanoAdam against AdamW only, within five minutes:

    python benchmarks/perf/optimizers.py --threads 1 --optimizers NanoAdam
    --shapes 10k 90k 478k 1M 5M 20M
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numba
import torch
from drawing import figure, markdown
from rivals import BASE, Rival, listed
from shapes import SETS, parameters
from timing import Row, copy_bandwidth, row

from nanocl.training import measure

RESULTS = Path(__file__).resolve().parents[2] / "results" / "perf"
MAIN = "20M"  # the set on which all optimizers are timed


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    sets = ["1M"] if arguments.quick else arguments.shapes or list(SETS)
    parts = [BASE, *arguments.optimizers] if arguments.optimizers else [""]
    rivals = [rival for rival in listed() if _names_one(parts, rival)]
    if arguments.device == "cpu":
        rivals = [rival for rival in rivals if not rival.needs_gpu]
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    for shapes in sets:
        chosen = [rival for rival in rivals if rival.everywhere or shapes == MAIN or len(sets) == 1]
        budget = 0.1 if arguments.quick else arguments.seconds
        rows += _measured(shapes, chosen, budget, arguments.device, left_out)
    name = f"optimizers-{'gpu' if arguments.device == 'cuda' else 'cpu'}"
    if arguments.threads:
        name += f"-threads-{arguments.threads}"
    _write(rows, rivals, _machine(arguments.device), left_out, arguments.out / name)


def _names_one(parts: list[str], rival: Rival) -> bool:
    return any(part in rival.name for part in parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--threads", type=int, help="number of torch's threads; default: torch's own"
    )
    parser.add_argument("--quick", action="store_true", help="only 1M parameters, few rounds")
    parser.add_argument("--shapes", nargs="+", choices=list(SETS))
    parser.add_argument(
        "--optimizers", nargs="+", metavar="PART", help="only optimizers whose name contains a PART"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="for each pair of optimizers")
    parser.add_argument("--out", type=Path, default=RESULTS, help="output folder")
    return parser


def _measured(
    shapes: str, rivals: list[Rival], budget: float, device: str, left_out: dict[str, str]
) -> list[Row]:
    bulk, rest = parameters(shapes, device)
    # one AdamW for all rows, on the same parameters as each rival
    base = next(rival for rival in rivals if rival.name == BASE).make(bulk, rest)
    base.step()  # fills its state
    rows = []
    for rival in rivals:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _warm_up(rival, device)
                make = partial(rival.make, bulk, rest)
                params, name, selects = bulk + rest, rival.name, rival.selects
                options: dict[str, Any] = {"budget": budget, "device": device}
                rows.append(row(shapes, name, params, base, make, selects=selects, **options))
        except Exception as error:  # a library may be missing, or fail on this device in any way
            lines = str(error).splitlines() or [""]
            left_out[rival.name] = f"{type(error).__name__}: {lines[0]}"
            continue
        gc.collect()
        print(
            f"{shapes:<10} {rival.name:<30} {rows[-1].ms:9.2f} ms  x{rows[-1].ratio:.2f}",
            flush=True,
        )
    return rows


def _warm_up(rival: Rival, device: str) -> None:
    """Load and compile first, so that this memory does not count as the optimizer's."""
    param = torch.nn.Parameter(torch.zeros(100, 1000, device=device))
    param.grad = torch.ones_like(param)
    optimizer = rival.make([param], [])
    optimizer.step()
    optimizer.step()


def _machine(device: str) -> dict[str, Any]:
    bulk, _ = parameters(MAIN, device)
    facts = {
        "processor": torch.cuda.get_device_name() if device == "cuda" else measure.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "numba": numba.__version__,
    }
    return {**facts, "copy bandwidth": f"{copy_bandwidth(bulk, device) / 1e9:.0f} GB/s"}


def _write(
    rows: list[Row],
    rivals: list[Rival],
    machine: dict[str, Any],
    left_out: dict[str, str],
    name: Path,
) -> None:
    name.parent.mkdir(parents=True, exist_ok=True)
    rows = [_rounded(row) for row in rows]
    record = {"machine": machine, "left_out": left_out, "rows": [row._asdict() for row in rows]}
    name.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    name.with_suffix(".md").write_text(markdown(rows, machine, left_out))
    figure(rows, rivals, machine, name.with_suffix(".svg"))


def _rounded(row: Row) -> Row:
    values = [round(value, 4) if isinstance(value, float) else value for value in row]
    return Row._make(values)


if __name__ == "__main__":
    main()

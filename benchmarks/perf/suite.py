"""Speed of whole runs as ratios measured in one process, from one command.

    python benchmarks/perf/suite.py [--data-root DIR] [--device cuda] [--out DIR] [--repeats 5]
        [--permuted digits] [--lengths 5 20] [--records DIR]

It measures runs on several streams (a bare loop with fused AdamW, nanocl, Avalanche with whole
mini-batches, Avalanche as documented; all test on every experience after each), what an experience
costs as streams get longer, what a step of replay costs early and late in a stream, what the
penalties of EWC and SI cost, and on the CPU the start of the command and a report on all records of
`--records`. It writes suite-cpu.json or suite-gpu.json, and a page with the bars of these figures.
Avalanche's documented loader reads sample by sample, without augmentation.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import bars
import lengths
import penalties
import torch
from lengths import Settings, spec_of
from paths import PATHS, Spent

from nanocl.records import RunSpec, UserError
from nanocl.reporting.formats import pipe_table
from nanocl.training import measure
from nanocl.training.context import Context

BASE = "bare loop, fused AdamW"
STREAMS: dict[str, tuple[str, Settings]] = {
    "split-digits, MLP": ("split-digits", {}),
    "split-mnist, MLP 2x400": ("split-mnist", {"training": {"epochs": "1"}}),
    "split-cifar10, small CNN, crop and flip": (
        "split-cifar10",
        {
            "stream": {"augment": "crop-flip", "samples": "1000", "test_samples": "500"},
            "training": {"epochs": "1"},
        },
    ),
}
PENALISED = ("split-digits, MLP", "split-mnist, MLP 2x400")
LENGTHS = (5, 20, 40, 100)


@dataclass
class Measured:
    """What one call of this program measured.

    Attributes:
        machine: Facts for the page.
        paths: Stream to path to (ms a step, ms of evaluation and of drift an experience, ratio of
            the training and of the whole run to the bare loop).
        lengths: Stream and learner to length of the stream to the parts of `lengths.costs`.
        steps: Stream and learner to what `lengths.steps` returns.
        penalties: Stream to penalty to what `penalties.ratios` returns.
        start: Name of a command to (seconds, ratio to `import torch`).
        peak: Peak memory of the process in MiB.
        left_out: What was not measured, and why.
    """

    machine: dict[str, Any]
    paths: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    lengths: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    steps: dict[str, dict[str, float]] = field(default_factory=dict)
    penalties: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    start: dict[str, list[float]] = field(default_factory=dict)
    peak: float = 0.0
    left_out: list[str] = field(default_factory=list)


def compared(spec: RunSpec, context: Context, repeats: int) -> dict[str, list[float]]:
    """All paths in turn, so that other load of the machine meets each; see `Measured.paths`."""
    rounds = [{name: path(spec, context) for name, path in PATHS.items()} for _ in range(repeats)]
    return {name: _row(name, rounds, spec) for name in PATHS}


def _row(name: str, rounds: Sequence[dict[str, Spent]], spec: RunSpec) -> list[float]:
    own = [spents[name] for spents in rounds]
    base = [spents[BASE] for spents in rounds]
    experiences = int(str(spec.stream.options["experiences"]))
    pairs = list(zip(own, base, strict=True))
    values = (
        1e3 * median(spent.training / spent.steps for spent in own),
        1e3 * median(spent.evaluation for spent in own) / (experiences + 1),
        1e3 * median(spent.drift for spent in own) / experiences,
        median((a.training / a.steps) / (b.training / b.steps) for a, b in pairs),
        median(a.whole / b.whole for a, b in pairs),
    )
    return [round(value, 4) for value in values]


def starts(repeats: int, records: Path) -> dict[str, list[float]]:
    """Seconds of commands until they return, and the ratio to `import torch`.

    Python may keep compiled modules, as it does of an installed package.
    """
    names = os.environ.keys() - {"PYTHONDONTWRITEBYTECODE"}
    start = partial(
        subprocess.run, check=True, capture_output=True, env={n: os.environ[n] for n in names}
    )
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(records, Path(folder) / "records")  # a report writes its pages
        run = ["-m", "nanocl.run", "--stream", "split-digits", "--strategy", "adamw"]
        run += ["--seeds", "1", "--results", f"{folder}/runs"]
        commands = {
            "import torch": ["-c", "import torch"],
            bars.RUN: [*run, "--force"],
            bars.AGAIN: run,
            "the main job, 36 runs": ["-m", "nanocl.run", "--results", f"{folder}/main", "--force"],
            bars.REPORT: ["-m", "nanocl.report", "--results", str(copy)],
        }
        for name in (bars.RUN, bars.REPORT):  # they write the compiled modules and the pages
            start([sys.executable, *commands[name]])
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(repeats):
            for name, arguments in commands.items():
                begin = time.perf_counter()
                start([sys.executable, *arguments])
                times[name].append(time.perf_counter() - begin)
    base = times["import torch"]
    ratios = {
        name: median(a / b for a, b in zip(took, base, strict=True)) for name, took in times.items()
    }
    return {name: [round(median(times[name]), 3), round(ratios[name], 3)] for name in times}


def page(measured: Measured) -> str:
    """The record as Markdown."""
    machine = measured.machine
    head = (
        f"# Whole runs: {machine['device']}\n\nMade by `python benchmarks/perf/suite.py`.\n\n"
        f"Machine: {machine['processor']}, 1 thread, torch {machine['torch']}; medians over "
        f"{machine['repeats']} interleaved repeats. {_UNIT[machine['device'] == 'cpu']} Peak "
        f"memory of the process {measured.peak:.0f} MiB."
    )
    if "records" in machine:
        head += f" The report is one of {machine['records']} records."
    head += "\n"
    sections = [head]
    for stream, rows in measured.paths.items():
        sections.append(f"## {stream}\n\n{pipe_table(_PATHS, _cells(rows, 3))}\n")
    for learner, costs in measured.lengths.items():
        if not costs:
            continue
        sections.append(f"## ms an experience: {learner}\n\n{_named('experiences', costs)}\n")
    if measured.steps:
        table = _named("learner", measured.steps)
        sections.append(f"## Training on an experience, in times of adamw\n\n{table}\n")
    for stream, ratios in measured.penalties.items():
        table = _named("learner", ratios)
        sections.append(f"## Penalties, in times of the training of adamw: {stream}\n\n{table}\n")
    if measured.start:
        sections.append(f"## Start\n\n{pipe_table(_STARTS, _cells(measured.start, 2))}\n")
        sections.append(f"## Bars\n\n{pipe_table(_BARS, bars.rows(asdict(measured)))}\n")
    if measured.left_out:
        sections.append("\n".join(f"- Not run: {reason}" for reason in measured.left_out) + "\n")
    return "\n".join(sections)


_UNIT = ("Wall-clock seconds of the GPU's work.", "CPU seconds.")
_PATHS = (
    "path",
    "ms a step",
    "evaluation, ms an experience",
    "drift, ms an experience",
    "training / bare",
    "whole run / bare",
)
_BARS = ("figure", "measured", "at most", "reached")
_STARTS = ("command", "wall-clock s", "ratio")


def _cells(rows: dict[str, list[float]], digits: int) -> list[list[str]]:
    return [[name, *(f"{value:.{digits}f}" for value in values)] for name, values in rows.items()]


def _named(name: str, rows: dict[str, dict[str, float]]) -> str:
    """A table whose columns have the names of the values."""
    columns = next(iter(rows.values()), {})
    cells = _cells({row: list(values.values()) for row, values in rows.items()}, 2)
    return pipe_table((name, *columns), cells)


def main() -> None:
    arguments = _parser().parse_args()
    torch.set_num_threads(1)  # so that times do not depend on other load of the cores
    context = Context(data_root=arguments.data_root, device=arguments.device)
    facts = measure.environment(arguments.device)
    processor = facts.processor if arguments.device == "cpu" else facts.device
    machine = {"device": arguments.device, "processor": processor, "torch": facts.torch}
    measured = Measured({**machine, "repeats": arguments.repeats})

    def part(name: str, into: dict[str, Any], make: Callable[[], Any], of: str = "") -> None:
        try:
            into[name] = make()
            print(of, name, into[name], flush=True)
        except UserError as error:
            measured.left_out.append(f"{of}{name}: {str(error).split(';')[0]}")

    for name, (stream, settings) in STREAMS.items():
        spec = spec_of(stream, "adamw", settings)
        part(name, measured.paths, partial(compared, spec, context, arguments.repeats))
    data = arguments.permuted
    title = f"permuted {data}, {lengths.BASE}"
    costs = measured.lengths.setdefault(title, {})
    for n in arguments.lengths:
        spec = lengths.permuted(data, lengths.BASE, n)
        part(str(n), costs, partial(lengths.alone, spec, context), f"{title}, ")
    for learner in lengths.REPLAY:
        steps = partial(lengths.steps, data, learner, context, arguments.repeats)
        part(f"permuted {data}, {learner}", measured.steps, steps)
    for name in PENALISED:
        stream, settings = STREAMS[name]
        ratios = partial(penalties.ratios, stream, settings, context, arguments.repeats)
        part(name, measured.penalties, ratios, "penalties, ")
    if arguments.device == "cpu":
        measured.start = starts(arguments.repeats, arguments.records)
        measured.machine["records"] = sum(1 for _ in arguments.records.glob("runs/**/*.json"))
    measured.peak = round(measure.peak_memory() / 2**20, 1)
    _write(measured, arguments.out)


def _write(measured: Measured, folder: Path) -> None:
    name = "suite-cpu" if measured.machine["device"] == "cpu" else "suite-gpu"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(asdict(measured), indent=1) + "\n")
    (folder / f"{name}.md").write_text(page(measured))
    print(page(measured))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--permuted", choices=sorted(lengths.PERMUTED), default="mnist")
    parser.add_argument("--records", type=Path, default=Path("results"), help="to report on")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--out", type=Path, default=Path("results/perf"))
    return parser


if __name__ == "__main__":
    main()

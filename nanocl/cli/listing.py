"""Everything that can be named on the command line, for `--list`, and the lines of `--dry-run`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import protocol
from nanocl.protocols.backbones import PRETRAINING
from nanocl.protocols.shards import Shard
from nanocl.records import RunResult, RunSpec
from nanocl.records.store import DEFAULT_ROOT

HEADINGS = {
    "streams": "stream families (options: --set stream.x=…)",
    "strategies": "strategies (--strategy)",
    "models": "models (--model; --set model.x=…)",
}


def plugins(catalogue: Catalogue) -> str:
    """Protocols, stream families, strategies and models with their options."""
    lines = ["streams (--stream)"]
    for name, tables in protocol.protocols().items():
        names = ", ".join([name, *tables.get("aliases", ())])
        title = tables.get("title", "")
        tiers = ", ".join(tables["tier"])
        lines.append(f"  {names:<28} {title}; tiers: {tiers}")
    for kind, heading in HEADINGS.items():
        lines += ["", heading]
        for plugin in catalogue.plugins(kind).values():
            lines.append(f"  {plugin.name:<28} {plugin.summary}")
            options = [f"{name}={default}" for name, (_, default) in plugin.options.items()]
            if options:
                lines.append(" " * 31 + ", ".join(options))
    schedule = ", ".join(f"{name}={value}" for name, value in PRETRAINING.items())
    lines.append(
        f"  {'any without weights=':<28} pretrain=DATASET pretrains the backbone here: {schedule}"
    )
    return "\n".join(lines)


def label(run: RunSpec) -> str:
    """Protocol, strategy and seed of a run."""
    return f"{run.protocol} {run.strategy_name} seed {run.seed}"


def line(run: RunSpec, state: str) -> str:
    """A run with its state, digest and the options of its strategies."""
    options = " ".join(
        f"{part.name}.{name}={value}"
        for part in run.strategy
        for name, value in part.options.items()
    )
    return f"{state:<9} {run.digest}  {label(run)}  {options}"


def origin(results: Sequence[RunResult], measured_now: int, results_root: Path) -> str:
    """Where the records that were there before come from; empty if this call measured all.

    Records in the default folder may have come with the program. For a folder that the caller
    named, the machines are listed if there is more than one.
    """
    machines = {(run.environment.processor, run.environment.torch) for run in results}
    named = ", ".join(f"{processor} with torch {torch}" for processor, torch in sorted(machines))
    if measured_now >= len(results):
        return ""
    if results_root != DEFAULT_ROOT:
        return f"\nthey were measured on {named}" if len(machines) > 1 else ""
    return (
        f"\nrecords of earlier calls are of whoever made them ({named}); --results DIR with a new "
        "folder measures all runs here"
    )


def report_command(results_root: Path) -> str:
    """The command that writes the pages of a results folder."""
    if results_root == DEFAULT_ROOT:
        return "python -m nanocl.report"
    return f"python -m nanocl.report --results {shlex.quote(str(results_root))}"


def shard_line(shard: Shard, runs: Sequence[RunSpec], grid: Sequence[RunSpec]) -> str:
    """What a part of a grid has of its runs and its learners."""
    learners = len({repr(run.strategy) for run in runs})
    of = len({repr(run.strategy) for run in grid})
    return (
        f"nanocl: shard {shard.number} of {shard.count}: {len(runs)} of {len(grid)} runs, "
        f"{learners} of {of} learners"
    )

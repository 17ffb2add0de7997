"""What names a logged run: its folder, and what is noted beside its curves."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from nanocl.records import RunSpec, hash_of
from nanocl.reporting.summaries import options_of

LONGEST = 100  # characters of a folder's name; options of many digits would pass the system's limit


def of(spec: RunSpec) -> dict[str, str | int]:
    """Stream, learner as in the tables, seed and digest."""
    return {
        "protocol": spec.protocol,
        "tier": spec.tier,
        "scenario": spec.scenario,
        "model": spec.model.name,
        "strategy": spec.strategy_name,
        "options": options_of(spec),
        "seed": spec.seed,
        "digest": spec.digest,
    }


def owner(folder: Path) -> str:
    """Tells the folder on this machine from those of others, who may log the same run."""
    return hash_of(f"{platform.node()} {folder.absolute()}")


def name_of(spec: RunSpec) -> str:
    """The run's name, which is a path: `split-digits/adamw_lr=0.1/s0-0123456789ab`."""
    learner = "_".join([spec.strategy_name, *options_of(spec).split()])
    parts = (spec.protocol, learner, f"s{spec.seed}-{spec.digest}")
    return Path(*map(_safe, parts)).as_posix()


def _safe(name: str) -> str:
    """The name in characters that file systems and shells take as they are."""
    return re.sub(r"[^\w.+=-]", "", name).lstrip(".")[:LONGEST]

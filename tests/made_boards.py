"""Results folders with a board of made records, and ways to change them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from making import a_result, a_spec, shifted

from nanocl.boards import releasing
from nanocl.boards.released import Released
from nanocl.records import store
from nanocl.records.encoding import sealed, to_text

NAME = "split-digits-cpu-class"
LEARNERS = {"sgd": 0.0, "adam": 0.04, "adamw": 0.08}
SEEDS = 6


def fill(root: Path, *, seeds: range = range(SEEDS), **of_spec: Any) -> Path:
    """Three learners with different scores that vary a little from seed to seed."""
    for learner, better in LEARNERS.items():
        for seed in seeds:
            by = better + (seed * 7 + len(learner)) % 5 / 1000
            store.save(a_result(a_spec(learner, seed, **of_spec), shifted(by - 0.09)), root)
    return root


def released(root: Path, **values: str) -> Released:
    """The newest version after a release."""
    return releasing.release(NAME, root, **values).released


def record(root: Path, learner: str = "adam", seed: int = 0) -> Path:
    """The file of a record."""
    return next((root / "runs" / "split-digits" / learner).glob(f"s{seed}-*.json"))


def change(path: Path, **values: Any) -> None:
    """Change keys of a record and seal it again, as a forger would."""
    path.write_text(to_text(sealed({**json.loads(path.read_text()), **values})))

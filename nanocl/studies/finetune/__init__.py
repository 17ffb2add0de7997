"""The finetuning study: arms over a sweep of learning rates, compared at equal accuracy on the new task.

It reads the ordinary records of protocols that sweep a learning rate and whose first data set is
known from the weights; it trains nothing.
"""

from __future__ import annotations

from pathlib import Path

from nanocl.studies.finetune.page import FIGURES, GENERATED, page
from nanocl.studies.finetune.points import Comparison, comparisons

__all__ = ["FIGURES", "GENERATED", "comparisons", "draw", "folder", "page"]


def folder(found: Comparison, root: Path) -> Path:
    """Where a protocol's page and figures lie."""
    return Path(root) / "studies" / found.name


def draw(found: Comparison) -> dict[str, bytes]:
    """File name to content of the figures."""
    from nanocl.studies.finetune import figures  # here, because it loads matplotlib

    return figures.draw(found)

"""The mechanism study: what probes (`--set probe.magnitude=true`) saw of gradients and magnitudes.

It reads the probes' files and trains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nanocl.studies.mechanism.page import FIGURES, GENERATED, page
from nanocl.studies.mechanism.probes import Group, groups, path_of

__all__ = ["FIGURES", "GENERATED", "draw", "folder", "groups", "page", "path_of"]


def folder(root: Path) -> Path:
    """Where the page and the figures lie."""
    return Path(root) / "studies" / "mechanism"


def draw(found: Sequence[Group]) -> dict[str, bytes]:
    """File name to content of the figures."""
    from nanocl.studies.mechanism import figures  # here, because it loads matplotlib

    return figures.draw(found)

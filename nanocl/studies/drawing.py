"""How every figure of a study looks: one column (3.3 inches) wide, the same bytes for the same records."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure

WIDTH = 3.3
_LOOK = {
    "font.size": 7,
    "axes.titlesize": 7,
    "legend.fontsize": 6,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1,
    "lines.markersize": 3.5,
    "svg.hashsalt": "nanocl",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.dpi": 200,
}
_STAMPS = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


def content(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure, without a date.

    Args:
        kind: `png` or `svg`.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=_STAMPS[kind])
    return buffer.getvalue()


@contextmanager
def look() -> Iterator[None]:
    """matplotlib's own defaults with ours: a user's matplotlibrc must not change a published figure."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)
        yield

"""The look of every figure; the same records give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure

WIDTH = 3.3  # inches: one column of a page
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
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
}
_STAMPS = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


def content(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure, without a date.

    Args:
        kind: `pdf`, `png` or `svg`.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=_STAMPS[kind])
    return buffer.getvalue()


@contextmanager
def look() -> Iterator[None]:
    """Set matplotlib's own defaults and ours.

    A matplotlibrc on the machine must not change a published figure.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)  # type: ignore[arg-type]
        yield

"""One colour, marker and dash for each strategy, the same in every figure.

The colours are those of Okabe and Ito, 2008, which colour-blind readers can distinguish. Strategies
that share a colour differ in marker or dash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#999999"
PALETTE = (BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Style:
    """The look of a strategy, in matplotlib's terms."""

    colour: str
    marker: str
    dash: str


_STYLES = {
    # a selection has the same colour in every study
    "nano": Style(BLUE, "o", "-"),
    "nanoadam": Style(BLUE, "o", "-"),
    "nanoadam-free": Style(BLUE, "D", ":"),
    "nano-neuron": Style(SKY, "D", "-"),
    "gradient": Style(VERMILLION, "^", "-"),
    "random": Style(GREY, "s", "-"),
    "large": Style(ORANGE, "v", "-"),
    "theorem": Style(GREEN, "*", "-"),
    "static-small": Style(BLUE, "P", ":"),
    "static-large": Style(ORANGE, "P", ":"),
    "gallop": Style(SKY, "P", "-."),
    "wise-ft+adamw-dense": Style(BLACK, "v", "-."),
    "l2-sp+adamw-dense": Style(BLACK, "P", ":"),
    "gd": Style(BLACK, "o", "--"),
    "sgd": Style(BLACK, "o", "--"),
    "adam": Style(PURPLE, "X", "--"),
    "adamw": Style(PURPLE, "s", "-"),
    "microadam": Style(GREEN, "s", "--"),
    "ewc": Style(ORANGE, "D", "--"),
    "online-ewc": Style(ORANGE, "X", ":"),
    "er": Style(VERMILLION, "P", ":"),
    "joint": Style(GREY, "*", ":"),
    "lwf": Style(SKY, "^", ":"),
    "adamw-dense": Style(PURPLE, "P", ":"),
    "head+norms": Style(GREY, "D", "--"),
    "mofo": Style(VERMILLION, "s", "--"),
    "lift": Style(ORANGE, "P", "-."),
    "lora": Style(GREEN, "X", ":"),
    "ewc+adamw": Style(PURPLE, "D", "--"),
    "ewc+nanoadam": Style(SKY, "s", "--"),
    "pafi": Style(SKY, "v", "-."),
    "classp": Style(GREEN, "D", "-"),
    "si": Style(GREEN, "v", "-."),
    "agem": Style(VERMILLION, "X", "-."),
    "der": Style(PURPLE, "^", "-."),
}


def style(name: str) -> Style:
    """The style of a strategy, a composition or an arm; other names get one by their hash."""
    if name in _STYLES:
        return _STYLES[name]
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    number, colour = divmod(number, len(PALETTE))
    number, marker = divmod(number, len(MARKERS))
    return Style(PALETTE[colour], MARKERS[marker], DASHES[number % len(DASHES)])


def distinct(names: Sequence[str]) -> list[Style]:
    """The styles of the rows of one figure; a style that is taken gets a free marker or dash.

    Raises:
        ValueError: More names than looks of one colour.
    """
    chosen: list[Style] = []
    taken: set[tuple[str, str]] = set()
    for name in names:
        own = style(name)
        looks = (own, *_looks(own))
        free = [one for one in looks if (one.colour, one.marker) not in taken]
        if not free:
            raise ValueError(f"at most {len(MARKERS)} rows of a figure share a colour")
        chosen.append(free[0])
        taken.add((free[0].colour, free[0].marker))
    return chosen


def _looks(own: Style) -> list[Style]:
    """A style with every other marker, each with the next dash."""
    start = DASHES.index(own.dash)
    return [
        replace(own, marker=marker, dash=DASHES[(start + place) % len(DASHES)])
        for place, marker in enumerate(MARKERS, start=1)
    ]

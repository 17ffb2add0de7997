"""Text of records and users made inert: each kind of output shows it and does not act on it."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from nanocl.records.plain import printable

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "|": r"$|$",
        "±": r"$\pm$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "`": "",
    }
)
# Markdown of our own texts that is harmless with any content: code, line ends in cells, and links
# to pages beside this one
_OWN = re.compile(
    r"(?<![`\\])`[^`]+`(?!`)|<br>|"
    r"\[((?:tables|studies|boards/[\w.+-]+)/[\w.+-]+)\]\(\1(?:/README\.md|/table\.md)?\)"
)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ACTIVE = re.compile(rf"[\\`]|{_TAG.pattern}|&(?=#?\w+;)|(?<=\])(?=\()")
_BLOCK = re.compile(r"(?=[#>+=~\[-])")


@lru_cache(maxsize=2**14)  # the pages of a report repeat most of their cells
def markdown(text: str) -> str:
    """Text of a table's cell or line: HTML, links and images are shown as characters.

    Emphasis stays: it changes no more than the look.
    """
    return _escaped(printable(text), _ACTIVE)


def markdown_line(text: str) -> str:
    """As `markdown`, for text that begins a line and must not begin a heading or list there."""
    return _BLOCK.sub(r"\\", markdown(text), count=1) if _BLOCK.match(text) else markdown(text)


def page(text: str) -> str:
    """A whole Markdown page without HTML and control characters."""
    return "\n".join(_escaped(printable(line), _TAG) for line in text.split("\n"))


def latex(text: str) -> str:
    """Text as LaTeX prints it literally, with a minus sign before negative numbers."""
    letters = printable(text).translate(_LATEX)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", letters)


def html(text: str) -> str:
    """Text as a browser shows it literally; line ends become line breaks."""
    return "<br>".join(escape(printable(line)) for line in text.split("\n"))


def comma_separated(text: str) -> str:
    """A text cell of a CSV file that no spreadsheet takes for a formula; not for numbers."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def _escaped(text: str, active: re.Pattern[str]) -> str:
    """The text with what is active escaped, except in our own Markdown."""
    parts = []
    end = 0
    for own in _OWN.finditer(text):
        parts += [active.sub(_escape, text[end : own.start()]), own[0]]
        end = own.end()
    return "".join((*parts, active.sub(_escape, text[end:])))


def _escape(match: re.Match[str]) -> str:
    return {"<": "&lt;", "&": "&amp;"}.get(match[0], f"\\{match[0]}")

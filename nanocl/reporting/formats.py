"""A table of text cells as Markdown, LaTeX or terminal text, and numbers as cells."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from nanocl.records.plain import printable
from nanocl.reporting import inert, statistics

_SCALES = {
    "share": 100.0,
    "milliseconds": 1000.0,
    "bytes": 2.0**-20,
}


@dataclass(frozen=True)
class Table:
    """A table with the lines printed above and below it.

    Attributes:
        title: Its heading.
        above: Lines that name the protocol under which it was measured.
        header, rows: The cells; every row is as long as the header.
        below: Notes and definitions of the columns.
        names: Number of leading columns that name the row. They are aligned left and repeated
            when a table is folded.
        label: Letters, digits and hyphens; LaTeX refers to the table by it.
        caption: Added to the title in LaTeX, which does not repeat it below; a line of `above`.
        bold: (row, column) of a cell that LaTeX prints in bold.
    """

    title: str
    above: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below: tuple[str, ...] = ()
    names: int = 1
    label: str = "table"
    caption: str = ""
    bold: tuple[int, int] | None = None


def markdown(table: Table, level: int = 2) -> str:
    """A section with a pipe table, or without one if the header is empty."""
    grid = pipe_table(table.header, table.rows, names=table.names) if table.header else ""
    parts = [
        f"{'#' * level} {inert.markdown(table.title)}",
        _bullets(table.above),
        grid,
        _bullets(table.below),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def pipe_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    names: int = 1,
    padded: bool = True,
) -> str:
    """A Markdown table without a heading.

    Args:
        header, rows: The cells; every row is as long as the header.
        names: Number of leading columns that are aligned left; numbers are aligned right.
        padded: Align the columns of the source text too. Set it to False where cells hold prose:
            one long cell would widen every row.
    """
    lines = [list(map(_pipe_cell, row)) for row in (header, *rows)]
    sizes = [max(map(len, column)) if padded else 1 for column in zip(*lines, strict=True)]
    rules = [
        f":{'-' * (size + 1)}" if place < names else f"{'-' * (size + 1)}:"
        for place, size in enumerate(sizes)
    ]
    padded_lines = [" | ".join(_aligned(line, sizes, names)) for line in lines]
    head, *body = [f"| {line} |" for line in padded_lines]
    return "\n".join([head, f"|{'|'.join(rules)}|", *body])


def latex(table: Table) -> str:
    """A `table` environment; needs the packages booktabs and graphicx."""
    lines_of_cells = [[*map(inert.latex, row)] for row in (table.header, *table.rows)]
    if table.bold:
        row, column = table.bold
        lines_of_cells[1 + row][column] = rf"\textbf{{{lines_of_cells[1 + row][column]}}}"
    cells = [" & ".join(line) + r" \\" for line in lines_of_cells]
    below = [line for line in (*table.above, *table.below) if line != table.caption]
    titles = [inert.latex(text) for text in (table.title, table.caption) if text]
    columns = "l" * table.names + "r" * (len(table.header) - table.names)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{'. '.join(titles)}}}",
        rf"\label{{tab:{table.label}}}",
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        cells[0],
        r"\midrule",
        *cells[1:],
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        *(inert.latex(line) + r"\par" for line in below),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def text(table: Table, width: int = 100) -> str:
    """Plain text; a table wider than `width` is folded into blocks of columns."""
    table = _printable(table)
    sizes = _sizes(table)
    blocks = "\n\n".join(
        _block(table, sizes, chosen) for chosen in _folds(sizes, table.names, width)
    )
    above = [*wrapped(table.above, width), ""] if table.above else []
    return "\n".join([*above, table.title, blocks, *wrapped(table.below, width)]) + "\n"


def fits(table: Table, width: int) -> bool:
    """Whether `text` needs no second block of columns."""
    return len(_folds(_sizes(_printable(table)), table.names, width)) == 1


def html(table: Table) -> str:
    """An HTML table with its lines, all text escaped; a line end in a cell is a line break."""
    header, *rows = ([*map(inert.html, row)] for row in (table.header, *table.rows))
    grid = [_html_row(header, "th", table.names)]
    grid += [_html_row(row, "td", table.names) for row in rows]
    title = f"<caption>{inert.html(table.title)}</caption>"
    whole = ["<table>", title, *grid, "</table>"]
    return "\n".join([*_paragraphs(table.above), *whole, *_paragraphs(table.below)])


def _paragraphs(lines: Sequence[str]) -> list[str]:
    return [f"<p>{inert.html(line)}</p>" for line in lines]


def _html_row(cells: Sequence[str], tag: str, names: int) -> str:
    """One row; names are aligned left, numbers right."""
    sides = ("left" if place < names else "right" for place in range(len(cells)))
    made = (
        f'<{tag} style="text-align: {side}">{cell}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"


def wrapped(lines: Sequence[str], width: int) -> list[str]:
    """The lines broken at `width`; continuation lines are indented."""
    return [
        piece
        for line in lines
        for piece in textwrap.wrap(
            printable(line).replace("`", ""),
            width,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def mean_and_std(values: Sequence[float | None], unit: str, measure: str = "accuracy") -> str:
    """`mean ± std` of the defined values; `(n=...)` if some are None, `-` if all are."""
    defined = [value for value in values if value is not None]
    if not defined:
        return "-"
    mean = statistics.mean(defined)
    std = statistics.deviation(defined)
    if std is None or (std == 0 and unit in ("bytes", "count")):
        spread = ""
    else:
        spread = f" ± {number(std, unit, measure, like=mean)}"
    count = f" (n={len(defined)})" if len(defined) < len(values) else ""
    return number(mean, unit, measure) + spread + count


def mean_and_interval(
    values: Sequence[float | None],
    unit: str,
    measure: str = "accuracy",
    bounds: tuple[float, float] = statistics.UNBOUNDED,
) -> str:
    """`mean [low, high]`, the 95 % interval within the bounds; the mean alone for one value.

    `(n=...)` if some values are None, `-` if all are.
    """
    defined = [value for value in values if value is not None]
    if not defined:
        return "-"
    mean = statistics.mean(defined)
    ends = statistics.interval(defined, bounds)
    shown = number(mean, unit, measure)
    if ends is not None:
        low, high = (number(end, unit, measure, like=mean) for end in ends)
        shown += f" [{low}, {high}]"
    return shown + (f" (n={len(defined)})" if len(defined) < len(values) else "")


def number(
    value: float,
    unit: str,
    measure: str = "accuracy",
    like: float | None = None,
) -> str:
    """A stored value as people read it.

    Percentages have 2 decimal places, cosines 4. Losses have 4 significant digits, everything else
    has 3. Seconds per step are shown in ms, bytes in MiB. With `like`, the value has as many
    decimal places as that number would have.
    """
    percent = unit == "share" or (unit == "score" and measure == "accuracy")
    factor = 100.0 if percent else _SCALES.get(unit, 1.0)
    value, like = value * factor, factor * (like or value)
    if unit in ("bytes", "count") and value == like == round(like):
        return f"{value:.0f}"
    if unit == "cosine":
        return f"{value:.4f}"
    shown = f"{value:.2f}" if percent else _significant(value, like, 4 if unit == "score" else 3)
    if shown.startswith("-") and not shown.strip("-0."):
        return shown[1:]
    return shown


def _significant(value: float, like: float, digits: int) -> str:
    if not like or not 1e-3 <= abs(like) < 1e6:
        return f"{value:.{digits - 1}e}" if value else "0"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(like))))}f}"


def _printable(table: Table) -> Table:
    """The table with cells that a terminal shows and does not obey."""
    rows = (table.header, *table.rows)
    header, *body = (tuple(map(printable, row)) for row in rows)
    return replace(table, title=printable(table.title), header=header, rows=tuple(body))


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {inert.markdown_line(line)}" for line in lines)


def _pipe_cell(cell: str) -> str:
    """A cell with the characters escaped that would end it or act on the page."""
    return inert.markdown(cell.replace("\n", " ")).replace("|", r"\|")


def _aligned(cells: Sequence[str], sizes: Sequence[int], names: int) -> Iterator[str]:
    """The cells padded to their sizes: names aligned left, numbers right."""
    for place, (cell, size) in enumerate(zip(cells, sizes, strict=True)):
        yield cell.ljust(size) if place < names else cell.rjust(size)


def _sizes(table: Table) -> list[int]:
    return [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]


def _folds(sizes: Sequence[int], names: int, width: int) -> list[list[int]]:
    start = sum(sizes[:names]) + 2 * (names - 1)
    folds: list[list[int]] = [[]]
    used = start
    for index in range(names, len(sizes)):
        if folds[-1] and used + 2 + sizes[index] > width:
            folds.append([])
            used = start
        folds[-1].append(index)
        used += 2 + sizes[index]
    return [[*range(names), *fold] for fold in folds]


def _block(table: Table, sizes: Sequence[int], chosen: Sequence[int]) -> str:
    """The chosen columns with a rule below the header."""
    widths = [sizes[place] for place in chosen]
    names = sum(place < table.names for place in chosen)
    lines = []
    for row in (table.header, *table.rows):
        cells = [row[place] for place in chosen]
        lines.append("  ".join(_aligned(cells, widths, names)).rstrip())
    head, *body = lines
    return "\n".join([head, "  ".join("-" * width for width in widths), *body])

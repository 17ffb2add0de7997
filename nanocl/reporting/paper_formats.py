"""Tables for papers as LaTeX, Markdown, CSV or text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from nanocl.records import Summary
from nanocl.reporting import captions, formats, inert, statistics
from nanocl.reporting.formats import Table
from nanocl.reporting.papers import Choice, PaperTable, cell, header, tables
from nanocl.reporting.summaries import measure_of


def document(summaries: Sequence[Summary], choice: Choice, format: str, width: int = 100) -> str:
    """The tables as `text`, `markdown`, `csv` or `latex`.

    Raises:
        UserError: A column or row that does not exist.
    """
    made = tables(summaries, choice)
    if format == "csv":
        return _comma_separated(made)
    if format == "latex":
        return "\n".join(map(latex, made))
    if format == "markdown":
        return "\n".join(formats.markdown(_plain(one, "**")) for one in made)
    return "\n".join(formats.text(_plain(one, "*"), width) for one in made)


def latex(table: PaperTable) -> str:
    """A `table` environment that fits one column of a page; needs the package booktabs."""
    measure = measure_of(table.rows[0])
    titles = ["", *(_latex_header(header(shown, measure)) for shown in table.columns)]
    lines = []
    for i, (row, name) in enumerate(zip(table.rows, table.names, strict=True)):
        cells = [inert.latex(name)]
        for j, shown in enumerate(table.columns):
            cells.append(_latex_cell(*cell(row, shown, measure), (i, j) in table.best))
        lines.append(" & ".join(cells) + r" \\")
    absent = [f"% not measured under this protocol: {', '.join(table.absent)}"]
    return "\n".join(
        [
            *(absent if table.absent else ()),
            r"\begin{table}",
            r"\centering\footnotesize",
            r"\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{inert.latex(table.caption)}}}",
            rf"\label{{tab:paper-{table.rows[0].protocol_hash}}}",
            rf"\begin{{tabular}}{{@{{}}l{'r' * len(table.columns)}@{{}}}}",
            r"\toprule",
            " & ".join(titles) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_header(title: str) -> str:
    """A title; one of several words is broken into two lines, as its numbers are narrow."""
    words = title.split()
    half = next((i for i in range(1, len(words)) if words[i] not in "↑↓/"), 0)
    if not half:
        return inert.latex(title)
    above, below = inert.latex(" ".join(words[:half])), inert.latex(" ".join(words[half:]))
    return rf"\shortstack[r]{{{above}\\{below}}}"


def _latex_cell(mean: str, spread: str, is_best: bool) -> str:
    if mean == "-":
        return "--"
    number = rf"\mathbf{{{mean}}}" if is_best else mean
    return f"${number}_{{\\pm {spread}}}$" if spread else f"${number}$"


def _plain(table: PaperTable, mark: str) -> Table:
    """The table for Markdown or a terminal; `**` surrounds a marked cell, `*` follows it."""
    measure = measure_of(table.rows[0])
    lines = []
    for i, (row, name) in enumerate(zip(table.rows, table.names, strict=True)):
        cells = [name]
        for j, shown in enumerate(table.columns):
            text = " ± ".join(filter(None, cell(row, shown, measure)))
            is_best = (i, j) in table.best
            cells.append((f"**{text}**" if mark == "**" else f"{text} *") if is_best else text)
        lines.append(tuple(cells))
    absent = [f"not measured under this protocol: {', '.join(table.absent)}"]
    caption = table.caption if mark == "**" else table.caption.replace("Bold:", "*:")
    return Table(
        captions.heading(table.rows[0].results[0].spec),
        (),
        ("strategy", *(header(shown, measure) for shown in table.columns)),
        tuple(lines),
        (caption, *(absent if table.absent else ())),
    )


def _comma_separated(made: Sequence[PaperTable]) -> str:
    """One line a row with mean and standard deviation of each column, as stored."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for place, table in enumerate(made):
        if not place:
            named = [(shown.name, f"{shown.name}_std") for shown in table.columns]
            columns = [name for pair in named for name in pair]
            writer.writerow(("protocol", "scenario", "protocol_hash", "row", "seeds", *columns))
        for row, name in zip(table.rows, table.names, strict=True):
            spec = row.results[0].spec
            line: list[object] = [spec.protocol, spec.scenario, row.protocol_hash]
            line += [inert.comma_separated(name), len(row.seeds)]
            for shown in table.columns:
                values = [value for value in row.columns[shown.key] if value is not None]
                line += (
                    [statistics.mean(values), statistics.deviation(values)] if values else ["", ""]
                )
            writer.writerow(line)
    return out.getvalue()

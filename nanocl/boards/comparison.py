"""Two learners, boards or results folders compared: `python -m nanocl.report compare A B`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nanocl.boards import changes, contents, names, reading
from nanocl.records import Summary, UserError, plain, store
from nanocl.records.ranges import did_you_mean
from nanocl.reporting import formats, metrics, statistics
from nanocl.reporting.columns import Column
from nanocl.reporting.formats import Table
from nanocl.reporting.ranking import is_sweep, score_of
from nanocl.reporting.summaries import by_protocol, measure_of, summarise

SHOWN = (
    metrics.average_accuracy,
    metrics.learning_accuracy,
    metrics.forgetting,
    metrics.backward_transfer,
    metrics.forward_transfer,
)
HEADER = ("learner", "metric", "first", "second", "difference [95 %]", "p", "seeds")
BELOW = (
    "difference: first - second, paired by seed, with its 95 % interval (Student's t)",
    "p: two-sided sign-flip test of each pair alone, not adjusted for the number of lines",
)


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        text: As it was given.
        boards: The rows of each board; one row of one board if a learner was named.
        is_learner: Whether a learner was named.
    """

    text: str
    boards: Sequence[Sequence[Summary]]
    is_learner: bool = False


def compare(first: str, second: str, results_root: Path) -> list[Table]:
    """A table of paired differences for each board that both sides have.

    Args:
        first, second: `NAME:LEARNER`, `NAME`, either with `@VERSION` after the name, or results
            folders. A board without a version is computed from the records of `results_root`.
        results_root: The results folder.

    Raises:
        UserError: An unknown board or learner, or boards with different protocols.
    """
    one, other = (_side(text, results_root) for text in (first, second))
    if one.is_learner != other.is_learner:
        raise UserError("name a learner on both sides (NAME:LEARNER), or on neither")
    pairs = _paired_boards(one, other)
    return [_table(one, other, rows, others) for rows, others in pairs]


def _side(text: str, results_root: Path) -> Side:
    folder = Path(text)
    if (folder / "runs").is_dir():
        results, problems = store.load_all(folder)
        if problems:
            raise UserError(f"a record is damaged: {problems[0]}; repair or delete it")
        boards = [rows for rows in by_protocol(summarise(results)) if not is_sweep(rows)]
        return Side(text, boards)
    board, colon, learner = text.partition(":")
    rows = reading.rows_of(board, results_root)
    if colon:
        return Side(text, [[_learner(learner, rows, board)]], True)
    return Side(text, [rows])


def _learner(text: str, rows: Sequence[Summary], board: str) -> Summary:
    labels = {contents.label(row): row for row in rows}
    if text in labels:
        return labels[text]
    fitting = [name for name, row in labels.items() if row.strategy == text]
    if len(fitting) == 1:
        return labels[fitting[0]]
    if fitting:
        shown = ", ".join(map(repr, fitting))
        raise UserError(f"board {board!r} has several rows of {text!r}: {shown}; name one of them")
    raise UserError(f"board {board!r} has no learner {text!r}{did_you_mean(text, labels)}")


def _paired_boards(one: Side, other: Side) -> list[tuple[Sequence[Summary], Sequence[Summary]]]:
    """The boards of both sides with the same protocol."""
    theirs = {rows[0].protocol_hash: rows for rows in other.boards}
    pairs = [
        (rows, theirs[rows[0].protocol_hash])
        for rows in one.boards
        if rows[0].protocol_hash in theirs
    ]
    if not pairs:
        raise UserError(_refusal(one, other))
    return pairs


def _refusal(one: Side, other: Side) -> str:
    if len(one.boards) != 1 or len(other.boards) != 1:
        return f"{one.text!r} and {other.text!r} have no board with the same protocol"
    ours, theirs = (side.boards[0][0].results[0].spec.shared_identity() for side in (one, other))
    keys = "; ".join(changes.differing_keys(ours, theirs))
    return f"{one.text!r} and {other.text!r} have different protocols and do not compare: {keys}"


def _table(one: Side, other: Side, rows: Sequence[Summary], others: Sequence[Summary]) -> Table:
    lines: list[tuple[str, ...]] = []
    for first, second, name in _paired_rows(one, rows, others):
        for column in _columns(first):
            line = _line(first, second, column)
            if line:
                lines.append((name, column.title, *line))
    spec = rows[0].results[0].spec
    title = f"{one.text} against {other.text}: {names.name_of(spec)}, protocol {spec.protocol_hash}"
    notes = [] if lines else ["no learner with a seed in common"]
    return Table(plain.printable(title), (), HEADER, tuple(lines), (*BELOW, *notes), 2)


def _paired_rows(
    one: Side, rows: Sequence[Summary], others: Sequence[Summary]
) -> list[tuple[Summary, Summary, str]]:
    if one.is_learner:
        names_of_both = f"{contents.label(rows[0])} - {contents.label(others[0])}"
        return [(rows[0], others[0], names_of_both)]
    theirs = {contents.label(row): row for row in others}
    labels = [(row, contents.label(row)) for row in rows]
    return [(row, theirs[label], label) for row, label in labels if label in theirs]


def _columns(row: Summary) -> list[Column]:
    """The score of the board, then the usual metrics."""
    score = score_of(row.results[0].spec)
    return [score, *(column for column in SHOWN if column != score)]


def _line(first: Summary, second: Summary, column: Column) -> tuple[str, ...]:
    """The cells of one metric; nothing where it is undefined for either."""
    ours, theirs = (_by_seed(row, column) for row in (first, second))
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return ()
    unit, measure = column.unit, measure_of(first)
    first_mean = statistics.mean([ours[seed] for seed in seeds])
    second_mean = statistics.mean([theirs[seed] for seed in seeds])
    differences = statistics.paired(ours, theirs)
    low, high = column.bounds(measure)
    p = "-"
    if len(seeds) >= statistics.FEWEST_SEEDS:
        p = f"{statistics.sign_flip_p_value(differences):.3g}"
    total = len({*ours, *theirs})
    return (
        formats.number(first_mean, unit, measure),
        formats.number(second_mean, unit, measure),
        formats.mean_and_interval(differences, unit, measure, (low - high, high - low)),
        p,
        f"{len(seeds)} paired" + (f" of {total}" if total > len(seeds) else ""),
    )


def _by_seed(row: Summary, column: Column) -> dict[int, float]:
    pairs = zip(row.seeds, row.columns[column.name], strict=True)
    return {seed: value for seed, value in pairs if value is not None}

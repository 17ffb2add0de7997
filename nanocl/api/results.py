"""What `nanocl.run` and `nanocl.load_results` return: records, and everything made of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from nanocl.api import frames
from nanocl.api.arguments import in_python, named
from nanocl.records import RunResult, Summary, UserError, store
from nanocl.records.ranges import did_you_mean
from nanocl.reporting import screen, tables

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

Kind = Literal["accuracy", "drift", "cost"]
Format = Literal["text", "markdown", "latex", "csv"]
WIDTH = 100  # columns of text


@dataclass(frozen=True, repr=False)
class Results(Sequence[RunResult]):
    """Measured runs, each a `RunResult` with everything that its record holds.

    `print` shows one screen, a notebook the same as a table, and results of several calls add up
    with `+`. Metrics that compare with joint training need it among the runs.

    Attributes:
        runs: The runs.
    """

    runs: tuple[RunResult, ...]

    @overload
    def __getitem__(self, place: int) -> RunResult: ...
    @overload
    def __getitem__(self, place: slice) -> Results: ...
    def __getitem__(self, place: int | slice) -> RunResult | Results:
        return Results(self.runs[place]) if isinstance(place, slice) else self.runs[place]

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[RunResult]:
        return iter(self.runs)

    def __add__(self, other: Results) -> Results:
        """The runs of both, each once."""
        if not isinstance(other, Results):
            return NotImplemented
        by_digest = {run.spec.digest: run for run in (*other, *self)}
        ordered = dict.fromkeys(run.spec.digest for run in (*self, *other))
        return Results(tuple(by_digest[digest] for digest in ordered))

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        protocols = ", ".join(dict.fromkeys(run.spec.protocol for run in self)) or "none"
        seeds = len({run.spec.seed for run in self})
        learners = len({row.strategy + row.options for row in self.summaries})
        return f"<Results of {protocols}; runs: {len(self)}, learners: {learners}, seeds: {seeds}>"

    def _repr_html_(self) -> str:
        return in_python(screen.html(self.summaries)) or "<p>no runs</p>"

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """A row for each learner under each protocol, over its seeds, as in the tables."""
        return tuple(tables.summarise(self.runs))

    def to_pandas(self) -> pandas.DataFrame:
        """One row a run: what names it, its digest, and every metric by its name.

        Accuracies are fractions; drift is named by group, such as `backbone.relative`. NaN where a
        metric is undefined, as for a run that diverged.
        """
        frame = _frame(frames.runs(self.summaries))
        if frame.empty:
            return frame
        return frame.astype(dict.fromkeys(self.summaries[0].columns, float))  # None becomes NaN

    def matrices(self) -> pandas.DataFrame:
        """One row a test: the result `value` on experience `tested` after training on `trained`.

        Experiences count from 0; `trained` -1 is the untrained model. The `view` is `evaluation`,
        `masked` (predictions limited to the experience's own classes) or `validation` (held-out
        training data). What was not tested has no row.
        """
        return _frame(frames.matrices(self.summaries))

    def drift(self, by: Literal["group", "layer", "decile"] = "group") -> pandas.DataFrame:
        """One row a number of the parameter drift after each experience `trained`, from 0.

        Args:
            by: `group`: every metric of backbone, head, all and buffers, since the start and since
                the previous experience. `layer`: L2 and relative of each parameter since the
                start. `decile`: mean absolute change in each tenth of the starting magnitudes,
                smallest first.

        Raises:
            UserError: Another value of `by`.
        """
        if by not in frames.DRIFT:
            raise UserError(f"by must be one of {', '.join(frames.DRIFT)}, got {by!r}")
        return _frame(frames.drift(self.summaries, by))

    def table(self, kind: Kind = "accuracy", format: Format = "text", width: int = WIDTH) -> str:
        """The table of one kind for each protocol, as `python -m nanocl.report` writes it.

        Args:
            kind: `accuracy`, `drift` or `cost`.
            format: `text`, `markdown`, `latex` (packages booktabs and graphicx) or `csv`.
            width: Columns of the text.

        Raises:
            ValueError: Another kind or format.
        """
        return tables.render(self.summaries, kind, format, width)

    def summary(self, width: int = WIDTH) -> str:
        """One screen for each protocol: best row first, and what the table says in words."""
        return in_python(screen.screen(self.summaries, width)) or "no runs"

    def plot(self, learner: str = "") -> Figure:
        """A figure of one protocol.

        Args:
            learner: Empty for the accuracy on the experiences so far of every learner over the
                stream, mean and standard deviation over seeds; or a strategy, whose evaluation
                matrix is drawn.

        Raises:
            UserError: Runs of several protocols, or no such learner.
        """
        from nanocl.api import figures  # here, because it loads matplotlib

        return (
            figures.matrix(self.summaries, learner) if learner else figures.curves(self.summaries)
        )

    def filter(self, where: Callable[[RunResult], bool] | None = None, /, **values: Any) -> Results:
        """The runs that have these values.

        Args:
            where: Called with each run; True keeps it.
            values: `protocol`, `tier`, `scenario`, `stream`, `model`, `strategy`, `options`,
                `options_from`, `seed`, `status`, `protocol_hash` or `digest`, as in `to_pandas`,
                each a value or a list of values.

        Raises:
            UserError: Another name.
        """
        kept = []
        for row in self.summaries:
            for run in row.results:
                if _matches(frames.identity(row, run), values) and (where is None or where(run)):
                    kept.append(run.spec.digest)
        return Results(tuple(run for run in self if run.spec.digest in set(kept)))


@named
def load_results(path: str | Path = "results") -> Results:
    """All records of a results folder, in the order of their paths.

    A record that is damaged or contradicts itself is left out with a warning.

    Raises:
        UserError: No such folder, or one without records.
    """
    folder = Path(path).expanduser()
    if not (folder / "runs").is_dir():
        raise UserError(
            f"{str(folder)!r} is no results folder, which holds runs/; nanocl.run(results=...) "
            "makes one"
        )
    results, problems = store.load_all(folder)
    for problem in problems:
        warnings.warn(f"skipped {problem}", stacklevel=3)  # past `named`
    return Results(tuple(results))


def _matches(named: frames.Row, values: dict[str, Any]) -> bool:
    for name, wanted in values.items():
        if name not in named:
            raise UserError(f"filter has no argument {name!r}{did_you_mean(name, named)}")
        is_several = isinstance(wanted, Iterable) and not isinstance(wanted, str)
        if named[name] not in (list(wanted) if is_several else [wanted]):
            return False
    return True


def _frame(rows: Iterable[frames.Row]) -> pandas.DataFrame:
    import pandas  # here, because it takes half a second

    return pandas.DataFrame(list(rows))

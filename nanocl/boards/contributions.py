"""Whether a contributed record may join a board: `python -m nanocl.report check RECORD...`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from nanocl.boards import changes, defined, plausibility
from nanocl.protocols.protocol import protocols
from nanocl.records import Part, RunResult, RunSpec, UserError, measuring, plain, store
from nanocl.records.ranges import did_you_mean
from nanocl.reporting.summaries import as_text


@dataclass(frozen=True)
class Finding:
    """What the check of one record found.

    Attributes:
        path: Its file.
        faults: What is wrong; none: it may join.
        result: The record, if it could be read.
    """

    path: Path
    faults: tuple[str, ...]
    result: RunResult | None = None


def check(paths: Sequence[Path], results_root: Path) -> list[Finding]:
    """Check records against the protocols of this version of nanocl and the records at hand.

    Args:
        paths: Files, or folders in which every JSON file is a record.
        results_root: The results folder whose rows they would join.

    Raises:
        UserError: A file does not exist, or a folder has no record.
    """
    boards = _Boards(store.load_all(results_root)[0])
    return [_checked(path, boards) for path in _files(paths)]


@dataclass
class _Boards:
    """What records are compared with.

    Attributes:
        present: The records at hand.
        defined: Protocol, tier, scenario and strategy to the runs that the protocol defines.
    """

    present: Sequence[RunResult]
    defined: dict[tuple[str, ...], list[RunSpec]] = field(default_factory=dict)

    @cached_property
    def by_digest(self) -> dict[str, RunResult]:
        """The records at hand by their digest."""
        return {run.spec.digest: run for run in self.present}

    def expected(self, spec: RunSpec) -> list[RunSpec]:
        """Every run of the protocol, and that of the strategy of a record where it has none."""
        key = (spec.protocol, spec.tier, spec.scenario, spec.strategy_name)
        if key not in self.defined:
            self.defined[key] = self._defined(spec)
        return self.defined[key]

    def _defined(self, spec: RunSpec) -> list[RunSpec]:
        place = (spec.protocol, spec.tier, spec.scenario)
        if place not in self.defined:
            self.defined[place] = defined.runs(spec)
        runs = self.defined[place]
        if any(run.strategy_name == spec.strategy_name for run in runs) or _has_user_plugin(spec):
            return runs
        return [*runs, *defined.runs(spec, (spec.strategy_name,))]


def _files(paths: Sequence[Path]) -> list[Path]:
    files = []
    for path in paths:
        inside = sorted(path.glob("**/*.json")) if path.is_dir() else [path]
        if not inside or not path.exists():
            raise UserError(f"{str(path)!r} {'has no record' if path.exists() else 'is missing'}")
        files += inside
    return files


def _checked(path: Path, boards: _Boards) -> Finding:
    try:
        result = store.verified(plain.read(path))
    except (OSError, ValueError) as error:
        return Finding(path, (store.one_line(error),))
    faults = [
        *_protocol(result.spec, boards),
        *_tests(result),
        *plausibility.faults(result),
        *_collision(result, path, boards),
    ]
    return Finding(path, tuple(faults), result)


def _protocol(spec: RunSpec, boards: _Boards) -> Iterator[str]:
    """What differs from the protocol of its name, tier and scenario."""
    if spec.protocol not in protocols():
        yield f"unknown protocol {spec.protocol!r}{did_you_mean(spec.protocol, protocols())}"
        return
    try:
        expected = boards.expected(spec)
    except UserError as error:
        yield f"the protocol {spec.protocol} does not fit: {store.one_line(error)}"
        return
    protocol = defined.like(expected[0], spec)
    lines = changes.differing_keys(protocol.shared_identity(), spec.shared_identity())
    if lines:
        yield (
            f"protocol {spec.protocol_hash} is not that of {spec.protocol} "
            f"({protocol.protocol_hash}): {'; '.join(lines)} (expected -> given)"
        )
        return
    yield from _data(spec, boards.present)
    on_board = [run.spec for run in boards.present if run.spec.protocol_hash == spec.protocol_hash]
    yield from _seed(spec, [*expected, *on_board])
    yield from _options(spec, [*expected, *on_board])


def _tests(result: RunResult) -> Iterator[str]:
    """Tests that the run of the protocol makes and the record lacks."""
    if result.spec.protocol not in protocols():
        return
    try:
        wanted = defined.measured(result.spec)
    except UserError:
        return  # the protocol does not fit, which is said
    given = measuring.of(result)
    if not given.covers(replace(wanted, track_every=0), len(result.initial)):
        yield f"tested with --evaluate {given.evaluate}, the board needs {wanted.evaluate}"
    if wanted.track_every and not given.track_every:
        yield "not tested within experiences, which the score of the board needs (--track-every)"


def _data(spec: RunSpec, present: Sequence[RunResult]) -> Iterator[str]:
    known = {
        run.spec.data
        for run in present
        if (run.spec.protocol, run.spec.tier, run.spec.scenario)
        == (spec.protocol, spec.tier, spec.scenario)
    }
    if known and spec.data not in known:
        yield f"data fingerprint {spec.data}, the records of the board have {', '.join(known)}"


def _seed(spec: RunSpec, runs: Sequence[RunSpec]) -> Iterator[str]:
    """Tuning seeds, for example, are never reported."""
    seeds = sorted({run.seed for run in runs})
    if spec.seed not in seeds:
        yield f"seed {spec.seed} is none of the board's, {seeds[0]} to {seeds[-1]}"


def _options(spec: RunSpec, runs: Sequence[RunSpec]) -> Iterator[str]:
    """What differs from every row of its strategy."""
    if _has_user_plugin(spec):
        return
    rows = [run.strategy for run in runs if run.strategy_name == spec.strategy_name]
    differences = [_differing_options(row, spec.strategy) for row in rows]
    if differences and all(differences):
        fewest = min(differences, key=len)
        yield f"options of no row of {spec.strategy_name}: {', '.join(fewest)} (row -> given)"


def _differing_options(row: Sequence[Part], given: Sequence[Part]) -> list[str]:
    lines = []
    for ours, theirs in zip(row, given, strict=True):
        if ours.version != theirs.version:
            lines.append(f"{ours.name} version: {ours.version} -> {theirs.version}")
        for name in sorted({*ours.options, *theirs.options}):
            before, after = ours.options.get(name), theirs.options.get(name)
            if before != after:
                lines.append(f"{ours.name}.{name}: {as_text(before)} -> {as_text(after)}")
    return lines


def _has_user_plugin(spec: RunSpec) -> bool:
    return any(part.plugin for part in spec.strategy)


def _collision(result: RunResult, path: Path, boards: _Boards) -> Iterator[str]:
    """A record of the same run with other numbers."""
    run = boards.by_digest.get(result.spec.digest)
    if run is not None and run.evaluation != result.evaluation:
        yield f"the record of this run in runs/ has other numbers ({path.name})"

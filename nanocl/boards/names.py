"""Names of boards: `permuted-mnist-cpu-domain` is a protocol at a tier in a scenario."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from nanocl.boards import defined
from nanocl.records import SCENARIOS, TIERS, RunResult, RunSpec, Summary, UserError, store
from nanocl.records.ranges import did_you_mean
from nanocl.records.store import Problem
from nanocl.reporting.ranking import not_ranked
from nanocl.reporting.summaries import by_protocol, results_of, summarise
from nanocl.reporting.tables import file_stem

_NAME = re.compile(rf"(.+)-({'|'.join(TIERS)})-({'|'.join(SCENARIOS)})")


def name_of(spec: RunSpec) -> str:
    """The name of the board of a run, shared by all versions of its protocol."""
    return file_stem(spec).removesuffix(f"-{spec.protocol_hash}")


def short_names(name: str) -> set[str]:
    """The name, and its shorter forms: the protocol alone, and with the scenario."""
    match = _NAME.fullmatch(name)
    if match is None:
        return {name}
    protocol, _, scenario = match.groups()
    return {name, protocol, f"{protocol}-{scenario}"}


def is_full(text: str) -> bool:
    """Whether a text has the form of a whole name."""
    return _NAME.fullmatch(text) is not None


def matching(text: str, names: Iterable[str]) -> list[str]:
    """The names that a text stands for: itself, or those of which it is a short form."""
    names = sorted(names)
    if text in names:
        return [text]
    return [name for name in names if text in short_names(name)]


def rows_of(text: str, results_root: Path) -> list[Summary]:
    """The rows of the board of a name, computed from the records of a results folder.

    Args:
        text: Its name or a short form. Where there are records of several protocols of the name,
            it stands for the present one; the name with the hash of a protocol stands for any.
        results_root: The results folder.

    Raises:
        UserError: No board or several boards have the name, or a record of its protocol is damaged.
    """
    results, problems = _records(text, results_root)
    rows = _only(text, by_protocol(summarise(results)), results_root)
    reason = not_ranked(rows)
    if reason:
        raise UserError(f"{name_of(_first(rows).spec)} is {reason}: it is not ranked and no board")
    folder = store.path_of(results_of(rows)[0].spec, results_root).parents[1]
    for problem in problems:
        if folder in problem.path.parents:
            raise UserError(f"a record of the board is damaged: {problem}; repair or delete it")
    return rows


def _records(text: str, results_root: Path) -> tuple[list[RunResult], list[Problem]]:
    """The records of the protocols that the name may begin with; without such, all."""
    folders = [
        folder
        for folder in sorted((results_root / "runs").glob("*"))
        if text == folder.name or text.startswith(f"{folder.name}-")
    ]
    if not folders:
        return store.load_all(results_root)
    loaded = [store.load_folder(folder, results_root) for folder in folders]
    return [run for runs, _ in loaded for run in runs], [one for _, bad in loaded for one in bad]


def _only(text: str, boards: Sequence[list[Summary]], results_root: Path) -> list[Summary]:
    by_stem = {file_stem(_first(rows).spec): rows for rows in boards}
    if not by_stem:
        raise UserError(
            f"no records of a board in {results_root / 'runs'}; python -m nanocl.run makes some"
        )
    if text in by_stem:
        return by_stem[text]
    names = {stem: name_of(_first(rows).spec) for stem, rows in by_stem.items()}
    wanted = matching(text, set(names.values()))
    stems = [stem for stem, name in names.items() if name in wanted]
    if not stems:
        hint = did_you_mean(text, dict.fromkeys(names.values()))
        raise UserError(f"unknown board {text!r}{hint}")
    if len(wanted) == 1 and len(stems) > 1:  # of several protocols of one name the present one
        stems = [stem for stem in stems if defined.is_current(_first(by_stem[stem]).spec)] or stems
    if len(stems) > 1:
        raise UserError(f"several boards are called {text!r}: {', '.join(stems)}; name one of them")
    return by_stem[stems[0]]


def _first(rows: Sequence[Summary]) -> RunResult:
    return rows[0].results[0]

"""Command line: `python -m nanocl.tune` finds the options of learners for a protocol."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nanocl import __version__
from nanocl.cli import commandline, failures, listing, signals
from nanocl.cli.arguments import Parser
from nanocl.cli.commandline import Call
from nanocl.measurement import runs as measurement
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols.pinning import pin
from nanocl.protocols.shards import WHOLE
from nanocl.protocols.validation import SCORES
from nanocl.records import RunFailure, RunResult, RunSpec, UserError, files, store
from nanocl.reporting import formats
from nanocl.reporting.formats import Table
from nanocl.tuning import campaign, figure, recipe, space, trials
from nanocl.tuning.campaign import Campaign, Key, Learner
from nanocl.tuning.recipe import Recipe
from nanocl.tuning.search import SEEDS

FOLDER = "tuning"  # in the results folder: trials are no results
EPILOG = """\
examples:
  python -m nanocl.tune --stream split-mnist --scenario domain
  python -m nanocl.tune --stream split-mnist --strategy adamw,ewc+sgd --workers 2
  python -m nanocl.tune --plugin my_strategy.py --strategy my-strategy+adamw
  python -m nanocl.tune --select first-experiences:3

Each learner gets the same budget: 6 values of its one option on 4 tuning seeds, or 6 x 4 values of
its two options on 2 seeds and the 3 best on 4; a grid whose best value is at an end grows. A call
that is interrupted goes on where it stopped. `python -m nanocl.run` uses what was found.

exit codes: 0 done, 1 a learner has no result, 2 a mistake in the command, 130 interrupted
"""


@dataclass(frozen=True)
class Tuning:
    """One call of `python -m nanocl.tune`.

    Attributes:
        call: What is run, and how.
        campaign: Which learners are tuned, and how they are scored.
        baselines: Folder for what is found.
    """

    call: Call
    campaign: Campaign
    baselines: Path


def main(argv: Sequence[str] | None = None) -> int:
    """Tune, write what was found and print it; returns the exit code."""
    try:
        with signals.as_interrupts():
            failures.show_own_warnings_only()
            return _tune(_tuning(argv))
    except (UserError, OSError) as error:
        return failures.exit_code(error)
    except KeyboardInterrupt as interrupt:
        print("nanocl: interrupted; the next call goes on from here", file=sys.stderr)
        return signals.exit_code(interrupt)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        "python -m nanocl.tune",
        description="Find the options of learners for a protocol, with one budget for all.",
        epilog=EPILOG,
    )
    commandline.add_runs(p)
    p.add_argument(
        "--select",
        default="validation-split",
        metavar="|".join(trials.METHODS),
        help="data that scores a setting: training data held out (default), that of the first K "
        "experiences only, or the test data, which is no fair comparison",
    )
    p.add_argument(
        "--trials",
        type=int,
        default=0,
        metavar="N",
        help="instead of the grid, N settings that Optuna's TPE sampler proposes for each learner",
    )
    p.add_argument(
        "--cpu-seconds",
        type=float,
        default=math.inf,
        metavar="S",
        help="with --trials: no new setting after so many CPU seconds of a learner's runs",
    )
    p.add_argument(
        "--score",
        default="",
        metavar="|".join(SCORES),
        help="what is maximised; default: the protocol's score",
    )
    p.add_argument(
        "--baselines",
        type=Path,
        default=Path("baselines"),
        metavar="DIR",
        help="folder for what is found; default: baselines",
    )
    commandline.add_how(p)
    p.add_argument("--version", action="version", version=f"nanocl {__version__}")
    p.set_defaults(
        seeds="",
        evaluate="",
        track_every=0,
        list=False,
        dry_run=False,
        force=False,
        log="",
        full=False,
    )
    return p


def _tuning(argv: Sequence[str] | None) -> Tuning:
    arguments = parser().parse_args(argv)
    call = commandline.call_of(arguments)
    _check_budget(arguments.trials, arguments.cpu_seconds)
    _check_whole(call)
    catalogue = Catalogue(call.plugin_files)
    score = campaign.column(arguments.score, call.request, catalogue)
    made = Campaign(
        request=call.request,
        method=trials.method(arguments.select),
        score=score,
        catalogue=catalogue,
        sampled=arguments.trials,
        cpu_seconds=arguments.cpu_seconds,
    )
    call = replace(
        call,
        results_root=call.results_root / FOLDER,
        measuring=trials.MEASURING[score.name],
    )
    return Tuning(call, made, arguments.baselines)


def _check_budget(settings: int, cpu_seconds: float) -> None:
    if settings < 0:
        raise UserError(f"--trials must be at least 1, got {settings}")
    if not cpu_seconds > 0:
        raise UserError(f"--cpu-seconds must be above 0, got {cpu_seconds}")
    if cpu_seconds < math.inf and not settings:
        raise UserError("--cpu-seconds needs --trials: the grid tries every setting")


def _check_whole(call: Call) -> None:
    if call.machines.shard != WHOLE:
        raise UserError(
            "--shard: a search needs all results of a learner; give each machine learners of its "
            "own with --strategy"
        )
    if call.probe:
        raise UserError("probe.magnitude=true: only python -m nanocl.run probes runs")


def _tune(tuning: Tuning) -> int:
    learners = tuning.campaign.learners()
    print(campaign.budget(learners, SEEDS), file=sys.stderr)
    store.check_writable(tuning.call.results_root)
    going = list(learners)
    while todo := _pending(tuning, going):
        failed = _measure(tuning, todo)
        going = [learner for learner in going if learner.name not in failed]
    found = [recipe for learner in going if (recipe := _finished(tuning, learner))]
    if found:
        print(formats.text(_table(found), _width()))
    if found and tuning.campaign.aside:
        folder = tuning.call.results_root / tuning.campaign.aside
        print(f"nanocl: {folder} has the options; python -m nanocl.run does not use them")
    return 0 if len(found) == len(learners) else 1


def _pending(tuning: Tuning, learners: Sequence[Learner]) -> list[tuple[Learner, Key, RunSpec]]:
    """The next runs of all learners together, so that no worker waits for a learner's end."""
    todo = []
    for learner in learners:
        pending = tuning.campaign.pending(learner)
        pinned = pin(pending.values(), tuning.call.data_root)
        todo += [(learner, key, run) for key, run in zip(pending, pinned, strict=True)]
    return todo


def _measure(tuning: Tuning, todo: Sequence[tuple[Learner, Key, RunSpec]]) -> set[str]:
    """Measure what is not measured yet, give each learner its results, and name the failed ones."""
    call = tuning.call
    runs = [run for _, _, run in todo]
    missing = measurement.missing(runs, call)
    measurement.name_damaged(missing, call)
    outcomes: Sequence[RunResult | RunFailure] = ()
    if missing:
        outcomes = measurement.measure(missing, len(runs), call, tuning.campaign.catalogue)
    failures = {entry.spec.digest: entry for entry in outcomes if isinstance(entry, RunFailure)}
    failed = {learner.name: run for learner, _, run in todo if run.digest in failures}
    for name, run in failed.items():  # one line a learner: its other runs fail alike
        error = failures[run.digest].error
        print(
            f"nanocl: {listing.label(run)} failed: {error}; nothing is written for {name}",
            file=sys.stderr,
        )
    for learner, key, run in todo:
        result = store.find(run, call.results_root)
        if result:  # else it failed, or another call is measuring it and this one asks again
            tuning.campaign.take(learner, key, result)
    return set(failed)


def _finished(tuning: Tuning, learner: Learner) -> Recipe | None:
    """Write what was found for one learner; None where nothing could be chosen."""
    try:
        found = tuning.campaign.recipe(learner)
    except ValueError as error:
        print(f"nanocl: {learner.name}: {error}; nothing is written", file=sys.stderr)
        return None
    folder = tuning.call.results_root
    aside = tuning.campaign.aside
    recipe.write(found, folder / aside if aside else tuning.baselines)
    picture = folder / "figures" / found.protocol / f"{found.learner}-{found.scenario}.svg"
    files.write(picture, figure.sensitivity(found))
    return found


def _table(recipes: Sequence[Recipe]) -> Table:
    rows = []
    for found in recipes:
        winner, runner_up = found.choice.winner, found.choice.runner_up
        rows.append(
            (
                found.learner,
                space.text(winner.setting),
                recipe.number(winner.mean),
                recipe.number(winner.mean_learning),
                space.text(runner_up.setting) if runner_up else "-",
                "yes" if found.choice.separable else "no",
                str(found.runs),
                f"{found.cpu_seconds:.0f}",
            )
        )
    header = ("learner", "chosen", "score", "LA", "runner-up", "separable", "runs", "CPU s")
    first = recipes[0]
    title = f"{first.protocol}, tier {first.tier}, {first.scenario}-incremental, by {first.score}"
    above = (f"scored on {first.method.words}",)
    below = (
        "chosen: of the settings within one standard error of the highest mean score, the one with "
        "the highest LA (accuracy right after training)",
        "separable: winner and runner-up differ by more than two standard errors of their paired "
        "difference",
    )
    return Table(title, above, header, tuple(rows), below)


def _width() -> int:
    return max(60, shutil.get_terminal_size((100, 24)).columns)


if __name__ == "__main__":
    sys.exit(main())

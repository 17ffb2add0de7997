"""`nanocl.run`: the runs, records and digests of `python -m nanocl.run`, as results in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nanocl import studies
from nanocl.api import arguments
from nanocl.api.arguments import Learner
from nanocl.api.naming import Name, Names
from nanocl.api.results import Results
from nanocl.cli import listing
from nanocl.cli.commandline import Call
from nanocl.cli.machines import Machines
from nanocl.measurement import runs as measurement
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import OWN_STREAM, Option, RunFailure, UserError, store
from nanocl.records.ranges import device_of
from nanocl.records.roots import DataRoot, data_root_of, in_environment

if TYPE_CHECKING:
    from torch import nn

    from nanocl.api.experiences import Data


class RunsFailed(RuntimeError):
    """Runs of a call failed; the others were measured and stored.

    Attributes:
        failures: The runs that failed, each with its error and the traceback of its worker.
        results: The other runs.
    """

    def __init__(self, failures: Sequence[RunFailure], results: Results) -> None:
        lines = [f"{listing.label(one.spec)} failed: {one.error}" for one in failures]
        kept = f"{len(results)} other runs are stored, and in the attribute results"
        super().__init__("\n".join([*lines, kept]))
        self.failures = tuple(failures)
        self.results = results
        if failures[0].details:
            self.add_note(f"in the worker:\n{failures[0].details}")


@arguments.named
def run(
    stream: Name | Sequence[tuple[Data, Data]] = "split-digits",
    strategies: Learner | Sequence[Learner] = (),
    *,
    seeds: int | Iterable[int] | None = None,
    scenario: str = "",
    tier: str = "cpu",
    model: Name | Callable[..., nn.Module] = "",
    set: Mapping[str, Option | Sequence[Option]] | None = None,
    plugin: Sequence[str | Path] = (),
    data_root: str | Path | Sequence[str | Path] | None = None,
    results: str | Path = "results",
    workers: int = 0,
    device: str = "auto",
    evaluate: str = "",
    track_every: int = 0,
    log: str | Sequence[str] = (),
    progress: bool = True,
) -> Results:
    """Train learners on a stream, unless the results folder has them already.

    The runs, their records and digests are those of the command `python -m nanocl.run`; an empty
    argument means: as the protocol says. Runs train in worker processes, which do not import the
    calling program: a script needs no `if __name__ == "__main__"`.

    Args:
        stream: A protocol or stream family by name, a protocol file (`.toml`), a stream of your
            own as its class or plugin file, or its experiences in order, `[(train, test), ...]`:
            data sets of torch, or pairs (inputs, targets) of tensors. These are stored in the data
            root under their fingerprint; without a scenario they are class-incremental.
        strategies: Names, compositions such as `"ewc+adamw"`, arms of the protocol, classes,
            plugin files; a tuple of them is a composition. A class may be an optimizer of torch's
            kind or a plugin of Avalanche, and configured: `functools.partial(Lion, lr=1e-3)`.
        seeds: 3 for seeds 0 to 2, or a list of seeds.
        scenario: `class`, `task` or `domain`.
        tier: `smoke` (seconds), `cpu` (minutes) or `paper` (as published).
        model: A backbone by name, its class, a plugin file, or a function of a file that makes it,
            also as `"my_models.py:make_net"`.
        set: Options such as `{"adamw.lr": 1e-3, "training.epochs": 2, "stream.samples": 100}`; of a
            strategy also a list of values, each of which is run.
        plugin: Further files with plugins, to be named in the other arguments.
        data_root: Folder of the data sets, or a list of folders, searched in order; default:
            NANOCL_DATA_ROOT, else `./data`.
        results: Folder of the records, made where it is missing.
        workers: Runs at a time; 0 for one per core, or one per GPU.
        device: `auto`, `cpu`, `cuda` or one GPU, such as `cuda:1`.
        evaluate: Experiences tested after each: `all`, `seen`, `last` or `every:K`.
        track_every: Also test within experiences, every K mini-batches; 0 for not.
        log: Loggers of curves of loss, accuracy and drift: `csv`, `tensorboard`, `wandb`, `mlflow`,
            or a list of them; they write into the folder `logs` of the results.
        progress: Whether progress is shown on stderr.

    Returns:
        The runs asked for, in the order of seeds and strategies. A run whose loss became infinite
        is one of them, with the status `diverged`.

    Raises:
        UserError: An argument is wrong, or data is missing; nothing was trained.
        RunsFailed: A run ended in an error. The others were measured first and are stored.
    """
    names = Names(plugin)
    try:
        device_of(device)
        root = _data_root(data_root)
        family, own_scenario = _family(stream, names, root)
        network = names.of("models", model)
        learners = arguments.learners(strategies, names)
        request = Request(
            stream=family,
            strategies=learners,
            seeds=arguments.seeds(seeds),
            scenario=scenario or own_scenario,
            tier=tier,
            model=network,
            settings=arguments.settings(set or {}, names.settings),
            evaluate=evaluate,
            track_every=arguments.whole("track_every", track_every),
        )
        asked = Call(
            request=request,
            plugin_files=tuple(names.files),
            data_root=root,
            results_root=Path(results).expanduser(),
            machines=Machines(workers=arguments.whole("workers", workers)),
            device=device,
            quiet=not progress,
            log=arguments.loggers(log),
        )
        catalogue = Catalogue(asked.plugin_files)
        names.check(catalogue)
        return _measured(asked, catalogue)
    except UserError as error:
        raise UserError(arguments.in_python(str(error))) from None  # the sentence says it all


def _family(
    stream: Name | Sequence[tuple[Data, Data]], names: Names, data_root: DataRoot
) -> tuple[str, str]:
    """The name of a stream, and the scenario of one that is given as data: '' for any other."""
    if isinstance(stream, str | Path | type | partial):
        return names.of("streams", stream), ""
    from nanocl.api import experiences  # here, because it loads torch

    stored = experiences.store(stream, data_root)
    names.settings["stream"] = {"data": stored.name}
    return OWN_STREAM, stored.scenario


def _measured(asked: Call, catalogue: Catalogue) -> Results:
    request = asked.request
    if not request.strategies and studies.find(request.stream, catalogue):
        raise UserError(
            f"{request.stream} has a study, which only the command runs (python -m nanocl.run "
            f"--stream {request.stream}); name strategies to run them one by one"
        )
    grid = suite.specs(request, catalogue)
    asked = replace(asked, measuring=suite.measuring(request, catalogue))
    runs, outcomes = measurement.complete(grid, asked, catalogue)
    stored = (store.find(one, asked.results_root) for one in runs)
    results = Results(tuple(result for result in stored if result is not None))
    failures = [outcome for outcome in outcomes if isinstance(outcome, RunFailure)]
    if failures:
        raise RunsFailed(failures, results)
    return results


def _data_root(named: str | Path | Sequence[str | Path] | None) -> DataRoot:
    """The folders that the caller names, here or in the environment.

    Workers have the environment of this program's first call, and a notebook may change it.
    """
    folders = [named] if isinstance(named, str | Path) else named or []
    if not isinstance(folders, Sequence) or not all(isinstance(one, str | Path) for one in folders):
        raise UserError(f"data_root takes a folder or a list of folders, got {named!r}")
    return data_root_of(filter(None, folders)) or in_environment()

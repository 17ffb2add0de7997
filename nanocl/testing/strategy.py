"""Conformance check of strategies."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nanocl.records import Part, RunSpec, Training
from nanocl.strategies import Strategy
from nanocl.testing._claims import (
    claim,
    declared,
    global_seed,
    same_values,
    scenarios_of,
    silence,
)
from nanocl.testing._small import run, small_learner, small_stream
from nanocl.training import checkpoint
from nanocl.training.drift import DriftMeter
from nanocl.training.loop import Learner, train
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome


def check_strategy(
    cls: type,
    options: Mapping[str, Any] | None = None,
    *,
    regression: bool = False,
) -> None:
    """Check that a strategy keeps the plugin contract; takes about a second.

    The strategy must

    - take keyword-only options with plain types and defaults;
    - have a docstring with a line `Source:`, a BibTeX `citation` or none, and valid `scenarios`;
    - reject a misspelt hook when a subclass is defined, as `Strategy` does;
    - train every experience of a small stream in each of its scenarios, and give the same
      evaluation matrix and weights when the run is repeated with the same seed;
    - hold in its attributes only what a checkpoint can keep, or define `state_dict` itself;
    - resume from a checkpoint with the same result, between two experiences and within one:
      `state_dict` must contain everything that carries over, except what the hooks before an
      experience make anew;
    - share no state with other instances or with its class;
    - leave the seeds of the global generators alone, and print nothing.

    Args:
        cls: The strategy's class, derived from `nanocl.strategies.Strategy`.
        options: Its options for the runs; pass them if the defaults leave code unused.
        regression: Whether to train on a regression stream as well.

    Raises:
        NotConforming: The strategy breaks a rule; the message states the first broken one.
    """
    options = dict(options or {})
    claim(
        isinstance(cls, type) and issubclass(cls, Strategy),
        f"{cls!r} must be a class derived from Strategy",
    )
    declared(cls)
    _misspelt_hooks_are_errors(cls)
    kinds = [(scenario, "accuracy") for scenario in scenarios_of(cls)]
    regressions = [("domain", "loss")] if regression else []
    for scenario, measure in kinds + regressions:
        where = f"{cls.__name__} in a {scenario}-incremental stream"
        with silence(cls):
            _runs_repeat_and_resume(cls, options, scenario, measure, where)
    _instances_share_nothing(cls, options, kinds[0][0])
    _global_generators_are_not_seeded(cls, options, kinds[0][0])


def _misspelt_hooks_are_errors(cls: type) -> None:
    try:
        type("Misspelt", (cls,), {"before_bakward": lambda self, strategy, **kwargs: None})
    except TypeError:
        return
    claim(
        False, f"{cls.__name__}: a misspelt hook must be an error, but before_bakward was accepted"
    )


def _runs_repeat_and_resume(
    cls: type,
    options: dict[str, Any],
    scenario: str,
    measure: str,
    where: str,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        learner, outcome = _run(cls, options, scenario, measure, path)
        claim(
            outcome.status in ("ok", "diverged"),
            f"{where}: the run must end, got status {outcome.status!r}",
        )
        claim(
            outcome.status == "diverged" or len(outcome.evaluation) == 3,
            f"{where}: every experience must be trained, got {len(outcome.evaluation)} of 3 rows",
        )
        again, repeated = _run(cls, options, scenario, measure)
        claim(
            _equal(outcome, repeated, learner, again),
            f"{where}: two runs with one seed must give the same matrix",
        )
        if not path.exists():
            return
        for within, place in ((False, "between two experiences"), (True, "within an experience")):
            resumed_learner, resumed = _resume(cls, options, scenario, measure, path, within)
            claim(
                _equal(outcome, resumed, learner, resumed_learner),
                f"{where}: a run that resumes from a checkpoint {place} must give the same "
                "matrix; state_dict() must contain everything that carries over",
            )


def _run(
    cls: type,
    options: dict[str, Any],
    scenario: str,
    measure: str,
    path: Path | None = None,
) -> tuple[Learner, Outcome]:
    stream = small_stream(scenario, measure=measure)
    learner = small_learner(stream, [cls(**options)])
    meter = Meter()
    drift = DriftMeter(learner.model, learner.model.head_parameters())
    spec = _spec(cls, scenario)

    def save(outcome: Outcome) -> None:
        if path and len(outcome.evaluation) == 2:
            with _savable(cls):
                checkpoint.save(path, spec, learner, meter, drift, outcome)

    def save_within() -> None:
        clock = learner.clock
        if path and (clock.train_exp_counter, clock.train_exp_iterations) == (2, 2):
            with _savable(cls):
                checkpoint.save_within(path, spec, learner, meter)

    learner.after_iteration = save_within
    with global_seed(1):
        return learner, train(learner, stream, meter, drift=drift, after_experience=save)


@contextmanager
def _savable(cls: type) -> Iterator[None]:
    try:
        yield
    except checkpoint.Unsavable as error:
        claim(False, f"{cls.__name__}: a checkpoint must hold its state, but {error}")


def _spec(cls: type, scenario: str) -> RunSpec:
    """The identity of the run in its checkpoint."""
    stream = Part("small-stream")
    model = Part("small-backbone")
    strategy = Part(cls.__name__)
    return RunSpec("testing", "smoke", scenario, stream, model, (strategy,), Training(), seed=0)


def _resume(
    cls: type,
    options: dict[str, Any],
    scenario: str,
    measure: str,
    path: Path,
    within: bool,
) -> tuple[Learner, Outcome]:
    stream = small_stream(scenario, measure=measure)
    learner = small_learner(stream, [cls(**options)])
    meter = Meter()
    drift = DriftMeter(learner.model, learner.model.head_parameters())
    spec = _spec(cls, scenario)
    with global_seed(3):
        so_far = checkpoint.load(path, spec, learner, meter, drift)
        if within:
            learner.resumption = checkpoint.load_within(path, spec, learner, meter, 2)
        return learner, train(learner, stream, meter, drift=drift, so_far=so_far)


def _instances_share_nothing(cls: type, options: dict[str, Any], scenario: str) -> None:
    stream = small_stream(scenario)
    used = cls(**options)
    idle = cls(**options)
    before = copy.deepcopy(idle.state_dict())
    shared = copy.deepcopy({name: value for name, value in vars(cls).items() if _is_data(value)})
    with silence(cls), global_seed(1):
        run(small_learner(stream, [used]), stream)
    claim(
        same_values(before, idle.state_dict()),
        f"{cls.__name__}: training one instance must not change another instance",
    )
    claim(
        all(same_values(value, vars(cls)[name]) for name, value in shared.items()),
        f"{cls.__name__}: training an instance must not change the class",
    )


def _global_generators_are_not_seeded(cls: type, options: dict[str, Any], scenario: str) -> None:
    # two runs from different states must also end in different states
    states = []
    for seed in (1, 2):
        stream = small_stream(scenario)
        learner = small_learner(stream, [cls(**options)])
        with silence(cls), global_seed(seed) as after:
            run(learner, stream)
        states.append(after)
    for name in states[0]:
        claim(
            not same_values(states[0][name], states[1][name]),
            f"{cls.__name__}: the global generator of {name} must not be seeded; "
            "use a generator of the strategy",
        )


def _equal(
    a: Outcome,
    b: Outcome,
    first: Learner,
    second: Learner,
) -> bool:
    return (
        a.status == b.status
        and a.evaluation == b.evaluation
        and a.masked == b.masked
        and same_values(dict(first.model.state_dict()), dict(second.model.state_dict()))
    )


def _is_data(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | list | dict | set | tuple)

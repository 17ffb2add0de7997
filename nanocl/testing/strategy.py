"""Conformance check of strategies."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanocl.plugins.state import same_values
from nanocl.strategies import Strategy
from nanocl.testing._claims import NotConforming, claim, declared, scenarios_of, silence
from nanocl.training import checkpoint, round_trip
from nanocl.training.randomness import global_seed
from nanocl.training.small import run, small_learner, small_stream


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
    def make() -> list[Any]:
        return [cls(**options)]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        first = _saved(cls, make, scenario, measure, path)
        outcome = first[1]
        claim(
            outcome.status in ("ok", "diverged"),
            f"{where}: the run must end, got status {outcome.status!r}",
        )
        claim(
            outcome.status == "diverged" or len(outcome.evaluation) == 3,
            f"{where}: every experience must be trained, got {len(outcome.evaluation)} of 3 rows",
        )
        claim(
            round_trip.is_same(first, round_trip.whole(make, scenario, measure)),
            f"{where}: two runs with one seed must give the same matrix",
        )
        if not path.exists():
            return
        for within, place in ((False, "between two experiences"), (True, "within an experience")):
            again = round_trip.resumed(make, scenario, measure, path, within=within)
            claim(
                round_trip.is_same(first, again),
                f"{where}: a run that resumes from a checkpoint {place} must give the same "
                "matrix; state_dict() must contain everything that carries over",
            )


def _saved(
    cls: type, make: round_trip.Make, scenario: str, measure: str, path: Path
) -> round_trip.Trained:
    try:
        return round_trip.whole(make, scenario, measure, path)
    except checkpoint.Unsavable as error:
        raise NotConforming(
            f"{cls.__name__}: a checkpoint must hold its state, but {error}"
        ) from error


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


def _is_data(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | list | dict | set | tuple)

"""Whether a learner's state survives a checkpoint, tried on a stream of a fraction of a second."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from avalanche.training.plugins import SupervisedPlugin

from nanocl.plugins.catalogue import Catalogue
from nanocl.plugins.state import same_values
from nanocl.records import Part, RunSpec, Training
from nanocl.training import checkpoint
from nanocl.training.adapters import drift_meter
from nanocl.training.constants import OF_ONE, changed, constants_of
from nanocl.training.drift import DriftMeter
from nanocl.training.loop import Learner, train
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome
from nanocl.training.randomness import global_seed
from nanocl.training.small import small_learner, small_stream

Make = Callable[[], Sequence[SupervisedPlugin]]
Trained = tuple[Learner, Outcome]
SAVED_AFTER = 2  # of the three experiences
SAVED_WITHIN = (2, 2)  # experience and mini-batch


def obstacle(make: Make, scenario: str, measure: str) -> str:
    """Why a run with these strategies cannot resume from a checkpoint; empty if it can.

    Args:
        make: Returns new instances of the strategies of one learner.
        scenario, measure: Of the stream.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        path = Path(folder) / "run.pt"
        try:
            return _obstacle(make, scenario, measure, path)
        except (checkpoint.Unsavable, checkpoint.Unusable) as error:
            return str(error)
        except Exception as error:  # the code of a user may fail in any way
            reason = (str(error).splitlines() or [""])[0]
            return f"a trial on a small stream failed with {type(error).__name__}: {reason}"


class Trials:
    """Tries the strategies of a user, each composition of classes once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._results: dict[tuple[tuple[str, str], ...], str] = {}

    def obstacle(self, spec: RunSpec, measure: str) -> str:
        """Why a run cannot resume; empty if it can, or if all its strategies are nanocl's own."""
        plugins = [self._catalogue.plugin("strategies", part.name) for part in spec.strategy]
        if all(plugin.is_own for plugin in plugins):
            return ""
        key = tuple((part.name, part.plugin) for part in spec.strategy)
        if key not in self._results:
            self._results[key] = obstacle(partial(self._make, spec), spec.scenario, measure)
        return self._results[key]

    def _make(self, spec: RunSpec) -> list[SupervisedPlugin]:
        return [self._catalogue.make("strategies", part) for part in spec.strategy]


def whole(make: Make, scenario: str, measure: str, path: Path | None = None) -> Trained:
    """A run from beginning to end, with checkpoints between two experiences and within one.

    Raises:
        checkpoint.Unsavable: A checkpoint cannot hold the state.
    """
    learner, meter, drift = _begun(make, scenario, measure)
    spec = _spec(scenario)

    def save(outcome: Outcome) -> None:
        if path and len(outcome.evaluation) == SAVED_AFTER:
            checkpoint.save(path, spec, learner, meter, drift, outcome)

    def save_within() -> None:
        clock = learner.clock
        if path and (clock.train_exp_counter, clock.train_exp_iterations) == SAVED_WITHIN:
            checkpoint.save_within(path, spec, learner, meter)

    learner.after_iteration = save_within
    stream = small_stream(scenario, measure=measure)
    with global_seed(1):
        return learner, train(learner, stream, meter, drift=drift, after_experience=save)


def resumed(make: Make, scenario: str, measure: str, path: Path, *, within: bool) -> Trained:
    """The same run from its checkpoint on, that between two experiences or that within one.

    Raises:
        checkpoint.Unusable: The checkpoint cannot be loaded.
    """
    learner, meter, drift = _begun(make, scenario, measure)
    spec = _spec(scenario)
    stream = small_stream(scenario, measure=measure)
    with global_seed(3):
        so_far = checkpoint.load(path, spec, learner, meter, drift)
        if within:
            learner.resumption = checkpoint.load_within(path, spec, learner, meter, SAVED_AFTER)
        return learner, train(learner, stream, meter, drift=drift, so_far=so_far)


def is_same(first: Trained, second: Trained) -> bool:
    """Whether two runs have the same status, evaluation matrix and weights."""
    (learner, outcome), (other_learner, other) = first, second
    return (
        outcome.status == other.status
        and outcome.evaluation == other.evaluation
        and outcome.masked == other.masked
        and same_values(dict(learner.model.state_dict()), dict(other_learner.model.state_dict()))
    )


def _obstacle(make: Make, scenario: str, measure: str, path: Path) -> str:
    # of a learner of its own: what belongs to one learner is not compared
    begun = constants_of(_begun(make, scenario, measure)[0])
    before = {name: value for name, value in begun.items() if name not in OF_ONE}
    uninterrupted = whole(make, scenario, measure, path)
    if not path.exists():  # it diverged before
        return ""
    for within in (False, True):
        if not is_same(uninterrupted, resumed(make, scenario, measure, path, within=within)):
            after = constants_of(uninterrupted[0])
            name = changed(before, after)
            if name:
                return f"it changes {name}, which no checkpoint holds"
            return "a run that resumes from a checkpoint gives other numbers"
    return ""


def _begun(make: Make, scenario: str, measure: str) -> tuple[Learner, Meter, DriftMeter]:
    stream = small_stream(scenario, measure=measure)
    learner = small_learner(stream, make())
    return learner, Meter(), drift_meter(learner.model)


def _spec(scenario: str) -> RunSpec:
    """The identity of the run in its checkpoint."""
    return RunSpec(
        protocol="testing",
        tier="smoke",
        scenario=scenario,
        stream=Part("small-stream"),
        model=Part("small-backbone"),
        strategy=(Part("tried"),),
        training=Training(),
        seed=0,
    )

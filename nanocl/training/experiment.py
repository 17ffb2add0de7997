"""One run: the only place where stream, model, strategies, loop and instruments meet."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy
import torch

from nanocl import data
from nanocl.models._weights import output_layer
from nanocl.plugins import registry
from nanocl.records import Part, Progress, RunResult, RunSpec, UserError
from nanocl.streams import Scenario
from nanocl.training import checkpoint, loop, measure, pretraining
from nanocl.training.drift import DriftMeter
from nanocl.training.heads import Network, choose
from nanocl.training.probe import MagnitudeProbe

Tell = Callable[[Progress], None]


def run_one(
    spec: RunSpec,
    *,
    data_root: Path | None = None,
    device: str = "auto",
    plugins: Sequence[Path] = (),
    workers: int = 1,
    partial: Path | None = None,
    probe: Path | None = None,
    tell: Tell | None = None,
) -> RunResult:
    """Train and test one learner, from nothing or from its checkpoint.

    Args:
        spec: What to run.
        data_root: Where the data sets are.
        device: `auto`, `cpu` or `cuda`.
        plugins: Files of the caller's own plugins.
        workers: Runs that share the machine, for the record.
        partial: Folder for checkpoints; None writes none.
        probe: Folder for what a `MagnitudeProbe` sees; the run then begins from nothing. None
            probes nothing.
        tell: Called now and then with where the run is.
    """
    torch.set_num_threads(spec.training.threads)
    device = choose_device(device)
    learner, scenario = build(spec, data_root=data_root, device=device, plugins=plugins)
    if hasattr(learner.optimizer, "compile_ahead"):
        # seconds, once on a machine: no part of what a step costs
        learner.optimizer.compile_ahead()
    meter = measure.Meter(device)
    drift = DriftMeter(learner.model, learner.model.head_parameters())
    path = partial / f"{spec.digest}.pt" if partial and not probe else None
    watch = MagnitudeProbe()
    if probe:
        learner.plugins.append(watch)
    so_far = None
    if path and path.exists():
        try:
            so_far = checkpoint.load(path, learner, meter, drift)
        except Exception:  # a damaged checkpoint, or one of another version: the run begins again
            path.unlink()
            return run_one(
                spec,
                data_root=data_root,
                device=device,
                plugins=plugins,
                workers=workers,
                partial=partial,
                tell=tell,
            )
    outcome = loop.train(
        learner,
        scenario,
        meter,
        drift=drift,
        so_far=so_far,
        after_experience=(lambda o: checkpoint.save(path, learner, meter, drift, o))
        if path
        else None,
        tell=_teller(spec, scenario, meter, tell) if tell else None,
    )
    cost = meter.cost(learner.model, learner.optimizer, learner.strategies, workers=workers)
    if path:
        path.unlink(missing_ok=True)
    if probe:
        watch.save(probe, spec)
    return _result(spec, scenario, learner, outcome, cost, device)


def build(
    spec: RunSpec,
    *,
    data_root: Path | None = None,
    device: str = "cpu",
    plugins: Sequence[Path] = (),
    scenario: Scenario | None = None,
) -> tuple[loop.Learner, Scenario]:
    """The learner and the scenario of a run, seeded: equal seeds give every strategy the same initial weights.

    Raises:
        ValueError: An option out of its range.
    """
    if scenario is None:
        scenario = make(spec.stream, "streams", plugins).build(
            scenario=spec.scenario, seed=spec.seed, data_root=data_root
        )
    if spec.training.measured_on not in scenario.streams:
        raise ValueError(
            "training.measured_on=validation needs held-out data, such as stream.validation=0.1"
        )
    _check_known(spec)
    model = _with_weights(spec, data_root, plugins, device)
    torch.manual_seed(spec.seed)
    random.seed(spec.seed)
    numpy.random.seed(spec.seed)
    network = Network(
        make(model, "models", plugins, scenario.inputs),
        outputs=scenario.outputs,
        classes=scenario.heads,
        kind=choose(spec.training.head, spec.scenario, scenario.measure),
    )
    _prepare(network, str(model.options.get("weights", "")), scenario)
    network = network.to(device)
    strategies = [make(part, "strategies", plugins) for part in spec.strategy]
    learner = loop.Learner(
        model=network,
        optimizer=_optimizer(strategies, network),
        strategies=strategies,
        training=spec.training,
        seed=spec.seed,
        measure=scenario.measure,
        device=device,
    )
    if scenario.norm_statistics == "restore":
        learner.keep_statistics()
    return learner, scenario


def check(
    specs: Iterable[RunSpec], *, data_root: Path | None = None, plugins: Sequence[Path] = ()
) -> None:
    """Build each different learner once, so that an option out of its range is found before anything is trained.

    Raises:
        UserError: What was wrong, in one sentence.
    """
    seen: set[tuple[str, str]] = set()
    scenario = None
    for spec in specs:
        key = (spec.strategy_name, repr(spec.strategy))
        if key in seen:
            continue
        seen.add(key)
        try:
            _, scenario = build(spec, data_root=data_root, plugins=plugins, scenario=scenario)
        except UserError:
            raise
        except (
            ValueError,
            RuntimeError,
            MemoryError,
            OverflowError,
        ) as error:  # a size that no memory holds, too
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{spec.strategy_name} on {spec.benchmark}: {reason}") from error


def make(part: Part, kind: str, plugins: Sequence[Path] = (), *arguments: object):
    """An instance of a part's class with its options."""
    return registry.load(registry.get(kind, part.name, plugins))(*arguments, **part.options)


def _with_weights(
    spec: RunSpec, data_root: Path | None, plugins: Sequence[Path], device: str
) -> Part:
    """The model with its file of weights found, or with one pretrained here."""
    model = spec.model
    own = {
        name: value
        for name, value in model.options.items()
        if name != "pretrain" and not name.startswith("pretrain_")
    }
    if "pretrain" in model.options:
        backbone = partial(make, replace(model, options=own), "models", plugins)
        weights = pretraining.weights_of(model, spec.stream.options, backbone, data_root, device)
        return replace(model, options={**own, "weights": str(weights)})
    found = data.find_file(str(own["weights"]), data_root) if own.get("weights") else None
    return replace(model, options={**own, "weights": str(found)}) if found else model


def _check_known(spec: RunSpec) -> None:
    """A head of the right shape that knows other classes would be put back without a sign."""
    base, first = (
        str(spec.model.options.get("pretrain", "")),
        str(spec.stream.options.get("datasets", "")),
    )
    if (
        base
        and spec.stream.options.get("start")
        and data.parse_names(base)[0] != data.parse_names(first)[0]
    ):
        raise UserError(
            f"with stream.start the first of stream.datasets={first} must be what the model is pretrained "
            f"on, got model.pretrain={base}"
        )


def _prepare(network: Network, weights: str, scenario: Scenario) -> None:
    """Put the heads of experiences that are known from the weights back, and make the stream's switches."""
    for label in range(
        max((e.task_label for e in scenario.train_stream[: scenario.start]), default=-1) + 1
    ):
        head = output_layer(weights, label) if weights else None
        if head is None:
            raise UserError(
                f"stream.start={scenario.start} needs weights with an output layer for each of these "
                f"experiences (model.weights=FILE or model.pretrain=DATASET), got {weights or 'none'!r}"
            )
        network.put_head(label, head, weights)
    network.frozen_statistics = scenario.norm_statistics == "freeze"
    if scenario.precision == "bf16":
        network.cast(torch.bfloat16)


def choose_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` takes a GPU where there is one.

    Raises:
        UserError: `cuda` without a usable GPU.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "--device cuda: torch finds no usable GPU on this machine; use --device cpu"
        )
    return device


def _optimizer(strategies: Sequence[object], network: Network) -> torch.optim.Optimizer:
    makers = [strategy for strategy in strategies if hasattr(strategy, "make_optimizer")]
    return makers[0].make_optimizer(network) if makers else torch.optim.AdamW(network.parameters())


def _teller(
    spec: RunSpec, scenario: Scenario, meter: measure.Meter, tell: Tell
) -> Callable[[int, int, float], None]:
    experiences = len(scenario.train_stream)
    epochs = 1 if spec.training.iterations else spec.training.epochs

    def on_step(experience: int, epoch: int, share: float) -> None:
        speed = meter.samples / max(1e-9, meter.elapsed())
        tell(
            Progress(
                spec.digest,
                experience + 1,
                experiences,
                epoch + 1,
                epochs,
                (experience + share) / experiences,
                speed,
            )
        )

    return on_step


def _result(
    spec: RunSpec,
    scenario: Scenario,
    learner: loop.Learner,
    outcome: loop.Outcome,
    cost,
    device: str,
) -> RunResult:
    masked = None
    if learner.model.kind in ("seen", "all") and scenario.measure == "accuracy":
        masked = {"initial": outcome.masked_initial, "evaluation": outcome.masked}
    return RunResult(
        spec=spec,
        status=outcome.status,
        measure=scenario.measure,
        initial=tuple(outcome.initial),
        evaluation=tuple(map(tuple, outcome.evaluation)),
        masked=masked,
        drift=tuple(outcome.drift),
        cost=cost,
        data=tuple(scenario.data),
        environment=measure.environment(device),
    )

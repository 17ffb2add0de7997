"""The learner and the scenario of a run, put together from its spec."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import torch

from nanocl import data
from nanocl.models._collections import with_features
from nanocl.models._encoders import folder_of, hash_of_encoder
from nanocl.models._weights import output_layer
from nanocl.protocols.backbones import hash_of_file, tokenizer_of
from nanocl.records import Part, RunSpec, UserError
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario
from nanocl.training import eligibility, execution, pretraining, round_trip
from nanocl.training.context import Context, Findings
from nanocl.training.grouping import learner_of
from nanocl.training.heads import Network, choose
from nanocl.training.loop import Learner
from nanocl.training.moments import check_restart
from nanocl.training.tokens import check_tokens

# a size that fits in no memory is a mistake of the caller, too
MISTAKES = (ValueError, RuntimeError, MemoryError, OverflowError)


def build(
    spec: RunSpec, context: Context, scenario: Scenario | None = None
) -> tuple[Learner, Scenario]:
    """The learner and the scenario of a run; equal seeds give equal initial weights.

    Args:
        spec: What to run.
        context: How to run it.
        scenario: The scenario, if an equal one was built before.

    Raises:
        ValueError: An option is out of its range.
    """
    device = choose_device(context.device)
    catalogue = context.catalogue
    if scenario is None:
        stream = catalogue.make("streams", spec.stream)
        scenario = stream.build(scenario=spec.scenario, seed=spec.seed, data_root=context.data_root)
    if not isinstance(scenario, Scenario):
        raise UserError(
            f"{spec.stream.name}: build must return nanocl.streams.make_scenario(...), got "
            f"{type(scenario).__name__}"
        )
    _check_data(spec, scenario)
    if spec.training.measured_on not in scenario.streams:
        raise ValueError(
            "training.measured_on=validation needs held-out data, such as stream.validation=0.1"
        )
    _check_start(spec)
    model = _with_weights(spec, context, device)
    torch.manual_seed(spec.seed)
    random.seed(spec.seed)
    numpy.random.seed(spec.seed)
    network = Network(
        with_features(
            catalogue.make("models", model, scenario.inputs),
            scenario.inputs,
            model.name,
            scenario.dtype,
        ),
        outputs=scenario.outputs,
        classes=scenario.heads,
        kind=choose(spec.training.head, spec.scenario, scenario.measure),
    )
    _restore_heads(network, str(model.options.get("weights", "")), scenario)
    norm_statistics = _norm_statistics(spec, scenario)
    network.frozen_statistics = norm_statistics == "freeze"
    if scenario.precision == "bf16":
        network.cast(torch.bfloat16)
    network = network.to(device)
    execution.prepare(network, spec.training)
    strategies = [catalogue.make("strategies", part) for part in spec.strategy]
    learner = Learner(
        model=network,
        optimizer=_optimizer(strategies, network),
        strategies=strategies,
        training=spec.training,
        seed=spec.seed,
        measure=scenario.measure,
        device=device,
    )
    if norm_statistics == "restore":
        learner.keep_statistics()
    if learner.mastery and (scenario.start or scenario.measure != "accuracy"):
        raise ValueError(
            "training.until=mastered needs a classification stream whose experiences are all "
            "trained, got stream.start or regression"
        )
    if spec.training.optimizer_state == "reset-step":
        check_restart(learner.optimizer)
    return learner, scenario


def check(specs: Iterable[RunSpec], context: Context) -> Findings:
    """Build each different learner once: an option out of range is found before any training.

    Where checkpoints are written, a user's strategy is tried on a small stream.

    Raises:
        UserError: What was wrong, in one sentence.
    """
    device = choose_device(context.device)
    context = replace(context, device="cpu")
    found = Findings({}, {})
    trials = round_trip.Trials(context.catalogue)
    scenario = None
    for spec in specs:
        execution.check(spec.training, device)
        key = learner_of(spec)
        if key in found.alone:
            continue
        try:
            learner, scenario = build(spec, context, scenario)
            check_tokens(learner.model.backbone, scenario, is_own=spec.has_own_data)
        except UserError:
            raise
        except MISTAKES as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{spec.strategy_name} on {spec.protocol}: {reason}") from error
        found.alone[key] = _obstacle(spec, learner, scenario, context, device)
        reason = trials.obstacle(spec, scenario.measure) if context.checkpoints else ""
        if reason:
            found.unsavable[key] = reason
    return found


def _obstacle(
    spec: RunSpec, learner: Learner, scenario: Scenario, context: Context, device: str
) -> str:
    if context.vectorize == "off":
        return "it was not asked for"
    obstacle = eligibility.obstacle(learner, scenario, context)
    if context.vectorize == "auto":
        return obstacle or eligibility.drawback(learner, device)
    if obstacle:
        raise UserError(
            f"--vectorize on: seeds of {spec.strategy_name} cannot be trained as one model: "
            f"{obstacle}; use --vectorize auto"
        )
    return ""


def pretrained_hash(spec: RunSpec, context: Context) -> str:
    """The hash of the file of weights of a model that is pretrained here; empty for others."""
    if "pretrain" not in spec.model.options:
        return ""
    model = _with_weights(spec, context, choose_device(context.device))
    return hash_of_file(Path(str(model.options["weights"])))


def choose_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` takes a GPU if there is one.

    Raises:
        UserError: `cuda` without a usable GPU.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch has no usable GPU on this machine; use --device cpu")
    return device


def _with_weights(spec: RunSpec, context: Context, device: str) -> Part:
    """The model with the path of its weights, pretrained now where it is to be."""
    model = spec.model
    own = {
        name: value
        for name, value in model.options.items()
        if name != "pretrain" and not name.startswith("pretrain_")
    }
    if "pretrain" in model.options:
        plain = _with_encoder(replace(model, options=own), context.data_root)
        make_backbone = partial(context.catalogue.make, "models", plain)
        path = pretraining.weights_of(
            model,
            spec.stream.options,
            make_backbone,
            context.data_root,
            device,
            minutes=context.checkpoint_minutes if context.checkpoints else 0.0,
        )
        return replace(plain, options={**plain.options, "weights": str(path)})
    if tokenizer_of(model):
        model = _with_encoder(model, context.data_root)
        own = dict(model.options)
    weights = own.get("weights")
    weights_file = data.find_file(str(weights), context.data_root) if weights else None
    if weights_file:
        _check_hash(model, weights_file, hash_of_file(weights_file))
        return replace(model, options={**own, "weights": str(weights_file)})
    return model


def _with_encoder(model: Part, data_root: DataRoot) -> Part:
    """A model for texts with the folder of its encoder; any other model as it is."""
    encoder = tokenizer_of(model)
    if not encoder:
        return model
    folder = folder_of(encoder, data_root, download=False)
    _check_hash(model, folder, hash_of_encoder(folder))
    return replace(model, options={**model.options, "architecture": str(folder)})


def _check_data(spec: RunSpec, scenario: Scenario) -> None:
    """Refuse data other than the data that the digest of the run stands for."""
    loaded = {str(facts["fingerprint"]) for facts in scenario.data if "fingerprint" in facts}
    pinned = set(spec.data.split("+")) if spec.data else loaded
    if loaded != pinned:
        raise UserError(
            f"the data of {spec.protocol} changed during the call: it had the fingerprint "
            f"{spec.data} when the call began, and now has {'+'.join(sorted(loaded))}; call again"
        )


def _check_hash(model: Part, path: Path, found: str) -> None:
    """Refuse weights other than those that the digest of the run stands for."""
    if model.weights and found != model.weights:
        raise UserError(
            f"the weights {path} changed during the call: its SHA-256 began with "
            f"{model.weights} when the call began, and now begins with {found}; call again"
        )


def _check_start(spec: RunSpec) -> None:
    """Refuse a pretrained head of other classes, even one of the right shape."""
    pretrained = str(spec.model.options.get("pretrain", ""))
    data_sets = str(spec.stream.options.get("datasets", ""))
    if not pretrained or not spec.stream.options.get("start"):
        return
    if data.parse_names(pretrained)[0] != data.parse_names(data_sets)[0]:
        raise UserError(
            f"with stream.start the first of stream.datasets={data_sets} must be the data that the "
            f"model is pretrained on, got model.pretrain={pretrained}"
        )


def _restore_heads(network: Network, weights: str, scenario: Scenario) -> None:
    """Load the output layers of the experiences that the weights were trained on."""
    labels = [experience.task_label for experience in scenario.train_stream[: scenario.start]]
    for label in range(max(labels, default=-1) + 1):
        head = output_layer(weights, label) if weights else None
        if head is None:
            raise UserError(
                f"stream.start={scenario.start} needs weights with an output layer for each of "
                "these experiences (model.weights=FILE or model.pretrain=DATASET), got "
                f"{weights or 'none'!r}"
            )
        network.put_head(label, head, weights)


def _norm_statistics(spec: RunSpec, scenario: Scenario) -> str:
    """The option of the training, or that of the stream where the training has the default."""
    chosen = spec.training.norm_statistics
    if chosen == "update":
        return scenario.norm_statistics
    if scenario.norm_statistics not in ("update", chosen):
        raise UserError(
            f"training.norm_statistics={chosen} and stream.norm_statistics="
            f"{scenario.norm_statistics} differ: set one of them"
        )
    if chosen == "restore" and spec.scenario != "task":
        raise UserError(
            "training.norm_statistics=restore needs the task label in the test, got the "
            f"{spec.scenario}-incremental scenario; use update or freeze"
        )
    return chosen


def _optimizer(strategies: Sequence[Any], network: Network) -> torch.optim.Optimizer:
    for strategy in strategies:
        if hasattr(strategy, "make_optimizer"):
            return strategy.make_optimizer(network)
    return torch.optim.AdamW(network.parameters(), fused=True)  # as the strategy `adamw`

"""Records of trainings before their first measurement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from nanocl.integrations import facts, weights


def sequence(model: nn.Module, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A record without trainings.

    Args:
        model: The model as it will be trained.
        spec: What the meter knows of the spec: name, loop, kept data, seed, ...
    """
    whole = {
        "stream": "byo",
        "model": facts.model_name(model),
        "config": facts.config_hash(model),
        "optimizer": {"name": "", "groups": []},
        **spec,
    }
    parts = {"spec": whole, "status": "interrupted", "start": "known"}
    return {**parts, "trainings": [], "environment": facts.environment(model)}


def training(model: nn.Module, task: str, *, step: int, kl_samples: int) -> dict[str, Any]:
    """A training without points, which begins or resumes at a step.

    Args:
        model: The model as it will be trained.
        task: Name of the training.
        step: Steps that were made without being measured.
        kl_samples: Samples of new data that are measured.
    """
    return {
        "task": task,
        "status": "interrupted",
        "optimizer": {"name": "", "groups": []},
        "adapters": weights.has_adapters(model),
        "resumed_at": [step] if step else [],
        "weights_of_step": None,
        "kl_samples": kl_samples,
        "points": [],
        "drift": None,
        "cost": None,
    }

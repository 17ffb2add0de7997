"""The weights of a model with adapters of PEFT, merged, by their names in the bare model."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nanocl.records import Cost
from nanocl.training.drift import DriftMeter, buffers

# parts of a parameter's name that PEFT adds
_ADDED = re.compile(r"^base_model\.model\.|\bbase_layer\.|\bmodules_to_save\.[^.]+\.")


def adapted(model: nn.Module) -> dict[str, Any]:
    """The layers with adapters, by their paths."""
    return {
        path: module
        for path, module in model.named_modules()
        if hasattr(module, "base_layer") and hasattr(module, "merge")
    }


def is_added(name: str, layers: dict[str, Any]) -> bool:
    """Whether a parameter belongs to an adapter of one of these layers."""
    # an adapter may be inside the base layer of another one: the inner one counts
    owner = max((path for path in layers if name.startswith(f"{path}.")), key=len, default=None)
    return owner is not None and not name.startswith(f"{owner}.base_layer.")


def bare_name(name: str) -> str:
    """The name that a parameter or a snapshot's `buffer:<name>` has without adapters."""
    if name.startswith("buffer:"):
        return f"buffer:{_ADDED.sub('', name.removeprefix('buffer:'))}"
    return _ADDED.sub("", name)


def base_weights(layers: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that adapters change, without them, by their names in the bare model."""
    return {
        bare_name(f"{path}.{name}"): weight
        for path, layer in _outermost(layers)
        for name, weight in _changed(layer).items()
    }


@torch.no_grad()
def merged_weights(layers: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that adapters change, with them; the layers stay as they are."""
    weights = {}
    for path, layer in _outermost(layers):
        for name, weight in _changed(_merged(layer)).items():
            weights[bare_name(f"{path}.{name}")] = weight
    return weights


def _outermost(layers: dict[str, Any]) -> list[tuple[str, Any]]:
    """The layers that are not inside another one, which merges what is inside."""
    begins = tuple(f"{path}." for path in layers)
    return [(path, layer) for path, layer in layers.items() if not path.startswith(begins)]


def _changed(layer: Any) -> dict[str, Tensor]:
    """The weights of the base layer that its adapter changes, by their names there."""
    base = layer.get_base_layer()
    if isinstance(base, nn.MultiheadAttention):
        projection: Any = base.out_proj
        projection = projection.get_base_layer()
        return {"in_proj_weight": base.in_proj_weight, "out_proj.weight": projection.weight}
    weights = {"weight": base.weight}
    if any(getattr(layer, "lora_bias", {}).values()):
        weights["bias"] = base.bias
    return weights


def _merged(layer: Any) -> Any:
    """The layer if its adapter is merged, else a merged copy."""
    if layer.merged:
        return layer
    # a copy of one layer at a time: merging and unmerging the layer itself would round its weight
    alone = copy.deepcopy(layer)
    if all(weight.is_floating_point() for weight in _changed(alone).values()):
        alone.float()
    alone.merge()
    return alone


def drift_meter(model: Any) -> DriftMeter:
    """Measures a network from now on; the weights of one with adapters are the merged ones."""
    return DriftMeter(model, model.head_parameters(), snapshot if adapted(model) else None)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """CPU copies of every weight, with adapters merged, and of float buffers as `buffer:<name>`."""
    layers = adapted(model)
    weights = merged_weights(layers)
    for name, parameter in model.named_parameters():
        if not is_added(name, layers):
            weights.setdefault(bare_name(name), parameter)
    copies = {name: weight.detach().cpu().clone() for name, weight in weights.items()}
    return copies | {bare_name(name): buffer for name, buffer in buffers(model).items()}


def counted(cost: Cost, model: nn.Module) -> Cost:
    """The cost of a learner, whose adapters, if it has any, count as `lora` counts its own.

    They are state of the optimizer, and every weight of the model is trained: they change all that
    they adapt.
    """
    layers = adapted(model)
    if not layers:
        return cost
    named = dict(model.named_parameters())
    own = sum(p.numel() for name, p in named.items() if not is_added(name, layers))
    added = [p for name, p in named.items() if is_added(name, layers)]
    state = cost.optimizer_state_bytes + sum(p.numel() * p.element_size() for p in added)
    return replace(
        cost, parameters=own, optimizer_state_bytes=state, state_bytes_per_parameter=state / own
    )

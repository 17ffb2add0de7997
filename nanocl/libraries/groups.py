"""Which parameters an optimizer treats apart: norms and head, which sparse ones train densely."""

from __future__ import annotations

from typing import Any

from torch import nn

DENSE = ("norms+head", "norms", "head", "none")
# normalisation layers by type: they have few weights, which sparse optimizers train densely
NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)


def dense_groups(model: nn.Module, dense: str, lr: float) -> list[dict[str, Any]]:
    """Two parameter groups: the sparse rest, and norms and head with density 1 and their own learning rate.

    Every parameter is in one of them, frozen ones too, so that Avalanche finds each where it is and
    adds none.
    """
    return layer_groups(model, dense, {"density": 1.0, "lr": lr})


def layer_groups(model: nn.Module, layers: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Two parameter groups: the rest, and with these options norms, head, both or none."""
    chosen = norm_parameters(model) if "norms" in layers else set()
    if "head" in layers:
        chosen |= head_parameters(model)
    groups = [
        {"params": [p for name, p in model.named_parameters() if name not in chosen]},
        {"params": [p for name, p in model.named_parameters() if name in chosen], **options},
    ]
    return [group for group in groups if group["params"]]


def norm_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters of normalisation layers, found by type."""
    return {
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        if isinstance(module, NORMS)
        for name, _ in module.named_parameters(recurse=False)
    }


def head_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters of the output layer: what the model says, else its last linear layer."""
    if hasattr(model, "head_parameters"):
        return set(model.head_parameters())
    linear = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        return set()
    return {
        f"{linear[-1]}.{name}" if linear[-1] else name
        for name, _ in model.get_submodule(linear[-1]).named_parameters()
    }

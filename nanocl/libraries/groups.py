"""Parameter groups: the normalisation and output layers that sparse optimizers train densely."""

from __future__ import annotations

from collections.abc import Callable
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
    """Two parameter groups: the sparse layers, and the dense ones with density 1 and `lr`.

    Frozen parameters are in a group too: Avalanche adds no parameter that it finds in one.
    """
    return layer_groups(model, dense, {"density": 1.0, "lr": lr})


def layer_groups(model: nn.Module, layers: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Two parameter groups: the layers named by `layers` with these options, and all others.

    Args:
        model: The model.
        layers: One of `DENSE`.
        options: Options of the group of the named layers.

    Returns:
        The group of the other layers, then that of the named layers; empty groups are left out.
    """
    chosen = norm_parameters(model) if "norms" in layers else set()
    if "head" in layers:
        chosen |= head_parameters(model)
    named = list(model.named_parameters())
    groups = [
        {"params": [p for name, p in named if name not in chosen]},
        {"params": [p for name, p in named if name in chosen], **options},
    ]
    return [group for group in groups if group["params"]]


def norm_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters of normalisation layers, which are recognised by type."""
    return {
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        if isinstance(module, NORMS)
        for name, _ in module.named_parameters(recurse=False)
    }


def head_parameters(model: nn.Module) -> set[str]:
    """Names of the output layer's parameters.

    The model may name them in a method `head_parameters`; without one, the output layer is the last
    linear layer.
    """
    names: Callable[[], set[str]] | None = getattr(model, "head_parameters", None)
    if names is not None:
        return set(names())
    linear = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        return set()
    last = linear[-1]
    parameters = model.get_submodule(last).named_parameters()
    return {f"{last}.{name}" if last else name for name, _ in parameters}

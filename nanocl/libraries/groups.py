"""Parameter groups: the normalisation and output layers that sparse optimizers train densely.

A normalisation layer is a module that owns parameters and

- is of one of torch's types (`NORMS`) or of a class derived from one, or
- has `norm` in the name of its class, such as transformers' LlamaRMSNorm and timm's RmsNorm, or a
  name in its model such as `norm1`, `input_layernorm`, `ln_1` or `bn2`, if no module inside of it
  has parameters, and each of its own has at most one dimension longer than 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from torch import nn

DENSE = ("norms+head", "norms", "head", "none")
NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)
NORM_NAME = re.compile(r"norm|(^|_)(ln|bn|rms)\d*(_|$)", re.IGNORECASE)


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
    """Names of the parameters of normalisation layers."""
    return {
        f"{path}.{name}" if path else name
        for path in norm_layers(model)
        for name, _ in model.get_submodule(path).named_parameters(recurse=False)
    }


def norm_layers(model: nn.Module) -> dict[str, str]:
    """Path of each normalisation layer to what shows that it is one: `type`, `class` or `name`."""
    signs = {path: _sign_of_norm(path, module) for path, module in model.named_modules()}
    return {path: sign for path, sign in signs.items() if sign}


def _sign_of_norm(path: str, module: nn.Module) -> str:
    """`type`, `class` or `name`; empty for a module that is no normalisation layer."""
    own = [parameter for _, parameter in module.named_parameters(recurse=False)]
    if not own:
        return ""
    if isinstance(module, NORMS):
        return "type"
    # not a block with a norm inside, a projection `norm_proj` or a linear layer `NormedLinear`
    longest = max(parameter.squeeze().ndim for parameter in own)
    if longest > 1 or len([*module.parameters()]) > len(own):
        return ""
    if "norm" in type(module).__name__.lower():
        return "class"
    return "name" if NORM_NAME.search(path.rpartition(".")[2]) else ""


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

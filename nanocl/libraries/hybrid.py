"""Optimizers that treat hidden weight matrices in one way and all other parameters in another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl.libraries.signature import Options, OptionValues
from nanocl.optim.groups import head_parameters
from nanocl.records.ranges import number

INPUT: Options = {"input_layer": (("bool",), False)}
ADAMW: Options = {
    "adamw_lr": (("float",), 3e-4),
    "adamw_beta1": (("float",), 0.9),
    "adamw_beta2": (("float",), 0.95),
    "adamw_eps": (("float",), 1e-10),
    "adamw_weight_decay": (("float",), 0.0),
}


def matrices_of(model: nn.Module, *, input_layer: bool, convolutions: bool) -> set[str]:
    """Names of the hidden weight matrices.

    Embeddings, normalisation layers, the output layer and biases are none of them.

    Args:
        model: The network.
        input_layer: Whether the weight of the first layer counts. If the network begins with an
            embedding, that is its first layer and never counts.
        convolutions: Whether the kernels of convolutions count.

    Raises:
        ValueError: The network has no such weight.
    """
    layers = [
        (module, f"{path}.{name}" if path else name, p)
        for path, module in model.named_modules()
        for name, p in module.named_parameters(recurse=False)
        if "weight" in name and p.ndim > 1
    ]
    inner = layers if input_layer else layers[1:]
    matrices = {
        name
        for module, name, p in inner
        if not isinstance(module, nn.Embedding) and (convolutions or p.ndim == 2)
    } - head_parameters(model)
    if not matrices:
        kind = "weight matrix or convolution" if convolutions else "weight matrix of two dimensions"
        where = (
            "before its output layer" if input_layer else "between its first and its output layer"
        )
        raise ValueError(
            f"the network must have a {kind} {where}, got none; "
            "the other strategies train any network"
        )
    return matrices


def with_adamw(
    optimizer: type[Optimizer],
    model: nn.Module,
    arguments: dict[str, Any],
    extra: dict[str, Any],
) -> Optimizer:
    """The optimizer on the matrices, torch's AdamW on everything else."""
    matrices, others = _split(
        model, matrices_of(model, input_layer=extra["input_layer"], convolutions=False)
    )
    adamw = torch.optim.AdamW(
        others,
        lr=extra["adamw_lr"],
        betas=(extra["adamw_beta1"], extra["adamw_beta2"]),
        eps=extra["adamw_eps"],
        weight_decay=extra["adamw_weight_decay"],
    )
    return Hybrid(optimizer(matrices, **arguments), adamw)


def muon_groups(
    optimizer: type[Optimizer],
    model: nn.Module,
    arguments: dict[str, Any],
    extra: dict[str, Any],
) -> Optimizer:
    """Optimizers like pytorch-optimizer's Muon: matrices and convolutions; its AdamW for others."""
    matrices, others = _split(
        model, matrices_of(model, input_layer=extra["input_layer"], convolutions=True)
    )
    groups = [{"params": matrices, "use_muon": True}, {"params": others, "use_muon": False}]
    return optimizer(groups, **arguments)


def projected_groups(
    optimizer: type[Optimizer],
    model: nn.Module,
    arguments: dict[str, Any],
    extra: dict[str, Any],
) -> Optimizer:
    """Optimizers like pytorch-optimizer's GaLore: matrices with a rank; plain Adam for others."""
    matrices, others = _split(model, matrices_of(model, input_layer=True, convolutions=False))
    return optimizer([{"params": matrices, **extra}, {"params": others}], **arguments)


def projection(*, rank: int, scale: float, kind: str) -> Options:
    """The options of a low-rank projection that is renewed every `update_proj_gap` steps."""
    return {
        "rank": (("int",), rank),
        "update_proj_gap": (("int",), 200),
        "scale": (("float",), scale),
        "projection_type": (("str",), kind),
    }


def check_projection(options: OptionValues) -> None:
    """Raise ValueError for a rank or an interval below 1; the library accepts them."""
    for name in ("rank", "update_proj_gap"):
        number(name, cast(int, options[name]), 1)  # the type that `projection` declares


class Hybrid(Optimizer):
    """Several optimizers as one: one state, one list of groups.

    The members only lend their `step`. Groups and state are attributes of the hybrid, where
    Avalanche replaces them and where `state_dict` and `load_state_dict` look for them. The key
    `member` of a group is the number of its optimizer.
    """

    def __init__(self, *members: Optimizer) -> None:
        self.members = members
        groups = [
            {**group, "member": i}
            for i, member in enumerate(members)
            for group in member.param_groups
        ]
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Let each member update its groups; returns the closure's loss, None without one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for i, member in enumerate(self.members):
            member.state = self.state
            member.param_groups = [g for g in self.param_groups if g["member"] == i]
            member.step()
        return loss


def _split(model: nn.Module, names: set[str]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    named = list(model.named_parameters())
    return [p for name, p in named if name in names], [p for name, p in named if name not in names]

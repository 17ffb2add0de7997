"""Optimizers that treat the weight matrices inside a network apart from everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl.libraries.groups import head_parameters
from nanocl.libraries.signature import Given, Options
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
    """Names of the weights inside a network: of no embedding, normalisation, output layer, and no bias.

    Args:
        model: The network.
        input_layer: Whether the weight of its first layer is one of them. The first layer of a
            network that begins with an embedding is that, and never one of them.
        convolutions: Whether kernels are, which have more than two dimensions.

    Raises:
        ValueError: There is none.
    """
    layers = [
        (module, f"{path}.{name}" if path else name, p)
        for path, module in model.named_modules()
        for name, p in module.named_parameters(recurse=False)
        if "weight" in name and p.ndim > 1
    ]
    inner = layers if input_layer else layers[1:]
    found = {
        name
        for module, name, p in inner
        if not isinstance(module, nn.Embedding) and (convolutions or p.ndim == 2)
    } - head_parameters(model)
    if not found:
        kind = "weight matrix or convolution" if convolutions else "weight matrix of two dimensions"
        where = (
            "before its output layer" if input_layer else "between its first and its output layer"
        )
        raise ValueError(
            f"the network must have a {kind} {where}, got none; "
            "the other strategies train any network"
        )
    return found


def with_adamw(
    optimizer: type[Optimizer], model: nn.Module, arguments: dict[str, Any], extra: dict[str, Any]
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
    optimizer: type[Optimizer], model: nn.Module, arguments: dict[str, Any], extra: dict[str, Any]
) -> Optimizer:
    """pytorch-optimizer's family of Muon: matrices and convolutions, and what goes to its own AdamW."""
    matrices, others = _split(
        model, matrices_of(model, input_layer=extra["input_layer"], convolutions=True)
    )
    return optimizer(
        [{"params": matrices, "use_muon": True}, {"params": others, "use_muon": False}], **arguments
    )


def projected_groups(
    optimizer: type[Optimizer], model: nn.Module, arguments: dict[str, Any], extra: dict[str, Any]
) -> Optimizer:
    """pytorch-optimizer's family of GaLore: matrices with a rank, everything else without (plain Adam)."""
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


def check_projection(options: Given) -> None:
    """Raises ValueError for ranks and intervals below 1, which the library takes."""
    number("rank", options["rank"], 1)
    number("update_proj_gap", options["update_proj_gap"], 1)


class Hybrid(Optimizer):
    """Several optimizers as one: one state, one list of groups.

    The members lend their `step` only: groups and state live here, where Avalanche replaces them
    and where `state_dict` and `load_state_dict` look for them. The key `member` of a group says
    whose it is.
    """

    def __init__(self, *members: Optimizer) -> None:
        self.members = members
        super().__init__(
            [
                {**group, "member": i}
                for i, member in enumerate(members)
                for group in member.param_groups
            ],
            {},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Let each member update its groups; returns the closure's loss, None without one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for i, member in enumerate(self.members):
            member.state = self.state
            member.param_groups = [group for group in self.param_groups if group["member"] == i]
            member.step()
        return loss


def _split(model: nn.Module, names: set[str]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    named = list(model.named_parameters())
    return [p for name, p in named if name in names], [p for name, p in named if name not in names]

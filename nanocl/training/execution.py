"""How the passes of a model are computed: in which type, and whether compiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._triton import has_triton

from nanocl.records import Training, UserError
from nanocl.training.heads import Network

COMPILERS = ("c++", "g++", "clang++", "cl")


def prepare(network: Network, training: Training) -> None:
    """Let a network compute as `training.precision` and `training.compile` say.

    Raises:
        UserError: Its weights are not in float32, which `bf16` needs.
    """
    use_precision(training)
    if training.precision == "bf16":
        if network.precision != torch.float32:
            raise UserError(
                "training.precision=bf16 needs float32 weights, got stream.precision=bf16: set one "
                "of them"
            )
        network.autocast = torch.bfloat16
    if training.compile:
        network.compiled = compiled_pass()


def use_precision(training: Training) -> None:
    """Let this process compute convolutions and products of float32 as `training.precision` says.

    By torch's default a GPU computes convolutions of float32 in TF32, with 10 bits of mantissa.
    """
    allowed = training.precision == "tf32"
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed


def check(training: Training, device: str) -> None:
    """Refuse what torch cannot do on `cpu` or `cuda`.

    Raises:
        UserError: What is missing, and what to set instead.
    """
    if training.precision == "bf16" and not _has_bfloat16(device):
        raise UserError(
            f"training.precision=bf16: {torch.cuda.get_device_name()} has no bfloat16; use fp32"
        )
    if training.precision == "tf32" and device == "cpu":
        raise UserError("training.precision=tf32 is for a GPU; use fp32 on a CPU")
    if training.compile:
        _check_compiler(device)


def compiled_pass() -> Callable[[nn.Module, Tensor], Tensor]:
    """A compiled function of a backbone and its inputs.

    It takes the backbone as an argument: a copy of the network computes with its own weights, and
    the names of its state do not change. Sizes are symbols from the first pass on, so that the
    kernels do not depend on the mini-batches before, as they must for a run that resumes.
    """
    torch.compiler.reset()  # what earlier runs of this process compiled counts against a limit
    return torch.compile(_pass, dynamic=True)


def _pass(backbone: nn.Module, inputs: Tensor) -> Tensor:
    features: Tensor = backbone(inputs)
    return features


def _has_bfloat16(device: str) -> bool:
    return device == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)


def _check_compiler(device: str) -> None:
    if device == "cuda" and not has_triton():
        raise UserError("training.compile=true needs triton on a GPU; install it or use false")
    if device == "cpu" and not any(map(shutil.which, COMPILERS)):
        raise UserError(
            "training.compile=true needs a C++ compiler on a CPU, got none of "
            f"{', '.join(COMPILERS)}; install one or use false"
        )

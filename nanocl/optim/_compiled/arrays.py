"""Tensors on the CPU as numpy arrays and addresses, which is how the compiled loops take them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nanocl.optim._gradients import is_plain

TYPES = (torch.float32, torch.bfloat16, torch.float64)
# An empty array tells numba the type behind an address. numpy has no bfloat16: loops see its bits.
KINDS = {
    torch.float32: np.empty(0, np.float32),
    torch.bfloat16: np.empty(0, np.uint16),
    torch.float64: np.empty(0, np.float64),
    torch.int16: np.empty(0, np.int16),
    torch.int32: np.empty(0, np.int32),
    torch.int64: np.empty(0, np.int64),
}


def fits(param: Tensor) -> bool:
    """Whether loops can read and write the parameter and its gradient in place."""
    grad = param.grad
    kind = param.dtype
    return (
        grad is not None
        and param.is_cpu
        and grad.is_cpu
        and grad.dtype is kind
        and kind in TYPES
        and param.is_contiguous()
        and grad.is_contiguous()
        and is_plain(param)
        and is_plain(grad)
    )


def array(tensor: Tensor) -> np.ndarray:
    """The tensor's memory as a flat array; bfloat16 as its bits."""
    tensor = tensor.detach()
    # numpy has no bfloat16
    bits = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    return bits.numpy().reshape(-1)


def arithmetic_type(dtype: torch.dtype) -> type[np.floating]:
    """The type that the loops compute in for parameters of a type."""
    if dtype == torch.float64:
        return np.float64
    return np.float32


def address(tensor: Tensor) -> int:
    """Where the tensor's memory begins; this is cheaper than making an array.

    Raises:
        RuntimeError: The tensor is not contiguous, or not on the CPU.
    """
    if not (tensor.is_cpu and tensor.is_contiguous()):
        raise RuntimeError(
            f"state of a CPU parameter must be contiguous and on the CPU, got it on {tensor.device}"
        )
    return tensor.data_ptr()

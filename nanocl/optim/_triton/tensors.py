"""Which parameters the Triton kernels take; needs no Triton."""

from __future__ import annotations

import torch
from torch import Tensor

from nanocl.optim._gradients import is_plain

TYPES = (torch.float32, torch.bfloat16, torch.float16)


def fits(param: Tensor) -> bool:
    """Whether a kernel can read and write the parameter and its gradient in place."""
    grad = param.grad
    return (
        grad is not None
        and param.is_cuda
        and grad.is_cuda
        and param.dtype in TYPES
        and grad.dtype == param.dtype
        and param.is_contiguous()
        and grad.is_contiguous()
        and is_plain(param)
        and is_plain(grad)
    )

"""The gradient of a parameter that is about to be updated; which tensors kernels can take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import Parameter
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

PLAIN = (Tensor, Parameter)


def gradient_of(param: Tensor) -> Tensor:
    """The parameter's gradient; the optimizers update only parameters that have one.

    Raises:
        RuntimeError: The parameter has no gradient.
    """
    gradient = param.grad
    if gradient is None:
        raise RuntimeError(
            f"a parameter of shape {tuple(param.shape)} has no gradient to step with"
        )
    # zeros without memory cannot be written to, not even as an intermediate value
    return gradient.clone() if gradient._is_zerotensor() else gradient


def is_plain(tensor: Tensor) -> bool:
    """Whether the memory at the tensor's address holds its values.

    It does not for a wrapper of other tensors, nor where torch delays a sign (`torch._neg_view`)
    or keeps no memory for zeros: PyTorch's own operations resolve these, kernels cannot.
    """
    return (
        type(tensor) in PLAIN
        and tensor.layout is torch.strided
        and not tensor.is_neg()  # a real tensor has no conjugate bit
        and not tensor._is_zerotensor()
    )


def check_plain(param: Tensor, name: str) -> None:
    """Refuse a parameter or gradient that is sparse or has no memory of its own.

    Raises:
        RuntimeError: With the type.
    """
    gradient = gradient_of(param)
    if type(param) not in PLAIN or type(gradient) not in PLAIN:
        _refuse_wrappers({"parameter": param, "gradient": gradient}, name)
    if gradient.is_sparse:
        raise RuntimeError(f"{name} does not support sparse gradients")
    if param.is_meta:
        raise RuntimeError(f"{name} takes tensors with values, got a parameter on the meta device")


def _refuse_wrappers(tensors: Mapping[str, Tensor], name: str) -> None:
    for label, tensor in tensors.items():
        if _is_wrapper(tensor):
            raise RuntimeError(
                f"{name} takes plain tensors, got a {label} of type {type(tensor).__name__}"
            )


def _is_wrapper(tensor: Tensor) -> bool:
    """Whether a tensor holds others, or stands for one without values."""
    return is_traceable_wrapper_subclass(tensor) or isinstance(tensor, FakeTensor)


def check_sizes(param: Tensor, state: Mapping[str, Any], name: str) -> None:
    """Raise RuntimeError unless gradient and state have the size of the parameter."""
    gradient = gradient_of(param)
    numel = param.numel()
    shape = tuple(param.shape)
    if gradient.numel() != numel:
        raise RuntimeError(
            f"{name} got a gradient of shape {tuple(gradient.shape)} for a parameter of shape "
            f"{shape}"
        )
    if state.get("numel", numel) != numel:
        raise RuntimeError(
            f"{name} holds a state of {state['numel']} entries for a parameter of shape "
            f"{shape}: empty state[param] when its size changes"
        )

"""The weights that a model computes with: adapters of PEFT merged, names as in the bare model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn

from nanocl.optim.groups import head_parameters
from nanocl.training.adapters import adapted, bare_name, base_weights, is_added, merged_weights
from nanocl.training.drift import snapshot

# initialisations after which base weights are as before and an adapter that is off is the start
_BASE_UNCHANGED = (True, False, "gaussian", "eva", "orthogonal")


def bare(model: nn.Module) -> nn.Module:
    """The model inside of DDP, DataParallel and `torch.compile`.

    Raises:
        TypeError: The parameters are sharded, or no process has the weights in memory.
    """
    while True:
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if inner is None:
            break
        model = inner
    if any(hasattr(parameter, "full_tensor") for parameter in model.parameters()):
        raise TypeError(
            "the parameters are sharded (DTensor), which is not measured; use DDP or one process"
        )
    absent = next((name for name, one in model.named_parameters() if one.is_meta), None)
    if absent is not None:
        raise TypeError(
            f"the parameter {absent} is on the meta device, which holds no values: load the "
            "weights first, and keep them on the CPU or a GPU"
        )
    return model


def has_adapters(model: nn.Module) -> bool:
    """Whether a layer of the model has an adapter of PEFT."""
    return bool(adapted(model))


def starts_without_adapters(model: Any) -> bool:
    """Whether the model with its adapters off is the model before adapters were added."""
    configs = getattr(model, "peft_config", None)
    if not has_adapters(model) or not isinstance(configs, dict):
        return False
    inits = [getattr(config, "init_lora_weights", True) for config in configs.values()]
    return all(init in _BASE_UNCHANGED for init in inits)


@contextmanager
def adapters_off(model: Any) -> Iterator[None]:
    """Compute without adapters; a model without adapters is left alone."""
    with model.disable_adapter() if has_adapters(model) else nullcontext():
        yield


def head_names(model: Any) -> set[str]:
    """Names of the output layer's parameters in `weights_of`."""
    is_adapted = has_adapters(model) and hasattr(model, "get_base_model")
    inner = model.get_base_model() if is_adapted else model
    return {bare_name(name) for name in head_parameters(inner)}


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """CPU copies, in at least float32, of what training changes.

    These are trainable parameters and float buffers and, in place of adapters, the weights of their
    layers with the adapters merged.
    """
    return _weights(model, with_adapters=True)


def weights_without_adapters(model: nn.Module) -> dict[str, Tensor]:
    """As `weights_of`, with adapters off: base weights, and copied modules before training."""
    return _weights(model, with_adapters=False)


def _weights(model: nn.Module, *, with_adapters: bool) -> dict[str, Tensor]:
    layers = adapted(model)
    every = dict(model.named_parameters())
    weights = {}
    for name, tensor in snapshot(model).items():
        if is_added(name, layers):
            continue
        if not with_adapters and "modules_to_save." in name:
            tensor = every[re.sub(r"modules_to_save\.[^.]+", "original_module", name)]
        weights[bare_name(name)] = _exact(tensor)
    for name, tensor in (merged_weights if with_adapters else base_weights)(layers).items():
        if tensor.is_floating_point():  # a quantised weight has no drift of its own
            weights[name] = _exact(tensor)
    return weights


def _exact(tensor: Tensor) -> Tensor:
    # a difference of two bfloat16 numbers would be rounded to 8 bits
    on_cpu = tensor.detach().cpu()
    return on_cpu.float() if on_cpu.element_size() < 4 else on_cpu.clone()

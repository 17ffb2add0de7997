"""Reads files of weights, safetensors or state dicts without unpickling, into backbones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from nanocl.records import UserError

OUTPUT_LAYERS = (
    "head",
    "heads",
    "linear",
    "fc",
    "classifier",
    "last_linear",
    "aux1",
    "aux2",
    "AuxLogits",
)


def load_weights(model: nn.Module, weights: str) -> None:
    """Copy the state dict in the file `weights` into a backbone; do nothing if the name is empty.

    From a file with a complete nanocl network only the backbone is read. Prefixes that wrappers add
    to names are removed, and entries of an output layer (`OUTPUT_LAYERS`) are ignored unless the
    backbone has them.

    Raises:
        UserError: The file is missing, cannot be read without unpickling, or does not fit the
            backbone.
    """
    if not weights:
        return
    state = read_state(weights)
    if any(name.startswith("backbone.") for name in state):
        state = {name: value for name, value in state.items() if name.startswith("backbone.")}
    wanted = model.state_dict()
    fit(model, {_short(name, wanted): value for name, value in state.items()}, weights)


def output_layer(weights: str, label: int = 0) -> dict[str, Tensor] | None:
    """The output layer in a file of weights, as `weight` and `bias`; None if there is none.

    A nanocl network has one for each task label, any other file one for label 0.
    """
    state = {
        name.removeprefix("module.").removeprefix("network."): value
        for name, value in read_state(weights).items()
    }
    layers = [
        name
        for name, value in state.items()
        if name.split(".")[0] in OUTPUT_LAYERS and name.endswith(".weight") and value.ndim == 2
    ]
    own = f"head.{label}.weight"
    if own not in layers and (label or not layers):
        return None
    stem = (own if own in layers else layers[-1]).removesuffix("weight")
    return {name: state[stem + name] for name in ("weight", "bias") if stem + name in state}


def fit(model: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Copy `state` into `model`, all entries or none.

    Args:
        model: The network.
        state: Tensors by name; entries of an output layer are ignored unless the model has them.
        source: Name of the state in errors.

    Raises:
        UserError: An entry is missing, unknown or of another shape.
    """
    wanted = model.state_dict()
    state = {
        name: value
        for name, value in state.items()
        if name in wanted or name.split(".")[0] not in OUTPUT_LAYERS
    }
    faults = _faults(state, wanted)
    if faults:
        raise UserError(
            f"weights {source} do not fit {type(model).__name__}: the file {'; it '.join(faults)}"
        )
    model.load_state_dict(dict(state), strict=False)


def _faults(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Why a state does not fit, as parts of a sentence; empty if it fits."""
    # files from before PyTorch 0.4.1 lack this counter, which is used only without a fixed momentum
    missing = [n for n in wanted if n not in state and not n.endswith("num_batches_tracked")]
    surplus = [n for n in state if n not in wanted]
    misshapen = [
        f"{n} {tuple(state[n].shape)} instead of {tuple(wanted[n].shape)}"
        for n in wanted
        if n in state and state[n].shape != wanted[n].shape
    ]
    return [
        f"{fault} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        for fault, names in (("lacks", missing), ("has unknown", surplus), ("has", misshapen))
        if names
    ]


def read_state(weights: str) -> dict[str, Tensor]:
    """The tensors in a `.safetensors` file or in a file written by `torch.save`, by name.

    The latter is read with `weights_only=True`, which refuses to unpickle anything else.

    Raises:
        UserError: The file is missing or damaged, or contains anything but named tensors.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"no file of weights {weights}")
    try:
        state = _read(path)
    except Exception as error:  # a damaged file fails anywhere in the readers, with any exception
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"cannot read weights {weights} as safetensors or a plain state dict "
            f"(files that need unpickling are refused): {reason[0][:200]}"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise UserError(f"weights {weights} must contain named tensors, got {type(state).__name__}")
    for name, value in state.items():
        fault = _fault(name, value)
        if fault:
            raise UserError(f"weights {weights} must contain named tensors of numbers, got {fault}")
    return dict(state)


def _fault(name: object, value: object) -> str:
    """Why an entry is not what a network can start from; empty if it is."""
    if not isinstance(name, str):
        return f"a name that is no text, {name!r}"
    if not isinstance(value, Tensor):
        return f"{name} of type {type(value).__name__}"
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        return f"{name}, which is not a dense tensor"
    if value.is_floating_point() and value.itemsize > 1 and not value.isfinite().all():
        return f"{name} with NaN or infinity"
    return ""


def _read(path: Path) -> object:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _short(name: str, wanted: Mapping[str, Tensor]) -> str:
    """The name without the prefixes of wrappers, unless the model has it with them."""
    for prefix in ("module.", "backbone.", "network."):
        if name not in wanted:
            name = name.removeprefix(prefix)
    return name

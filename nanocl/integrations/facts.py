"""What a record says of the model, the optimizer and the machine."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy
import torch
from torch import nn

from nanocl import __version__
from nanocl.records import hash_of
from nanocl.training.measure import processor

PACKAGES = ("transformers", "peft", "lightning", "accelerate", "bitsandbytes", "torchao")
# of configs: what a forward pass (`problem_type`), the Trainer (`use_cache`, token numbers of its
# tokenizer) or saving sets, so that the same model has one hash before and after a training
CHANGED = (
    "problem_type",
    "use_cache",
    "architectures",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
PLAIN = (bool, int, float, str, type(None))


class Digest:
    """The fingerprint of samples: numbers, texts and arrays, in mappings and sequences."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._is_known: bool | None = None  # None: nothing was taken in yet

    def add(self, value: Any) -> None:
        """Take in a sample or a part of one; an object of another kind makes it unknown."""
        if self._is_known is None:
            self._is_known = True
        if isinstance(value, Mapping):
            self._hash.update(b"{")
            for name in sorted(value, key=str):
                self.add(str(name))
                self.add(value[name])
            self._hash.update(b"}")
        elif isinstance(value, list | tuple):
            self._hash.update(b"[")
            for item in value:
                self.add(item)
            self._hash.update(b"]")
        elif isinstance(value, str):
            self._hash.update(f"{str(value)!r};".encode())  # numpy's texts have a repr of their own
        elif isinstance(value, numpy.ndarray | numpy.generic | torch.Tensor):
            self._add_array(value)
        elif isinstance(value, PLAIN):
            self._hash.update(f"{value!r};".encode())
        else:
            self._is_known = False

    def _add_array(self, value: numpy.ndarray | numpy.generic | torch.Tensor) -> None:
        if not isinstance(value, torch.Tensor):
            # torch takes no negative strides and no other order of bytes
            value = numpy.asarray(value, dtype=value.dtype.newbyteorder("="), order="C")
        try:
            array = torch.as_tensor(value).detach().cpu().contiguous()
            content = array.reshape(-1).view(torch.uint8).numpy().tobytes()
        except (TypeError, RuntimeError):  # texts or objects; a layout without bytes of its own
            self._is_known = False
            return
        self._hash.update(f"{array.dtype}{tuple(array.shape)}".encode())
        self._hash.update(content)

    def __str__(self) -> str:
        """16 hexadecimal digits; empty if nothing or an object of another kind was taken in."""
        return self._hash.hexdigest()[:16] if self._is_known else ""


def is_first_process() -> bool:
    """Whether this is the process that writes; the others of DDP measure the same."""
    distributed = torch.distributed
    is_many = distributed.is_available() and distributed.is_initialized()
    return not is_many or distributed.get_rank() == 0


def model_name(model: Any) -> str:
    """Class of the model, without wrappers of adapters."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return type(inner).__name__


def config_hash(model: Any) -> str:
    """Hash of the config of a model of transformers, else of the shapes of parameters.

    Fields that training changes are left out.
    """
    config: Any = getattr(model, "config", None)
    if hasattr(config, "to_json_string"):
        unchanged = _unchanged(json.loads(config.to_json_string()))
        return hash_of(json.dumps(unchanged, sort_keys=True))  # a text, as numbers may be infinite
    return hash_of({name: list(p.shape) for name, p in model.named_parameters()})


def _unchanged(config: Any) -> Any:
    """A config, and configs of its parts, without what training changes."""
    if not isinstance(config, dict):
        return config
    return {name: _unchanged(value) for name, value in config.items() if name not in CHANGED}


def described(optimizer: Any) -> dict[str, Any]:
    """Class and plain options of each group, with the base of a learning rate on a schedule."""
    inner = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
    groups = []
    for group in inner.param_groups:
        options = {name: _plain(value) for name, value in group.items() if name != "params"}
        options = {name: value for name, value in options.items() if value is not ...}
        if "initial_lr" in options:
            options["lr"] = options.pop("initial_lr")
        groups.append({**options, "entries": sum(p.numel() for p in group["params"])})
    return {"name": type(inner).__name__, "groups": groups}


def _plain(value: Any) -> Any:
    """The value for a record; an ellipsis for what a record cannot hold."""
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return value.item()
    if isinstance(value, tuple | list) and all(isinstance(item, PLAIN) for item in value):
        return list(value)
    return value if isinstance(value, PLAIN) else ...


def environment(model: nn.Module) -> dict[str, Any]:
    """Versions of what is loaded, and the machine."""
    device = next(model.parameters()).device
    loaded = {name: version(name) for name in PACKAGES if name in sys.modules}
    return {
        "nanocl": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "platform": platform.system().lower(),
        "processor": processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        **loaded,
    }

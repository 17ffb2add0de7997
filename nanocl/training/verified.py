"""Files of training state: written whole, and read only if they are what was written.

A file is one line of JSON (what it belongs to, and the SHA-256 of the rest) and the state as
`torch.save` writes it. It holds tensors and plain values and is read with `weights_only=True`: a
file from elsewhere cannot run code.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nanocl import __version__
from nanocl.records import files
from nanocl.training import measure


class Unsavable(ValueError):
    """A state has values that a file cannot hold, in words."""


class Unusable(ValueError):
    """A file is damaged, or belongs to something else, in words."""


def versions(device: torch.device | str) -> dict[str, str]:
    """What training state depends on beside its run: versions, and the kind of device."""
    return {
        "nanocl": __version__,
        "torch": str(torch.__version__),
        # another kind of device or CPU rounds in another order
        "device": torch.device(device).type,
        "processor": measure.processor(),
    }


def write(path: Path, identity: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Write a state, atomically.

    Args:
        path: The file.
        identity: What the state belongs to.
        state: Tensors and plain values.

    Raises:
        OSError: It cannot be written.
        Unsavable: It holds a value that cannot be saved.
    """
    content = io.BytesIO()
    try:
        torch.save(state, content)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise Unsavable(_one_line(error)) from error
    header = {**identity, "sha256": hashlib.sha256(content.getbuffer()).hexdigest()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(content.getbuffer())


def read(path: Path, identity: Mapping[str, str]) -> dict[str, Any]:
    """The state in a file.

    Args:
        path: The file.
        identity: What the state must belong to; its `device` is where tensors are put.

    Raises:
        Unusable: The file is damaged or belongs to something else.
        OSError: It cannot be read.
    """
    line, _, content = path.read_bytes().partition(b"\n")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unusable("it has no readable first line") from error
    if not isinstance(header, Mapping):
        raise Unusable("it has no readable first line")
    expected = {**identity, "sha256": hashlib.sha256(content).hexdigest()}
    for name, value in expected.items():
        if header.get(name) != value:
            raise Unusable(f"its {name} is {header.get(name)}, expected {value}")
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(content), weights_only=True, map_location=identity["device"]
        )
    except Exception as error:  # what it refuses, it refuses in many ways
        raise Unusable(
            f"it holds more than tensors and plain values: {_one_line(error)}"
        ) from error
    return state


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

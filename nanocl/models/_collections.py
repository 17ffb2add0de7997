"""Functions for networks from collections such as torchvision and timm."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

import torch
from torch import nn

from nanocl.records import UserError
from nanocl.records.ranges import nearest

EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)


def check_name(collection: str, architecture: str, architectures: Iterable[str]) -> None:
    """Check that `architecture` is one of a collection's `architectures`.

    Raises:
        UserError: It is not; with the nearest name.
    """
    names = list(architectures)
    if architecture not in names:
        near = nearest(architecture, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UserError(f"{collection} has no classification network {architecture!r}{hint}")


def features_of(
    network: nn.Module,
    inputs: tuple[int, ...],
    name: str,
    dtype: torch.dtype = torch.float32,
) -> int:
    """Length of the feature vector that a network returns for one input of this shape and type.

    Changes neither the random state nor the network's running statistics.

    Raises:
        UserError: The network cannot take such an input, or does not return one vector for it.
    """
    network.eval()
    try:
        with torch.no_grad():
            vectors = network(torch.zeros(1, *inputs, dtype=dtype))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if not dtype.is_floating_point:
            raise UserError(
                f"{name} cannot take integers, got {dtype} of shape {tuple(inputs)} ({reason}); "
                "token numbers need a model with an embedding, and other numbers are given as "
                "float32 (inputs.float())"
            ) from error
        raise UserError(f"{name} cannot take inputs of shape {tuple(inputs)}: {reason}") from error
    finally:
        network.train()
    if vectors.ndim != 2:
        raise UserError(
            f"{name} must return one feature vector per image, got shape {tuple(vectors.shape)}"
        )
    return vectors.shape[1]


def with_features(
    network: nn.Module,
    inputs: tuple[int, ...],
    name: str,
    dtype: torch.dtype = torch.float32,
) -> nn.Module:
    """The network; without an attribute `features` its length is that of an output for zeros.

    A network without an embedding is tried on zeros if the inputs are integers.

    Raises:
        UserError: It is no module of torch, or as in `features_of`.
    """
    if not isinstance(network, nn.Module):
        raise UserError(f"{name} must return a torch.nn.Module, got {type(network).__name__}")
    has_embedding = any(isinstance(layer, EMBEDDINGS) for layer in network.modules())
    is_doubtful = not dtype.is_floating_point and not has_embedding
    if is_doubtful or not hasattr(network, "features"):
        length: Any = features_of(network, inputs, name, dtype)
        if not hasattr(network, "features"):
            network.features = length
    return network


def answers(url: str, seconds: float = 6.0) -> bool:
    """Whether a server answers a request for `url` within `seconds`."""
    replies: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with urlopen(Request(url, method="HEAD"), timeout=seconds):
                replies.put(True)
        except (OSError, HTTPException, ValueError):
            replies.put(False)

    # in a daemon thread, which may outlive this call: without a network a name look-up blocks for
    # longer than any socket timeout
    threading.Thread(target=ask, daemon=True).start()
    try:
        return replies.get(timeout=seconds)
    except queue.Empty:
        return False

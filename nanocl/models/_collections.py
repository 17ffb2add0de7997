"""What networks from collections such as torchvision's have in common."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from http.client import HTTPException
from urllib.request import Request, urlopen

import torch
from torch import nn

from nanocl.records import UserError
from nanocl.records.ranges import nearest


def check_name(collection: str, architecture: str, known: Iterable[str]) -> None:
    """Check that a collection has a network of that name.

    Raises:
        UserError: With the nearest name.
    """
    names = list(known)
    if architecture not in names:
        near = nearest(architecture, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UserError(f"{collection} has no classification network {architecture!r}{hint}")


def features_of(network: nn.Module, inputs: tuple[int, ...], name: str) -> int:
    """Length of the feature vector that a network makes of one image; random state and running means stay as they are.

    Raises:
        UserError: The network cannot take such an image, or does not answer with one vector for it.
    """
    network.eval()
    try:
        with torch.no_grad():
            answer = network(torch.zeros(1, *inputs))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{name} cannot take inputs of shape {tuple(inputs)}: {reason}") from error
    finally:
        network.train()
    if answer.ndim != 2:
        raise UserError(
            f"{name} must give one feature vector per image, got shape {tuple(answer.shape)}"
        )
    return answer.shape[1]


def answers(url: str, seconds: float = 6.0) -> bool:
    """Whether a server hands out `url`; known after `seconds` at most."""
    replies: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with urlopen(Request(url, method="HEAD"), timeout=seconds):
                replies.put(True)
        except (OSError, HTTPException, ValueError):
            replies.put(False)

    # in a thread that may be left behind: a name look-up without network outlasts any socket
    # timeout
    threading.Thread(target=ask, daemon=True).start()
    try:
        return replies.get(timeout=seconds)
    except queue.Empty:
        return False

"""Avalanche, imported without packages of loggers and metrics that nanocl does not use.

They take 3 of the 3.6 CPU seconds of its import. Code that uses them works: they are loaded then.
"""

from __future__ import annotations

import importlib

from nanocl.plugins.postponed import postponed

POSTPONED = {
    "gdown": (),
    "qpsolvers": (),
    "torchmetrics": (),
    "torchmetrics.functional": ("accuracy",),
    "wandb": (),
    "torch.utils.tensorboard": ("SummaryWriter",),
    "torch._dynamo.utils": ("is_compile_supported",),  # torchvision.ops, for one function
}


def _load() -> None:
    try:
        with postponed(POSTPONED):
            importlib.import_module("avalanche.training.templates")
    except ImportError:  # a later version of Avalanche uses these packages in another way
        importlib.import_module("avalanche.training.templates")


_load()

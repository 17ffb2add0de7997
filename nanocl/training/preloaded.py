"""What the server of the worker processes imports before it forks the first of them."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys

# torch._dynamo: every optimizer of torch loads it, which would take each worker a second
MODULES = ("nanocl.training.experiment", "torch._dynamo")


def load() -> None:
    """Import what every run needs, without garbage collections: imports leave no garbage."""
    gc.disable()
    try:
        for name in MODULES:
            importlib.import_module(name)
    finally:
        gc.enable()
    gc.freeze()  # nor do collections in the workers look through it
    if is_server():
        # taking torch and its modules apart would cost a second; the server has nothing to save
        atexit.register(os._exit, 0)


def is_server() -> bool:
    """Whether this process is the one that `multiprocessing` forks workers from."""
    return any("from multiprocessing.forkserver import main" in word for word in sys.orig_argv)


load()

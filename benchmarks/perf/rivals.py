"""The optimizers that are timed against `torch.optim.AdamW(fused=True)`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl import optim

LR = 1e-9  # weights hardly change, so that every step has the same work
BASE = "AdamW fused"
Params = list[nn.Parameter]


class Rival(NamedTuple):
    """An optimizer with its options.

    Attributes:
        style: The strategy whose colour it has in figures.
        make: Called with two lists of parameters: norms and head are in the second.
        everywhere: Whether it is timed on every set of shapes, not only on one.
        selects: Whether it has an option `mask_interval`, the steps between two selections.
        needs_gpu: Whether it is left out on a CPU.
    """

    name: str
    style: str
    make: Callable[..., Optimizer]
    everywhere: bool = False
    selects: bool = False
    needs_gpu: bool = False


# without a selection after the first step: selections are timed by themselves
NEVER = 1 << 30


def listed() -> tuple[Rival, ...]:
    """All optimizers to time; a missing library is an error only when its optimizer is made."""
    return (
        Rival(BASE, "adamw", partial(_plain, torch.optim.AdamW, fused=True), everywhere=True),
        Rival(
            "AdamW foreach",
            "adamw",
            partial(_plain, torch.optim.AdamW, foreach=True),
            everywhere=True,
        ),
        Rival("SGD fused", "sgd", partial(_plain, torch.optim.SGD, fused=True)),
        Rival(
            "SGD foreach, momentum",
            "sgd",
            partial(_plain, torch.optim.SGD, foreach=True, momentum=0.9),
        ),
        _nano("NanoAdam 1 %", density=0.01),
        _nano("NanoAdam 5 %", density=0.05, everywhere=False),
        _nano("NanoAdam 10 %", density=0.1),
        _nano("NanoAdam 100 %", density=1.0, everywhere=False, selects=False),
        _nano("NanoAdam 10 %, reset", density=0.1, moment_policy="reset", everywhere=False),
        _nano("NanoAdam 10 %, bf16 state", density=0.1, state_dtype="bfloat16", everywhere=False),
        _nano("NanoAdam 10 %, random", density=0.1, select="random", everywhere=False),
        _nano("NanoAdam 10 %, gradient", density=0.1, select="gradient", everywhere=False),
        _nano("NanoAdam 10 %, plain PyTorch", density=0.1, fused=False, everywhere=False),
        Rival(
            "NanoAdam 10 %, captured",
            "nanoadam",
            partial(_captured, density=0.1, mask_interval=NEVER),
            needs_gpu=True,
        ),
        Rival(
            "MicroAdam 1 %",
            "microadam",
            partial(_plain, optim.MicroAdam, density=0.01),
            everywhere=True,
        ),
        Rival("MoFO 10 %", "mofo", partial(_plain, optim.MoFO, density=0.1)),
        Rival("LIFT 5 %", "lift", partial(_plain, optim.LIFT, density=0.05), selects=True),
        Rival("Lion (pytorch-optimizer)", "er", partial(_imported, "pytorch_optimizer", "Lion")),
        Rival(
            "AdamW8bit (bitsandbytes)", "ewc", partial(_imported, "bitsandbytes.optim", "AdamW8bit")
        ),
        Rival("AdamW8bit (torchao)", "ewc", partial(_imported, "torchao.optim", "AdamW8bit")),
    )


def _nano(name: str, *, everywhere: bool = True, selects: bool = True, **options: Any) -> Rival:
    return Rival(
        name,
        "nanoadam",
        partial(_with_dense_group, **{"mask_interval": NEVER, **options}),
        everywhere,
        selects,
    )


def _with_dense_group(bulk: Params, rest: Params, **options: Any) -> Optimizer:
    # as in NanoAdam's paper, norms and head are dense
    groups = [{"params": bulk}, *([{"params": rest, "density": 1.0}] if rest else [])]
    return optim.NanoAdam(groups, lr=LR, **options)


def _captured(bulk: Params, rest: Params, **options: Any) -> Optimizer:
    """An optimizer whose `step` replays a CUDA graph."""
    optimizer = _with_dense_group(bulk, rest, capturable=True, **options)
    optimizer.step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    optimizer.step = graph.replay  # type: ignore[method-assign]
    return optimizer


def _plain(kind: Callable[..., Optimizer], bulk: Params, rest: Params, **options: Any) -> Optimizer:
    return kind(bulk + rest, lr=LR, **options)


def _imported(module: str, name: str, bulk: Params, rest: Params, **options: Any) -> Optimizer:
    return _plain(getattr(import_module(module), name), bulk, rest, **options)

"""NanoAdam with the option `capturable` and without it, on the same steps."""

import torch
from trajectories import train

from nanocl.optim import NanoAdam

SMALL = {"density": 0.3, "chunk_size": 30, "weight_decay": 0.1, "seed": 2}
INTERVAL = 7
CASES = [
    {},
    {"moment_policy": "reset"},
    {"moment_policy": "slot"},
    {"select": "random"},
    {"select": "gradient"},
    {"select": "static-small"},
    {"select": "large", "decay_scope": "all"},
    {"state_dtype": "bfloat16"},
    {"density": 0.0},
]
IDS = [" ".join(map(str, case.values())) or "default" for case in CASES]


def made(params, options, **more):
    """A sparse group and a dense one, with an lr that is a tensor on the device."""
    lr = torch.tensor(0.05, device=params[0].device)
    groups = [{"params": params[:2]}, {"params": params[2:], "density": 1.0, "weight_decay": 0.2}]
    return NanoAdam(groups, lr=lr, **{**SMALL, **options, **more})


def ordinary(params, options):
    return made(params, options, fused=False, mask_interval=INTERVAL)


def schedule(optimizer, step):
    """Set lr as torch's schedulers do for tensors."""
    optimizer.param_groups[0]["lr"].fill_(0.05 / (1 + step % 10))


def take_steps(params, optimizer, steps):
    for step in steps:
        schedule(optimizer, step)
        train(params, optimizer, 1, first=step)

"""Sweeps of learning rates made by hand, for tests of the finetuning study."""

import math

from making import a_spec

from nanocl.studies.finetune.points import Point, Sweep

RATES = (1e-4, 1e-3, 1e-2)
ARMS = (
    "adamw",
    "nanoadam",
    "large",
    "random",
    "gradient",
    "static-small",
    "head+norms",
    "sgd",
    "microadam",
    "lora",
    "adamw-dense",
    "ewc+adamw",
    "ewc+nanoadam",
)


def point(lr, new, old, *, drift=1.0, curve="", before=0.9):
    return Point(
        lr, curve, new, old, before, drift, drift / 4, tuple(lr * (11 - k) for k in range(1, 11))
    )


def one_seed(gain=0.0, seed=0, loss=0.2):
    """A sweep that learns more and forgets more with the rate.

    `gain` raises the accuracy on the old task.
    """
    noise = 0.004 * math.sin(7 * seed + 100 * gain)
    return tuple(
        point(lr, 0.4 + 0.1 * k + noise, 0.9 - loss * k + gain - noise, drift=10.0**k)
        for k, lr in enumerate(RATES)
    )


def a_sweep(name="finetune-made-up", seeds=5, **gains):
    arms = {
        arm: {
            seed: one_seed(gains.get(arm.replace("+", "_").replace("-", "_"), 0.0), seed)
            for seed in range(seeds)
        }
        for arm in ARMS
    }
    return Sweep(name, "a made-up pair of tasks", a_spec(), arms, seeds * len(ARMS) * len(RATES))

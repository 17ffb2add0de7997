"""Sweeps of learning rates made by hand, for tests of the finetuning study."""

import math

from making import a_spec

from nanocl.studies.finetune.grids import Grid
from nanocl.studies.finetune.points import Point, Sweep

RATES = (1e-4, 1e-3, 1e-2)
MASK = {"lr": RATES, "dense_lr": (None,), "density": (0.1,), "dense": ("norms+head",)}
OPTIONS = {  # of each arm, by its learner
    "adamw": {"lr": RATES},
    "nanoadam": MASK,
    "large": MASK,
    "random": MASK,
    "gradient": MASK,
    "static-small": MASK,
    "head+norms": {**MASK, "density": (0.0,)},
    "sgd": {"lr": RATES},
    "microadam": {**MASK, "density": (0.1,)},
    "lora": {"lr": RATES, "dense_lr": (1e-3, 1e-2), "rank": (8,)},
    "adamw-dense": {"lr": RATES, "dense_lr": (1e-3, 1e-2)},
    "ewc+adamw": {"lr": RATES, "strength": (1.0, 100.0)},
    "ewc+nanoadam": {**MASK, "strength": (1.0, 100.0)},
}
ARMS = tuple(OPTIONS)


def point(lr, new, old, *, held=True, **changed):
    """A point; with `held` its accuracies on held-out data are those on test data."""
    values = {"curve": "", "before": 0.9, "drift": 1.0, "untrained": 0.1, **changed}
    drift = values["drift"]
    on_held = {"held_new": new, "held_old": old} if held else {}
    return Point(
        lr=lr,
        new=new,
        old=old,
        tensor_drift=None if drift is None else drift / 4,
        deciles=tuple(lr * (11 - k) for k in range(1, 11)),
        **{**on_held, **values},
    )


def one_seed(gain=0.0, seed=0, loss=0.2):
    """A sweep that learns more and forgets more with the rate.

    `gain` raises the accuracy on the old task.
    """
    noise = 0.004 * math.sin(7 * seed + 100 * gain)
    return tuple(
        point(lr, 0.6 + 0.1 * k + noise, 0.9 - loss * k + gain - noise, drift=10.0**k)
        for k, lr in enumerate(RATES)
    )


def a_grid(learner, **options):
    return Grid(learner.replace("-dense", ""), {(0, name): row for name, row in options.items()})


def a_sweep(name="finetune-made-up", seeds=10, **gains):
    """A sweep with every arm; gains by arm, with `_` for `+` and `-`."""
    arms = {}
    for arm in ARMS:
        gain = gains.get(arm.replace("+", "_").replace("-", "_"), 0.0)
        arms[arm] = {seed: one_seed(gain, seed) for seed in range(seeds)}
    grids = {arm: a_grid(arm, **options) for arm, options in OPTIONS.items()}
    wanted = seeds * len(ARMS) * len(RATES)
    return Sweep(name, "a made-up pair of tasks", a_spec(), arms, wanted, grids=grids)

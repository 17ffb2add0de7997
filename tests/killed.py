"""Runs that are killed in the middle of an experience."""

from contextlib import contextmanager

import pytest

from nanocl.plugins.catalogue import INSTALLED
from nanocl.records.measuring import Measuring
from nanocl.training import checkpoint, experiment
from nanocl.training.context import Context

ALWAYS = 1e-9  # minutes
ALL = Measuring()


class Killed(Exception):
    pass


@contextmanager
def killed_after(monkeypatch, module, name, calls):
    """End what runs within once the function `name` of a module was called so many times."""
    act, made = getattr(module, name), []

    def act_then_die(*arguments):
        act(*arguments)
        made.append(1)
        if len(made) == calls:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, name, act_then_die)
        yield


def killed_within(monkeypatch, folder, run, writes, catalogue=INSTALLED, measuring=ALL):
    """Kill a run when it has written this number of checkpoints within experiences."""
    with killed_after(monkeypatch, checkpoint, "save_within", writes):
        context = Context(
            catalogue, checkpoints=folder, checkpoint_minutes=ALWAYS, measuring=measuring
        )
        experiment.run_one(run, context)

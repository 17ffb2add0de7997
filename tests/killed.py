"""Runs that are killed in the middle of an experience."""

import pytest

from nanocl.plugins.catalogue import INSTALLED
from nanocl.records.measuring import Measuring
from nanocl.training import checkpoint, experiment
from nanocl.training.context import Context

ALWAYS = 1e-9  # minutes
ALL = Measuring()


class Killed(Exception):
    pass


def killed_within(monkeypatch, folder, run, writes, catalogue=INSTALLED, measuring=ALL):
    """Kill a run when it has written this number of checkpoints within experiences."""
    save, written = checkpoint.save_within, []

    def save_then_die(*arguments):
        save(*arguments)
        written.append(1)
        if len(written) == writes:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "save_within", save_then_die)
        context = Context(
            catalogue, checkpoints=folder, checkpoint_minutes=ALWAYS, measuring=measuring
        )
        experiment.run_one(run, context)

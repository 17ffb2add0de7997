"""Gradient flow in numbers, against plain descent and against the theorem."""

import dataclasses

import numpy as np
import pytest

from nanocl.studies.teacher_student import theorem
from nanocl.studies.teacher_student.runs import run_of
from nanocl.studies.teacher_student.settings import Condition, Setting
from nanocl.studies.teacher_student.theorem_claims import theorem_claims


def test_the_flow_of_v_is_gradient_descent_of_w_with_a_frozen():
    tasks = run_of(Setting(samples=100), "gd", 0).start.tasks(1)
    a, target = (
        0.2,
        np.maximum(tasks.train @ tasks.directions[-1], 0) + 0.01 * np.abs(tasks.train[:, 0]),
    )
    w = np.array([0.1, -0.15])
    extra = float(np.mean(target**2))
    end, time = theorem.flow(a * w, tasks.train, target, step=0.1, time=300.0, extra=extra)
    losses, steps = [], 60000
    for _ in range(steps):  # plain descent on half the mean squared error, learning rate 1
        active = tasks.train @ w > 0
        residual = a * np.where(active, tasks.train @ w, 0) - target
        losses.append(np.mean(residual**2))
        w = w - a * (residual * active) @ tasks.train / len(target)
    assert np.allclose(a * w, end, atol=1e-8)
    reached = next(step for step, loss in enumerate(losses) if loss <= losses[-1] + 0.01 * extra)
    assert reached == pytest.approx(time / a**2, rel=0.03)


def test_on_networks_that_meet_its_assumptions_the_limit_is_proportional_to_epsilon():
    condition = Condition(
        seeds=tuple(range(4)), samples=200, time=500.0, epsilons=(0.03, 0.003, 0.0003)
    )
    entry = {"condition": dataclasses.asdict(condition), "values": theorem.compute(condition, 2)}
    claims = {claim.claim: claim for claim in theorem_claims([entry])}
    limit = next(
        c for text, c in claims.items() if text.startswith("gradient flow of one small neuron")
    )
    assert list(limit.settings[0].values.values()) == pytest.approx([0.1] * 4, abs=0.05)
    assert max(d for row in entry["values"]["distance"] for d in row) < 0.04

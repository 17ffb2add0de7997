"""The engine agrees with an ordinary run of the same stream, model and strategy."""

import numpy as np
import pytest

from nanocl.data.teachers import answers
from nanocl.optim import NanoAdam
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.studies.teacher_student import _selection, engine, measures
from nanocl.studies.teacher_student.fitting import TwoLayers, fit
from nanocl.studies.teacher_student.runs import run_of
from nanocl.studies.teacher_student.settings import Setting
from nanocl.training import assembly, experiment, loop
from nanocl.training.context import Context
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter

STEPS = 150


def spec(strategy: str, seed: int, **options: object):
    given = {
        strategy: {name: str(value) for name, value in options.items()},
        "training": {"iterations": str(STEPS), "optimizer_state": "reset"},
    }
    request = Request(
        stream="teacher-student", strategies=(strategy,), seeds=(seed,), settings=given
    )
    return suite.specs(request, Catalogue())[0]


def both_teachers(seed: int, **options: object) -> tuple[list[TwoLayers], object]:
    """The engine's network after teacher A and after B, with the start of an ordinary run."""
    start = run_of(Setting(), "gd", seed).start
    tasks, network, networks = start.tasks(1), engine.initial(start)[0], []
    for teacher in tasks.teachers:
        network = fit(network, tasks.train, answers(tasks.train, *teacher), steps=STEPS, **options)[
            0
        ]
        networks.append(network)
    return networks, tasks


@pytest.mark.parametrize(
    ("strategy", "options", "arm"),
    [("sgd", {"lr": 0.125}, {"lr": 0.125}), ("adam", {"lr": 3e-3}, {"lr": 3e-3, "adam": True})],
)
def test_gradient_descent_and_adam_equal_the_ordinary_path_seed_by_seed(strategy, options, arm):
    for seed in (0, 3):
        ordinary = experiment.run_one(spec(strategy, seed, **options), Context())
        networks, tasks = both_teachers(seed, **arm)
        for network, row in zip(networks, ordinary.evaluation, strict=True):
            mine = [
                measures.error(
                    *(part.astype(np.float64) for part in network),
                    tasks.test,
                    answers(tasks.test, *t),
                )
                for t in tasks.teachers
            ]
            assert mine == pytest.approx(row, rel=2e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("select", "code"),
    [("small", _selection.SMALL), ("large", _selection.LARGE), ("gradient", _selection.GRADIENT)],
)
@pytest.mark.parametrize("interval", [1, 20])
def test_a_masked_arm_with_adam_equals_the_nanoadam_plugin_weight_by_weight(select, code, interval):
    learner, scenario = assembly.build(
        spec(
            "nanoadam", 1, lr=3e-3, dense="none", density=0.2, mask_interval=interval, select=select
        ),
        Context(),
    )
    assert isinstance(learner.optimizer, NanoAdam)
    loop.train(
        learner, scenario, Meter(), drift=DriftMeter(learner.model, learner.model.head_parameters())
    )
    networks, _ = both_teachers(1, lr=3e-3, adam=True, select=code, share=0.2, interval=interval)
    ordinary = [weight.detach().numpy() for weight in learner.model.parameters()]
    assert np.allclose(networks[-1].weights, ordinary[0], atol=2e-4), np.abs(
        networks[-1].weights - ordinary[0]
    ).max()
    assert np.allclose(networks[-1].head, ordinary[1][0], atol=2e-4)

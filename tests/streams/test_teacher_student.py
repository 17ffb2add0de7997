"""Teacher B is teacher A with extra neurons, and the student learns from them."""

import pytest
import torch
from avalanche.training.supervised import Naive
from experiences import build, whole
from torch import nn

from nanocl.models.student import Student
from nanocl.streams.teacher_student import TeacherStudent
from nanocl.training.heads import Network


def test_teacher_b_is_teacher_a_with_one_neuron_of_unit_length():
    for seed in range(5):
        scenario = build(TeacherStudent(dimension=3, samples=200, extra=1), "domain", seed)
        (x, old), (same, new) = map(whole, scenario.train_stream)
        assert torch.equal(x, same)
        difference = (new - old).squeeze(1)
        active = difference.abs() > 1e-5
        weights = torch.linalg.lstsq(x[active], difference[active, None]).solution.squeeze(1)
        assert weights.norm().item() == pytest.approx(1, abs=1e-3)
        assert torch.allclose(x[active] @ weights, difference[active], atol=1e-4)
        assert 60 < active.sum() < 140


def test_inputs_and_teacher_a_do_not_depend_on_the_extra_neurons():
    few, many = (build(TeacherStudent(extra=extra), "domain", 1) for extra in (0, 4))
    assert all(
        torch.equal(a, b)
        for a, b in zip(whole(few.train_stream[0]), whole(many.train_stream[0]), strict=True)
    )
    assert all(torch.equal(a, b) for a, b in zip(*map(whole, few.train_stream), strict=True))
    assert not torch.equal(*(whole(experience)[1] for experience in many.train_stream))
    assert few.measure == "loss" and few.outputs == 1 and few.classes == ((), ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra": -1}, "extra must be at least 0, got -1"),
        ({"samples": 0}, "samples must be at least 1, got 0"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        TeacherStudent(**options)


def test_a_regression_stream_is_domain_incremental_only():
    with pytest.raises(
        ValueError, match="scenario must be domain for a regression stream, got 'class'"
    ):
        build(TeacherStudent(), "class")


def test_avalanche_trains_the_student_on_its_teachers():
    torch.manual_seed(0)
    scenario = build(TeacherStudent(samples=100), "domain")
    model = Network(Student(scenario.inputs), outputs=1)
    learner = Naive(
        model,
        torch.optim.Adam(model.parameters(), 0.01),
        nn.MSELoss(),
        train_mb_size=25,
        train_epochs=50,
        eval_mb_size=1000,
        evaluator=None,
    )
    learner.train(scenario.train_stream[0])
    (x, old), (_, new) = map(whole, scenario.test_stream)
    with torch.no_grad():
        loss = nn.functional.mse_loss(model(x), old)
    assert loss < 0.05 * old.square().mean() and loss < nn.functional.mse_loss(old, new)


@pytest.mark.parametrize(
    "options", [{"angle": -1.0}, {"angle": 181.0}, {"angle": 30.0, "dimension": 1}]
)
def test_an_angle_out_of_range_is_refused(options):
    with pytest.raises(ValueError, match="angle must be in"):
        TeacherStudent(**options)

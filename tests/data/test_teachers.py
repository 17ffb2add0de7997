"""Teachers and inputs of the teacher-student tasks."""

import numpy as np
import pytest

from nanocl.data.teachers import draw_tasks
from nanocl.streams.teacher_student import TeacherStudent

SIZES = {"teacher": 2, "samples": 30, "test_samples": 20}


@pytest.mark.parametrize("dimension", [2, 7])
@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 180.0])
def test_a_new_neuron_lies_at_the_angle_from_its_old_neuron_and_has_its_sign(dimension, angle):
    for seed in range(10):
        tasks = draw_tasks(seed, dimension=dimension, extra=2, angle=angle, **SIZES)
        old, new = tasks.directions[:2], tasks.directions[2:]
        assert np.linalg.norm(new, axis=1) == pytest.approx(1)
        assert np.degrees(np.arccos(np.clip((old * new).sum(axis=1), -1, 1))) == pytest.approx(
            angle, abs=1e-4
        )
        assert tasks.signs[2:].tolist() == tasks.signs[:2].tolist()


@pytest.mark.parametrize("angle", [30.0, 60.0, 90.0])
def test_of_two_old_neurons_the_new_one_turns_away_from_the_other(angle):
    for seed in range(20):
        directions = draw_tasks(seed, dimension=2, extra=1, angle=angle, **SIZES).directions
        assert directions[2] @ directions[0] >= directions[2] @ directions[1] - 1e-9


def test_teacher_a_and_the_inputs_depend_neither_on_the_extra_neurons_nor_on_the_angle():
    plain = draw_tasks(3, dimension=5, extra=0, angle=None, **SIZES)
    other = draw_tasks(3, dimension=5, extra=4, angle=60.0, **SIZES)
    assert np.array_equal(plain.directions, other.directions[:2]) and np.array_equal(
        plain.signs, other.signs[:2]
    )
    assert np.array_equal(plain.train, other.train) and np.array_equal(plain.test, other.test)


@pytest.mark.parametrize(
    "options", [{"angle": -1.0}, {"angle": 181.0}, {"angle": 30.0, "dimension": 1}]
)
def test_an_angle_that_cannot_be_is_refused(options):
    with pytest.raises(ValueError, match="angle must be in"):
        TeacherStudent(**options)

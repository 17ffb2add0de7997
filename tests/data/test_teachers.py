"""Teachers and inputs of the teacher-student tasks."""

import numpy as np
import pytest

from nanocl.data.teachers import answers, draw_inputs, draw_tasks, draw_teacher

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
def test_a_new_neuron_is_rotated_away_from_the_other_of_two_old_neurons(angle):
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


def test_outputs_of_teachers_agree_with_a_loop_over_neurons():
    generator = np.random.default_rng(0)
    teachers = [draw_teacher(generator, 3, 4) for _ in range(2)]
    inputs = draw_inputs(generator, 5, 4)
    signs, directions = (np.stack(arrays) for arrays in zip(*teachers, strict=True))
    batched = answers(np.stack([inputs, inputs]), signs, directions)
    for number, (a, w) in enumerate(teachers):
        assert set(np.abs(a)) == {1.0}
        assert np.linalg.norm(w, axis=1) == pytest.approx(1)
        for x, answer in zip(inputs, batched[number], strict=True):
            assert answer == pytest.approx(sum(a[i] * max(0.0, w[i] @ x) for i in range(3)))

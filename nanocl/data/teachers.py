"""The two tasks of the teacher-student stream: inputs and random teacher networks, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tasks:
    """The two teachers and the inputs of one seed, all float64.

    Attributes:
        signs: Output weights of teacher B in {-1, +1}, shape (neurons + extra,); those of teacher A
            come first.
        directions: Input weights of teacher B, rows of length 1, shape (neurons + extra,
            dimension).
        neurons: Neurons of teacher A.
        train, test: Inputs, shape (count, dimension), the same for both teachers.
    """

    signs: np.ndarray
    directions: np.ndarray
    neurons: int
    train: np.ndarray
    test: np.ndarray

    @property
    def teachers(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """(signs, directions) of teacher A and of teacher B."""
        teacher_a = self.signs[: self.neurons], self.directions[: self.neurons]
        teacher_b = self.signs, self.directions
        return teacher_a, teacher_b


def draw_tasks(
    seed: int,
    *,
    dimension: int,
    teacher: int,
    extra: int,
    samples: int,
    test_samples: int,
    angle: float | None = None,
) -> Tasks:
    """Draw the tasks of a seed; teacher A and the inputs depend neither on `extra` nor on `angle`.

    Args:
        seed: Seed of all random numbers.
        dimension, teacher, extra, samples, test_samples, angle: As in
            `nanocl.streams.teacher_student`.
    """
    # a generator for each purpose, so that no option of one changes the numbers of another
    old, new, inputs = (np.random.default_rng((seed, purpose)) for purpose in range(3))
    signs, directions = draw_teacher(old, teacher, dimension)
    more_signs, more_directions = draw_teacher(new, extra, dimension)
    if angle is not None:
        # new neuron i takes the sign of neuron i (modulo their number) of teacher A and is rotated
        # away from that neuron by the angle
        anchors = np.arange(extra) % teacher
        more_signs = signs[anchors]
        rotated = [
            _rotated(directions, anchor, direction, angle)
            for anchor, direction in zip(anchors.tolist(), more_directions, strict=True)
        ]
        more_directions = np.array(rotated)
    train = draw_inputs(inputs, samples, dimension)
    test = draw_inputs(inputs, test_samples, dimension)
    return Tasks(
        np.concatenate([signs, more_signs]),
        np.concatenate([directions, more_directions.reshape(extra, dimension)]),
        teacher,
        train,
        test,
    )


def draw_teacher(
    generator: np.random.Generator,
    neurons: int,
    dimension: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw neurons: output weights in {-1, +1} and input weights of length 1.

    Returns:
        Output weights (neurons,) and input weights (neurons, dimension).
    """
    signs = generator.choice([-1.0, 1.0], neurons)
    directions = generator.standard_normal((neurons, dimension))
    return signs, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def draw_inputs(generator: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """Draw standard normal inputs, shape (count, dimension)."""
    return generator.standard_normal((count, dimension))


def answers(inputs: np.ndarray, signs: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Outputs of a teacher, f(x) = sum_i a_i max(0, w_i . x).

    Args:
        inputs: x, shape (..., count, dimension); leading axes are batches.
        signs: a, shape (..., neurons).
        directions: w, shape (..., neurons, dimension).

    Returns:
        Shape (..., count).
    """
    hidden = np.maximum(inputs @ np.swapaxes(directions, -1, -2), 0)
    return (hidden @ signs[..., None])[..., 0]


def _rotated(
    directions: np.ndarray,
    anchor: int,
    direction: np.ndarray,
    angle: float,
) -> np.ndarray:
    """`directions[anchor]` rotated by `angle` degrees, away from the other rows.

    The rotation is in the plane of `directions[anchor]` and `direction`.
    """
    start = directions[anchor]
    # Gram-Schmidt: the unit vector of that plane that is orthogonal to the start
    across = direction - (direction @ start) * start
    across /= np.linalg.norm(across)
    # of the two senses of rotation, the one away from the sum of the other rows
    others = np.delete(directions, anchor, axis=0).sum(axis=0)
    if across @ others > 0:
        across = -across
    return np.cos(np.radians(angle)) * start + np.sin(np.radians(angle)) * across

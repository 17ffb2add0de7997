"""Inputs and answers of small random networks: the two tasks of the teacher-student stream, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tasks:
    """Teacher A, teacher B and the inputs of one seed, all float64.

    Attributes:
        signs: Output weights of teacher B in {-1, +1}, shape (neurons + extra,); teacher A's come
            first.
        directions: Its input weights, rows of length 1, shape (neurons + extra, dimension).
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
        return (self.signs[: self.neurons], self.directions[: self.neurons]), (
            self.signs,
            self.directions,
        )


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
    """The tasks of a seed; teacher A and the inputs depend neither on `extra` nor on `angle`.

    Args:
        seed: Decides everything that is drawn.
        dimension, teacher, extra, samples, test_samples, angle: As in
            `nanocl.streams.teacher_student`.
    """
    old, new, inputs = (np.random.default_rng((seed, purpose)) for purpose in range(3))
    signs, directions = draw_teacher(old, teacher, dimension)
    more_signs, more_directions = draw_teacher(new, extra, dimension)
    if angle is not None:
        anchors = np.arange(extra) % teacher
        more_signs = signs[anchors]
        more_directions = np.array(
            [
                _turned(directions, anchor, drawn, angle)
                for anchor, drawn in zip(anchors, more_directions, strict=True)
            ]
        )
    train, test = (
        draw_inputs(inputs, samples, dimension),
        draw_inputs(inputs, test_samples, dimension),
    )
    return Tasks(
        np.concatenate([signs, more_signs]),
        np.concatenate([directions, more_directions.reshape(extra, dimension)]),
        teacher,
        train,
        test,
    )


def draw_teacher(
    generator: np.random.Generator, neurons: int, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random neurons: output weights (neurons,) in {-1, +1} and input weights (neurons, dimension) of length 1."""
    signs = generator.choice([-1.0, 1.0], neurons)
    directions = generator.standard_normal((neurons, dimension))
    return signs, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def draw_inputs(generator: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """Standard normal inputs, shape (count, dimension)."""
    return generator.standard_normal((count, dimension))


def answers(inputs: np.ndarray, signs: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """What a teacher answers, shape (..., count), for inputs (..., count, dimension); leading axes are batches."""
    hidden = np.maximum(inputs @ np.swapaxes(directions, -1, -2), 0)
    return (hidden @ signs[..., None])[..., 0]


def _turned(directions: np.ndarray, anchor: int, drawn: np.ndarray, angle: float) -> np.ndarray:
    """`directions[anchor]` turned by `angle` degrees in its plane with `drawn`, away from the other rows."""
    here = directions[anchor]
    across = drawn - (drawn @ here) * here
    across /= np.linalg.norm(across)
    others = np.delete(directions, anchor, axis=0).sum(axis=0)
    if across @ others > 0:
        across = -across
    return np.cos(np.radians(angle)) * here + np.sin(np.radians(angle)) * across

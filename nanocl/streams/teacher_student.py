"""Regression on a small random network, then on the same network with neurons added."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from nanocl.batches import TensorDataset
from nanocl.streams import Scenario, Stream, make_scenario
from nanocl.streams._ranges import at_least


class TeacherStudent(Stream):
    """Two experiences: the answers of teacher A, then those of teacher B, which is A with extra neurons.

    A teacher is f(x) = sum_i a_i max(0, w_i . x) with a_i drawn from {-1, +1} and w_i a random direction of length 1;
    inputs are standard normal, the same ones in both experiences. Teacher A and the inputs of a seed do not depend on
    `extra`.

    Args:
        dimension: Length of an input, at least 1.
        teacher: Neurons of teacher A, at least 1.
        extra: Neurons added for teacher B, at least 0.
        samples, test_samples: Inputs for training and testing, at least 1.

    Source: Zhou et al., 2025, arXiv:2506.21374, section 2. The numbers of samples are not published and are ours.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("domain",)
    citation: ClassVar[str] = """@inproceedings{zhou2025pay,
  title = {Pay Attention to Small Weights},
  author = {Zhou, Chao and Jacobs, Tom and Gadhikar, Advait and Burkholz, Rebekka},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2025},
  eprint = {2506.21374},
  archiveprefix = {arXiv}
}"""

    def __init__(self, *, dimension: int = 2, teacher: int = 2, extra: int = 1, samples: int = 500,
                 test_samples: int = 4000) -> None:
        self.dimension, self.teacher = at_least("dimension", dimension, 1), at_least("teacher", teacher, 1)
        self.extra, self.samples = at_least("extra", extra, 0), at_least("samples", samples, 1)
        self.test_samples = at_least("test_samples", test_samples, 1)

    def build(self, *, scenario: str, seed: int, data_root: Path | None = None) -> Scenario:
        if scenario != "domain":
            raise ValueError(f"scenario must be domain for a regression stream, got {scenario!r}")
        old, new, inputs = (np.random.default_rng((seed, purpose)) for purpose in range(3))
        signs, directions = draw_teacher(old, self.teacher, self.dimension)
        more_signs, more_directions = draw_teacher(new, self.extra, self.dimension)
        teachers = [(signs, directions),
                    (np.concatenate([signs, more_signs]), np.concatenate([directions, more_directions]))]
        parts = {part: draw_inputs(inputs, count, self.dimension)
                 for part, count in (("train", self.samples), ("test", self.test_samples))}
        return make_scenario(
            kind=scenario, inputs=(self.dimension,), outputs=1, measure="loss",
            **{part: [_experience(x, teacher, label) for label, teacher in enumerate(teachers)]
               for part, x in parts.items()})


def draw_teacher(generator: np.random.Generator, neurons: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
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


def _experience(inputs: np.ndarray, teacher: tuple[np.ndarray, np.ndarray], label: int) -> TensorDataset:
    targets = torch.from_numpy(answers(inputs, *teacher)).float().unsqueeze(1)
    return TensorDataset(torch.from_numpy(inputs).float(), torch.arange(len(inputs)), targets, task_label=label)

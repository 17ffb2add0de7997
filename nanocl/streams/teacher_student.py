"""Regression on a small random network, then on the same network with more neurons."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from nanocl.data.batches import TensorDataset
from nanocl.data.teachers import Tasks, answers, draw_tasks
from nanocl.records.ranges import at_least
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream, make_scenario


class TeacherStudent(Stream):
    """Two experiences: the outputs of teacher A, then those of teacher B.

    Teacher B is teacher A with extra neurons. A teacher is f(x) = sum_i a_i max(0, w_i . x) with
    random a_i in {-1, +1} and w_i a random direction of length 1. Inputs are standard normal and
    the same in both experiences. Teacher A and the inputs of a seed do not depend on `extra`.

    Args:
        dimension: Length of an input, at least 1.
        teacher: Number of neurons of teacher A, at least 1.
        extra: Number of neurons that teacher B has in addition, at least 0.
        samples, test_samples: Number of inputs for training and testing, at least 1.
        angle: Similarity of the tasks: the angle in degrees, in [0, 180], between the i-th new
            neuron and the i-th neuron of teacher A, whose sign the new one has. The new neuron is
            rotated away from the other neurons of teacher A; if teacher A has two, its i-th neuron
            stays the nearest one up to 90 degrees. None draws new neurons independently.

    Source: Zhou et al., 2025, arXiv:2506.21374, section 2. The paper does not state the numbers of
        samples; these are ours.
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

    def __init__(
        self,
        *,
        dimension: int = 2,
        teacher: int = 2,
        extra: int = 1,
        samples: int = 500,
        test_samples: int = 4000,
        angle: float | None = None,
    ) -> None:
        self.dimension = at_least("dimension", dimension, 1)
        self.teacher = at_least("teacher", teacher, 1)
        self.extra = at_least("extra", extra, 0)
        self.samples = at_least("samples", samples, 1)
        self.test_samples = at_least("test_samples", test_samples, 1)
        if angle is not None and not (0 <= angle <= 180 and dimension > 1):
            raise ValueError(
                "angle must be in [0, 180], and dimension at least 2 if angle is set, "
                f"got {angle} and {dimension}"
            )
        self.angle = angle

    def build(self, *, scenario: str, seed: int, data_root: DataRoot = None) -> Scenario:
        if scenario != "domain":
            raise ValueError(f"scenario must be domain for a regression stream, got {scenario!r}")
        tasks = self.tasks(seed)

        def experiences(inputs: np.ndarray) -> list[TensorDataset]:
            return [
                _experience(inputs, teacher, label) for label, teacher in enumerate(tasks.teachers)
            ]

        return make_scenario(
            kind=scenario,
            train=experiences(tasks.train),
            test=experiences(tasks.test),
            inputs=(self.dimension,),
            outputs=1,
            measure="loss",
        )

    def tasks(self, seed: int) -> Tasks:
        """The teachers and inputs of a seed."""
        return draw_tasks(
            seed,
            dimension=self.dimension,
            teacher=self.teacher,
            extra=self.extra,
            samples=self.samples,
            test_samples=self.test_samples,
            angle=self.angle,
        )


def _experience(
    inputs: np.ndarray,
    teacher: tuple[np.ndarray, np.ndarray],
    label: int,
) -> TensorDataset:
    targets = torch.from_numpy(answers(inputs, *teacher)).float().unsqueeze(1)
    return TensorDataset(
        torch.from_numpy(inputs).float(),
        torch.arange(len(inputs)),
        targets,
        task_label=label,
    )

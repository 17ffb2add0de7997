"""One image data set repeated, rotated by a different angle each time."""

from __future__ import annotations

from math import cos, radians, sin
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from nanocl.records.ranges import at_least, one_of
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream
from nanocl.streams._images import Selection


class Rotated(Stream):
    """Every experience has all images, rotated counter-clockwise by its own fixed angle.

    Images are rotated after padding. A pixel takes the value of the nearest pixel of the original
    image, or black outside it. Targets are those of the stream `permuted`: the class labels, or
    label + C * i in the class- and task-incremental scenarios.

    Args:
        data: Name of the data set.
        experiences: Number of experiences, at least 2.
        max_angle: Largest angle in degrees, in (0, 360).
        angles: `even`: from 0 to `max_angle` in equal steps. `seed`: the range is divided into as
            many equal parts as experiences, and experience i has a random angle from the i-th part,
            as in the authors' code.
        validation, samples, test_samples, normalise, pad, image_size: See
            `nanocl.streams._images.Selection`.

    Source: Lopez-Paz and Ranzato, 2017, arXiv:1706.08840, section 5 (MNIST Rotations).
    """

    citation: ClassVar[str] = """@inproceedings{lopezpaz2017gradient,
  title = {Gradient Episodic Memory for Continual Learning},
  author = {Lopez-Paz, David and Ranzato, Marc'Aurelio},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {30},
  year = {2017},
  eprint = {1706.08840},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        data: str = "mnist",
        experiences: int = 5,
        max_angle: float = 180.0,
        angles: str = "even",
        validation: float = 0.0,
        samples: int = 0,
        test_samples: int = 0,
        normalise: str = "none",
        pad: int = 0,
        image_size: int = 0,
    ) -> None:
        if not 0 < max_angle < 360:
            raise ValueError(f"max_angle must be in (0, 360) degrees, got {max_angle}")
        self.experiences = at_least("experiences", experiences, 2)
        self.max_angle = max_angle
        self.angles = one_of("angles", angles, ("even", "seed"))
        self.selection = Selection(
            data=data,
            validation=validation,
            samples=samples,
            test_samples=test_samples,
            normalise=normalise,
            pad=pad,
            image_size=image_size,
        )

    def build(self, *, scenario: str, seed: int, data_root: DataRoot) -> Scenario:
        images = self.selection.read(data_root, seed)
        _, height, width = images.shape
        orders = [rotation(height, width, angle) for angle in self.degrees(seed)]
        return images.repeated(scenario, orders)

    def degrees(self, seed: int) -> list[float]:
        """The angle of each experience, in degrees."""
        if self.angles == "even":
            return np.linspace(0, self.max_angle, self.experiences).tolist()
        parts = np.arange(self.experiences) + np.random.default_rng(seed).random(self.experiences)
        return (parts * self.max_angle / self.experiences).tolist()


def rotation(height: int, width: int, degrees: float) -> Tensor:
    """For each pixel of a rotated image, the number of the original pixel it shows.

    The rotation is counter-clockwise about the centre.

    Returns:
        Pixel numbers (row * width + column), shape (height * width,), int64; -1 outside the
            original image.
    """
    turn = radians(degrees)
    # coordinates of the pixels' centres, relative to the centre of the image
    down, right = torch.meshgrid(
        torch.arange(height) + 0.5 - height / 2,
        torch.arange(width) + 0.5 - width / 2,
        indexing="ij",
    )
    # the inverse rotation of these coordinates; 1e-4 keeps points of a quarter turn, whose computed
    # cosine is not exactly 0, inside the image
    column = torch.floor(cos(turn) * right - sin(turn) * down + width / 2 + 1e-4).long()
    row = torch.floor(sin(turn) * right + cos(turn) * down + height / 2 + 1e-4).long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return torch.where(inside, row * width + column, -1).flatten()

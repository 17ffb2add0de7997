"""One image data set repeated, with the pixels in a different order each time."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from nanocl.records.ranges import at_least, one_of
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream
from nanocl.streams._images import Selection


class Permuted(Stream):
    """Every experience has all images, with the pixels in its own fixed random order.

    The order is applied after padding. Domain-incremental targets are the class labels. In the
    class- and task-incremental scenarios the targets of experience i of a data set with C classes
    are label + C * i, so that each order of the pixels has its own classes.

    Args:
        data: Name of the data set.
        experiences: Number of experiences.
        first: `identity`: the first experience is not permuted. `random`: it is permuted like the
            others.
        validation, samples, test_samples, normalise, pad, image_size: See
            `nanocl.streams._images.Selection`.

    Source: Goodfellow, Mirza, Xiao, Courville and Bengio, 2013, arXiv:1312.6211; ten experiences as
        in van de Ven and Tolias, 2019, arXiv:1904.07734.
    """

    citation: ClassVar[str] = """@misc{goodfellow2013empirical,
  title = {An Empirical Investigation of Catastrophic Forgetting in Gradient-Based Neural Networks},
  author = {Goodfellow, Ian J. and Mirza, Mehdi and Xiao, Da and Courville, Aaron and
    Bengio, Yoshua},
  year = {2013},
  eprint = {1312.6211},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        *,
        data: str = "mnist",
        experiences: int = 10,
        first: str = "identity",
        validation: float = 0.0,
        samples: int = 0,
        test_samples: int = 0,
        normalise: str = "none",
        pad: int = 0,
        image_size: int = 0,
    ) -> None:
        self.experiences = at_least("experiences", experiences, 1)
        self.first = one_of("first", first, ("identity", "random"))
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
        pixels = images.shape[1] * images.shape[2]
        generator = np.random.default_rng(seed)
        orders: list[Tensor | None] = [
            torch.from_numpy(generator.permutation(pixels)) for _ in range(self.experiences)
        ]
        if self.first == "identity":
            orders = [None, *orders[:-1]]
        return images.repeated(scenario, orders)

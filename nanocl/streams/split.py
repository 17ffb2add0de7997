"""The classes of a data set of images or texts, a few at a time."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nanocl.records.ranges import at_least, one_of
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream
from nanocl.streams._images import Selection


class Split(Stream):
    """The classes of a data set, divided among the experiences as evenly as possible.

    Class- and task-incremental targets are the data set's class labels. In the domain-incremental
    scenario the target is the position of the class within its experience, so that all experiences
    have the same targets.

    Args:
        data: Name of the data set.
        experiences: Number of experiences, at most the number of classes.
        class_order: `seed`: a random permutation that depends on the seed. `natural`: 0, 1, 2, ...
        validation, samples, test_samples, normalise, pad, augment, image_size, max_length, bucket:
            See `nanocl.streams._images.Selection`.
        tokenizer: See there; that of the model if it has one.

    Source: Zenke, Poole and Ganguli, 2017, arXiv:1703.04200, section 5 (Split-MNIST); the three
        scenarios are those of van de Ven and Tolias, 2019, arXiv:1904.07734.
    """

    citation: ClassVar[str] = """@inproceedings{zenke2017continual,
  title = {Continual Learning Through Synaptic Intelligence},
  author = {Zenke, Friedemann and Poole, Ben and Ganguli, Surya},
  booktitle = {Proceedings of the 34th International Conference on Machine Learning},
  year = {2017},
  eprint = {1703.04200},
  archiveprefix = {arXiv}
}"""
    later_options: ClassVar[tuple[str, ...]] = ("tokenizer", "max_length", "bucket")

    def __init__(
        self,
        *,
        data: str = "digits",
        experiences: int = 5,
        class_order: str = "seed",
        validation: float = 0.0,
        samples: int = 0,
        test_samples: int = 0,
        normalise: str = "none",
        pad: int = 0,
        augment: str = "none",
        image_size: int = 0,
        tokenizer: str = "",
        max_length: int = 64,
        bucket: bool = True,
    ) -> None:
        self.experiences = at_least("experiences", experiences, 1)
        self.class_order = one_of("class_order", class_order, ("seed", "natural"))
        self.selection = Selection(
            data=data,
            validation=validation,
            samples=samples,
            test_samples=test_samples,
            normalise=normalise,
            pad=pad,
            augment=augment,
            image_size=image_size,
            tokenizer=tokenizer,
            max_length=max_length,
            bucket=bucket,
        )

    def build(self, *, scenario: str, seed: int, data_root: DataRoot) -> Scenario:
        images = self.selection.read(data_root, seed)
        if self.experiences > images.classes:
            raise ValueError(
                f"experiences must be at most the {images.classes} classes "
                f"of {self.selection.data}, got {self.experiences}"
            )
        order = self._order(images.classes, seed)
        groups = [group.tolist() for group in np.array_split(order, self.experiences)]
        if scenario == "domain":
            targets = [dict(zip(group, range(len(group)), strict=True)) for group in groups]
            return images.scenario(scenario, targets, outputs=len(groups[0]))
        targets = [dict(zip(group, group, strict=True)) for group in groups]
        return images.scenario(scenario, targets, outputs=images.classes)

    def _order(self, classes: int, seed: int) -> np.ndarray:
        if self.class_order == "natural":
            return np.arange(classes)
        return np.random.default_rng(seed).permutation(classes)

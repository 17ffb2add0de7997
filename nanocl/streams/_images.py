"""Image data sets as tensors: which samples a stream uses, and how they become model inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from nanocl import data
from nanocl.data.batches import Preparation, TensorDataset
from nanocl.records.ranges import at_least, one_of, share
from nanocl.streams import Scenario, make_scenario

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

# Mean and standard deviation per channel of the training images in [0, 1], as people use them with
# these data sets.
PUBLISHED: Mapping[str, Statistics] = MappingProxyType(
    {
        "mnist": ((0.1307,), (0.3081,)),
        "fashion-mnist": ((0.2860,), (0.3530,)),
        "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    }
)
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The options that all image streams share.

    Attributes:
        data: Name of the data set.
        validation: Share of each class's training samples held out as the validation stream, in [0,
            1).
        samples, test_samples: Samples per class at most, chosen by seed; 0 takes all.
        normalise: `none`: inputs in [0, 1]. `standard`: zero mean and unit variance per channel,
            with the published constants of a known data set, else those of its training images.
            `imagenet`: the constants that pretrained networks expect. Padding counts: with
            `standard` it is the padded images that are normalised.
        pad: Black pixels added on each side.
        augment: `none` or `crop-flip` (training only).
        image_size: Side to which images are resized; 0 keeps their size.
    """

    data: str
    validation: float = 0.0
    samples: int = 0
    test_samples: int = 0
    normalise: str = "none"
    pad: int = 0
    augment: str = "none"
    image_size: int = 0

    def __post_init__(self) -> None:
        share("validation", self.validation)
        one_of("normalise", self.normalise, ("none", "standard", "imagenet"))
        one_of("augment", self.augment, ("none", "crop-flip"))
        for name in ("samples", "test_samples", "pad", "image_size"):
            at_least(name, getattr(self, name), 0)

    def read(self, root: Path | None, seed: int) -> Images:
        """Load the data set and draw the samples of this seed."""
        source = data.load(self.data, root, image_size=self.image_size)
        train, validation = draw(source.train_labels, self.samples, self.validation, seed=(seed, 1))
        test, _ = draw(source.test_labels, self.test_samples, 0.0, seed=(seed, 2))
        mean, deviation = self._statistics(source.train_inputs)
        scale, shift = (
            1 / (255 * torch.tensor(deviation)),
            -torch.tensor(mean) / torch.tensor(deviation),
        )
        return Images(
            inputs={part: torch.from_numpy(source.train_inputs) for part in ("train", "validation")}
            | {"test": torch.from_numpy(source.test_inputs)},
            labels={
                "train": source.train_labels[train],
                "validation": source.train_labels[validation],
                "test": source.test_labels[test],
            },
            rows={"train": train, "validation": validation, "test": test},
            classes=len(source.classes),
            facts=source.facts(),
            pad=self.pad,
            augment=self.augment,
            scale=scale,
            shift=shift if bool(shift.any()) else None,
        )

    def _statistics(self, images: np.ndarray) -> Statistics:
        channels, height, width = images.shape[1:]
        if self.normalise == "none":
            return (0.0,) * channels, (1.0,) * channels
        if self.normalise == "imagenet":
            return (
                IMAGENET
                if channels == 3
                else tuple((float(np.mean(v)),) * channels for v in IMAGENET)
            )
        mean, deviation = PUBLISHED.get(self.data) or measured(images)
        filled = height * width / ((height + 2 * self.pad) * (width + 2 * self.pad))
        return padded(mean, deviation, filled)


@dataclass(frozen=True)
class Images:
    """A data set as a stream uses it; `inputs`, `labels` and `rows` are keyed `train`, `validation` and `test`.

    Attributes:
        inputs: All stored images, shape (N, C, H, W), uint8.
        labels: Class of each row in use.
        rows: Row numbers in use.
        classes: Number of classes.
        facts: For the record.
        pad, augment, scale, shift: See `nanocl.data.batches.Preparation`.
    """

    inputs: Mapping[str, Tensor]
    labels: Mapping[str, np.ndarray]
    rows: Mapping[str, np.ndarray]
    classes: int
    facts: dict
    pad: int
    augment: str
    scale: Tensor
    shift: Tensor | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one prepared image."""
        channels, height, width = self.inputs["train"].shape[1:]
        return channels, height + 2 * self.pad, width + 2 * self.pad

    def scenario(
        self,
        kind: str,
        targets: Sequence[Mapping[int, int]],
        *,
        outputs: int,
        orders: Sequence[Tensor | None] | None = None,
    ) -> Scenario:
        """One experience for each mapping of the classes in it to their targets, with its own order of pixels."""
        orders = orders or [None] * len(targets)
        parts = {
            part: [
                self.experience(part, target, order=order, label=label)
                for label, (target, order) in enumerate(zip(targets, orders, strict=True))
            ]
            for part in ("train", "validation", "test")
            if len(self.rows[part])
        }
        return make_scenario(
            kind=kind, inputs=self.shape, outputs=outputs, data=(self.facts,), **parts
        )

    def repeated(self, kind: str, orders: Sequence[Tensor | None]) -> Scenario:
        """All classes in every experience, each with its own order of pixels.

        Targets are the class labels, or label + classes * experience where experiences bring
        classes of their own.
        """
        step = 0 if kind == "domain" else self.classes
        targets = [
            {label: label + step * i for label in range(self.classes)} for i in range(len(orders))
        ]
        return self.scenario(
            kind, targets, outputs=self.classes + step * (len(orders) - 1), orders=orders
        )

    def experience(
        self, part: str, targets: Mapping[int, int], *, order: Tensor | None = None, label: int = 0
    ) -> TensorDataset:
        """The samples of `part` whose classes have a target."""
        lookup = np.full(self.classes, -1, dtype=np.int64)
        lookup[list(targets)] = list(targets.values())
        answers = lookup[self.labels[part]]
        kept = answers >= 0
        prepare = Preparation(
            augment=self.augment, pad=self.pad, order=order, scale=self.scale, shift=self.shift
        )
        return TensorDataset(
            self.inputs[part],
            torch.from_numpy(self.rows[part][kept]),
            torch.from_numpy(answers[kept]),
            task_label=label,
            prepare=prepare,
            train=part == "train",
        )


def draw(
    labels: np.ndarray, most: int, held_out: float, *, seed: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to use and to hold out, ascending: at most `most` of each class (0 for all), split by share.

    Raises:
        ValueError: A class would keep no samples, or none would be held out.
    """
    generator = np.random.default_rng(seed)
    used, held = [], []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))[: most or None]
        cut = round(held_out * len(rows))
        if held_out and not 0 < cut < len(rows):
            raise ValueError(
                f"validation must hold out some and leave some of each class, got {held_out} of "
                f"{len(rows)} samples of class {label}"
            )
        held.append(rows[:cut])
        used.append(rows[cut:])
    return np.sort(np.concatenate(used)), np.sort(np.concatenate(held))


def measured(images: np.ndarray) -> Statistics:
    """Mean and standard deviation of each channel of uint8 images, in units of 255; exact, from the histogram."""
    counts = np.stack(
        [np.bincount(images[:, c].reshape(-1), minlength=256) for c in range(images.shape[1])]
    )
    levels = np.arange(256) / 255
    mean = counts @ levels / counts.sum(1)
    deviation = np.sqrt(counts @ levels**2 / counts.sum(1) - mean**2)
    return tuple(mean.tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist())


def padded(mean: Sequence[float], deviation: Sequence[float], filled: float) -> Statistics:
    """Statistics of images of which only the share `filled` is image and the rest is black."""
    square = [filled * (m * m + d * d) for m, d in zip(mean, deviation, strict=True)]
    means = tuple(filled * m for m in mean)
    return means, tuple((s - m * m) ** 0.5 for s, m in zip(square, means, strict=True))

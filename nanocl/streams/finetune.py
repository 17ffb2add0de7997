"""Fine-tuning on a sequence of data sets, each with its own head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from torch.nn import functional

from nanocl.data import parse_names
from nanocl.data.batches import TensorDataset
from nanocl.data.splitting import draw
from nanocl.data.tokens import MISSING
from nanocl.records import UserError
from nanocl.records.ranges import at_least, one_of
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream, make_scenario
from nanocl.streams._images import Images, Selection, in_order_of_targets

Head = tuple[str, range | None]  # a data set and some of its classes, None for all


class Finetune(Stream):
    """Each experience is a data set with its own head; a repeated data set reuses its head.

    Args:
        datasets: Comma-separated names in order, possibly repeated; `cifar10[0-4]` takes classes 0
            to 4 only.
        start: Number of experiences at the beginning that are tested but not trained, because the
            model's weights were trained on them; their heads come from the same file
            (`model.weights`, `model.pretrain`).
        samples, test_samples: Largest number of samples of each data set, chosen by seed; 0 takes
            all.
        validation: Share of each class's training samples held out, in [0, 1).
        image_size: Side to which images are resized.
        normalise, augment, max_length, bucket: See `nanocl.streams._images.Selection`.
        tokenizer: See there; that of the model if it has one. Data sets are images, or all texts.
        norm_statistics: Running statistics of normalisation layers. `update`: they follow the
            training data. `freeze`: they never change, and training uses them too. `restore`: each
            experience is tested with its statistics at the end of its training.
        precision: Type of the weights, `fp32` or `bf16`.

    Source: Zhou, Jacobs, Gadhikar and Burkholz, 2025, arXiv:2506.21374, Table 4 (CIFAR-10,
        Flowers-102, CIFAR-10 again with its saved head). Departures: small images, limits on
        samples, `norm_statistics` and `precision`.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task",)
    citation: ClassVar[str] = """@inproceedings{zhou2025pay,
  title = {Pay Attention to Small Weights},
  author = {Zhou, Chao and Jacobs, Tom and Gadhikar, Advait and Burkholz, Rebekka},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2025},
  eprint = {2506.21374},
  archiveprefix = {arXiv}
}"""
    later_options: ClassVar[tuple[str, ...]] = ("tokenizer", "max_length", "bucket")

    def __init__(
        self,
        *,
        datasets: str = "cifar10,flowers102",
        start: int = 0,
        samples: int = 0,
        test_samples: int = 0,
        validation: float = 0.0,
        image_size: int = 32,
        normalise: str = "imagenet",
        augment: str = "none",
        norm_statistics: str = "update",
        precision: str = "fp32",
        tokenizer: str = "",
        max_length: int = 64,
        bucket: bool = True,
    ) -> None:
        self.datasets = parse_names(datasets)
        self.start = at_least("start", start, 0)
        if self.start >= len(self.datasets):
            raise UserError(
                f"start must be below the {len(self.datasets)} data sets, "
                f"so that one is left to train on, got {start}"
            )
        self.samples = at_least("samples", samples, 0)
        self.test_samples = at_least("test_samples", test_samples, 0)
        self.norm_statistics = one_of(
            "norm_statistics", norm_statistics, ("update", "freeze", "restore")
        )
        self.precision = one_of("precision", precision, ("fp32", "bf16"))
        self.selection = Selection(
            data="",
            validation=validation,
            normalise=normalise,
            augment=augment,
            image_size=image_size,
            tokenizer=tokenizer,
            max_length=max_length,
            bucket=bucket,
        )

    def build(self, *, scenario: str, seed: int, data_root: DataRoot) -> Scenario:
        heads = list(dict.fromkeys(self.datasets))
        images = {head: self._read(*head, seed, data_root) for head in heads}
        shape = max(entry.shape for entry in images.values())
        images = {head: _with_shape(entry, shape, head[0]) for head, entry in images.items()}
        targets = _targets(images)

        def experiences(part: str) -> list[TensorDataset]:
            return [
                images[head].experience(part, targets[head], label=heads.index(head))
                for head in self.datasets
            ]

        facts = {entry.facts["name"]: entry.facts for entry in images.values()}
        made = make_scenario(
            kind=scenario,
            train=experiences("train"),
            validation=experiences("validation") if self.selection.validation else (),
            test=experiences("test"),
            inputs=shape,
            outputs=sum(map(len, targets.values())),
            data=tuple(facts.values()),
        )
        # every class of the data set, even if a small sample lacks one
        made.heads = tuple(tuple(targets[head].values()) for head in heads)
        made.labels = tuple(in_order_of_targets(targets[head]) for head in self.datasets)
        made.start = self.start
        made.norm_statistics = self.norm_statistics
        made.precision = self.precision
        return made

    def _read(
        self,
        name: str,
        classes: range | None,
        seed: int,
        data_root: DataRoot,
    ) -> Images:
        """The rows in use of a data set: at most `samples` and `test_samples` of its `classes`."""
        whole = replace(self.selection, data=name, validation=0.0).read(data_root, seed)
        if classes and classes[-1] >= whole.classes:
            raise UserError(
                f"{name} has classes 0 to {whole.classes - 1}, "
                f"got {name}[{classes[0]}-{classes[-1]}]"
            )
        labels = {}
        rows = {}
        for part, most in (("train", self.samples), ("test", self.test_samples)):
            candidates = np.arange(len(whole.labels[part]))
            if classes:
                candidates = np.flatnonzero(np.isin(whole.labels[part], classes))
            generator = np.random.default_rng((seed, len(part)))
            chosen = np.sort(generator.permutation(candidates)[: most or None])
            labels[part] = whole.labels[part][chosen]
            rows[part] = whole.rows[part][chosen]
        train, held = draw(labels["train"], 0, self.selection.validation, seed=(seed, 3))
        for values in (labels, rows):
            values["validation"] = values["train"][held]
            values["train"] = values["train"][train]
        return replace(whole, labels=labels, rows=rows)


def _targets(images: Mapping[Head, Images]) -> dict[Head, dict[int, int]]:
    """For each head, the target of each of its classes; targets are counted over all heads."""
    targets: dict[Head, dict[int, int]] = {}
    first = 0
    for head, entry in images.items():
        classes = head[1] or range(entry.classes)
        targets[head] = {label: first + place for place, label in enumerate(classes)}
        first += len(classes)
    return targets


def _with_shape(images: Images, shape: tuple[int, ...], name: str) -> Images:
    """Texts as long as `shape`; grayscale images with as many channels, whose size must agree."""
    if len(images.shape) != len(shape):
        raise UserError(
            f"the data sets must be all images or all texts, got {name} with inputs of shape "
            f"{images.shape} and another with {shape}"
        )
    if images.is_text:
        missing = shape[0] - images.shape[0]
        longer = {
            part: functional.pad(stored, (0, missing), value=MISSING)
            for part, stored in images.inputs.items()
        }
        return replace(images, inputs=longer)
    if images.shape[1:] != shape[1:]:
        raise UserError(
            f"the data sets differ in image size, {images.shape[1:]} of {name} and {shape[1:]}: "
            "pass stream.image_size (such as --set stream.image_size=32)"
        )
    if images.shape[0] == shape[0]:
        return images
    inputs = {part: stored.expand(-1, shape[0], -1, -1) for part, stored in images.inputs.items()}
    return replace(images, inputs=inputs)

"""A sequence of data sets for one backbone with a head each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from nanocl.data import parse_names
from nanocl.records import UserError
from nanocl.records.ranges import at_least, one_of
from nanocl.streams import Scenario, Stream, make_scenario
from nanocl.streams._images import Images, Selection, draw

PARTS = ("train", "validation", "test")


class Finetune(Stream):
    """Each experience is a data set, or some classes of one, with its own head; a repeated name brings its head back.

    Args:
        datasets: Comma-separated names in order, each once or more; `cifar10[0-4]` takes classes 0
            to 4.
        start: Experiences at the beginning that are tested but not trained, because the model's
            weights already know them; their heads come from the same file (`model.weights`,
            `model.pretrain`).
        samples, test_samples: Samples of each data set at most, chosen by seed; 0 takes all.
        validation: Share of each class's training samples held out, in [0, 1).
        image_size: Side to which images are resized.
        normalise, augment: See `nanocl.streams._images.Selection`.
        norm_statistics: Running statistics of normalisation layers. `update`: they follow the
            training data. `freeze`: they are used in training too and stay. `restore`: each
            experience is tested with those it was trained with.
        precision: Weights in `fp32` or `bf16`.

    Source: Zhou, Jacobs, Gadhikar and Burkholz, 2025, arXiv:2506.21374, Table 4 (CIFAR-10,
        Flowers-102, CIFAR-10 again with its saved head). Departures: small images, limits on
        samples, and the two switches.
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
    ) -> None:
        self.datasets = parse_names(datasets)
        self.start = at_least("start", start, 0)
        if self.start >= len(self.datasets):
            raise UserError(
                f"start must be below the {len(self.datasets)} data sets, so that one is left to train on, "
                f"got {start}"
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
        )

    def build(self, *, scenario: str, seed: int, data_root: Path | None) -> Scenario:
        heads = list(dict.fromkeys(self.datasets))
        images = {head: self._read(*head, seed, data_root) for head in heads}
        shape = max(found.shape for found in images.values())
        images = {head: _with_channels(found, shape, head[0]) for head, found in images.items()}
        targets, first = {}, 0
        for head in heads:
            classes = head[1] or range(images[head].classes)
            targets[head] = {label: first + place for place, label in enumerate(classes)}
            first += len(targets[head])
        parts = {
            part: [
                images[name].experience(part, targets[name], label=heads.index(name))
                for name in self.datasets
            ]
            for part in PARTS
            if part != "validation" or self.selection.validation
        }
        made = make_scenario(
            kind=scenario,
            inputs=shape,
            outputs=first,
            **parts,
            data=tuple({found.facts["name"]: found.facts for found in images.values()}.values()),
        )
        made.heads = tuple(
            tuple(targets[head].values()) for head in heads
        )  # few samples may lack a class
        made.start, made.norm_statistics, made.precision = (
            self.start,
            self.norm_statistics,
            self.precision,
        )
        return made

    def _read(self, name: str, classes: range | None, seed: int, root: Path | None) -> Images:
        """A data set with the rows in use: of the classes asked for, at most as many as asked for."""
        whole = replace(self.selection, data=name, validation=0.0).read(root, seed)
        if classes and classes[-1] >= whole.classes:
            raise UserError(
                f"{name} has classes 0 to {whole.classes - 1}, got {name}[{classes[0]}-{classes[-1]}]"
            )
        labels, rows = {}, {}
        for part, most in (("train", self.samples), ("test", self.test_samples)):
            known = (
                np.isin(whole.labels[part], classes)
                if classes
                else np.ones(len(whole.labels[part]), dtype=bool)
            )
            chosen = np.random.default_rng((seed, len(part))).permutation(np.flatnonzero(known))[
                : most or None
            ]
            chosen = np.sort(chosen)
            labels[part], rows[part] = whole.labels[part][chosen], whole.rows[part][chosen]
        train, held = draw(labels["train"], 0, self.selection.validation, seed=(seed, 3))
        for values in (labels, rows):
            values["train"], values["validation"] = values["train"][train], values["train"][held]
        return replace(whole, labels=labels, rows=rows)


def _with_channels(images: Images, shape: tuple[int, ...], name: str) -> Images:
    """Gray images as the colour images of the other data sets; everything else must agree."""
    if images.shape[1:] != shape[1:]:
        raise UserError(
            f"the data sets differ in image size, {images.shape[1:]} of {name} and {shape[1:]}: pass "
            "stream.image_size (such as --set stream.image_size=32)"
        )
    if images.shape[0] == shape[0]:
        return images
    return replace(
        images,
        inputs={
            part: stored.expand(-1, shape[0], -1, -1) for part, stored in images.inputs.items()
        },
    )

"""Two classes, then two others, then both pairs again on new samples."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from nanocl.data.batches import TensorDataset
from nanocl.data.splitting import draw
from nanocl.records.ranges import share
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream, make_scenario
from nanocl.streams._images import Images, Selection, in_order_of_targets

PAIRS = ((1, 2), (3, 4), (1, 2), (3, 4))
TRAINED_ON = (6, 6, 7, 7)  # the fold of each experience
TESTED_ON = (8, 9)
FOLDS = 10
FOLD_SEED = 15626  # of the authors


class TwoDigits(Stream):
    """Classes 1 and 2, then 3 and 4, then 1 and 2 again, then 3 and 4 again; one head for all four.

    The training set is divided into ten stratified folds. The first two experiences are trained on
    one of them, the last two on another; all are tested on two more folds. The data set's own test
    set is not used. The seed decides the order of the samples only, and which are held out.

    Args:
        data: Name of the data set; it must have 5 classes or more.
        validation: Share of each class's training samples held out as the validation stream, in [0,
            1).

    Source: Ashley, Ghiassian and Sutton, 2021, arXiv:2102.07686; folds as in the
        authors' code (dylanashley/catastrophic-forgetting). Departure: when an experience has used
        up its fold, it goes on in a new order instead of the same one.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("domain",)
    citation: ClassVar[str] = """@misc{ashley2021does,
  title = {Does the {Adam} Optimizer Exacerbate Catastrophic Forgetting?},
  author = {Ashley, Dylan R. and Ghiassian, Sina and Sutton, Richard S.},
  year = {2021},
  eprint = {2102.07686},
  archiveprefix = {arXiv}
}"""

    def __init__(self, *, data: str = "mnist", validation: float = 0.0) -> None:
        self.selection = Selection(data=data, validation=validation)
        self.validation = share("validation", validation)

    def build(self, *, scenario: str, seed: int, data_root: DataRoot) -> Scenario:
        whole = replace(self.selection, validation=0.0).read(data_root, seed)
        if whole.classes <= max(PAIRS[1]):
            raise ValueError(
                f"two-digits needs a data set with classes {PAIRS[0]} and {PAIRS[1]}, got "
                f"{self.selection.data} with {whole.classes} classes"
            )
        fold_of = folds(whole.labels["train"])
        images = {fold: self._trained_on(fold, whole, fold_of, seed) for fold in {*TRAINED_ON}}
        targets = [dict(zip(pair, range(pair[0] - 1, pair[1]), strict=True)) for pair in PAIRS]

        def experiences(part: str) -> list[TensorDataset]:
            rows = enumerate(zip(TRAINED_ON, targets, strict=True))
            return [
                images[fold].experience(part, target, label=number)
                for number, (fold, target) in rows
            ]

        made = make_scenario(
            kind=scenario,
            train=experiences("train"),
            validation=experiences("validation") if self.validation else (),
            test=experiences("test"),
            inputs=whole.shape,
            outputs=len({*PAIRS[0], *PAIRS[1]}),
            data=(whole.facts,),
        )
        made.labels = tuple(map(in_order_of_targets, targets))
        return made

    def _trained_on(self, fold: int, whole: Images, fold_of: np.ndarray, seed: int) -> Images:
        """The images with one fold for training and those of all tests."""
        labels = whole.labels["train"]
        candidates = np.flatnonzero(fold_of == fold)
        train, held = draw(labels[candidates], 0, self.validation, seed=(seed, fold))
        rows = {
            "train": candidates[train],
            "validation": candidates[held],
            "test": np.flatnonzero(np.isin(fold_of, TESTED_ON)),
        }
        return replace(
            whole,
            inputs=dict.fromkeys(rows, whole.inputs["train"]),
            labels={part: labels[chosen] for part, chosen in rows.items()},
            rows=rows,
        )


def folds(labels: np.ndarray) -> np.ndarray:
    """The stratified fold of each sample."""
    from sklearn.model_selection import StratifiedKFold  # takes half a second to import

    split = StratifiedKFold(FOLDS, shuffle=True, random_state=FOLD_SEED)
    fold_of = np.empty(len(labels), dtype=np.int64)
    for number, (_, rows) in enumerate(split.split(labels, labels)):
        fold_of[rows] = number
    return fold_of

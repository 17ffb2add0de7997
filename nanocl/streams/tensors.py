"""Experiences from Python: tensors or data sets of torch that were given to `nanocl.run`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch.utils.data import TensorDataset as Pairs

from nanocl.data import tensors
from nanocl.data.batches import TensorDataset
from nanocl.data.conversion import as_tensors
from nanocl.data.splitting import draw
from nanocl.records import UserError
from nanocl.records.ranges import share
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream, make_scenario


class Tensors(Stream):
    """The experiences given as `nanocl.run(stream=[(train, test), ...])`, in this order.

    Inputs reach the model as they were given: int32 and int64, such as token numbers, as integers,
    all others in float32. Targets are class labels; vectors of
    floats make a regression, which is domain-incremental. No board ranks these runs.

    Args:
        data: Name of the stored tensors, which `nanocl.run` fills in.
        validation: Share of each experience's training samples held out as the validation stream,
            of each class alike, in [0, 1).

    Source: The three scenarios are those of van de Ven, Tuytelaars and Tolias, 2022,
        doi:10.1038/s42256-022-00568-3.
    """

    citation: ClassVar[str] = """@article{vandeven2022three,
  title = {Three Types of Incremental Learning},
  author = {van de Ven, Gido M. and Tuytelaars, Tinne and Tolias, Andreas S.},
  journal = {Nature Machine Intelligence},
  volume = {4},
  pages = {1185--1197},
  year = {2022},
  doi = {10.1038/s42256-022-00568-3}
}"""

    def __init__(self, *, data: str = "", validation: float = 0.0) -> None:
        if not tensors.is_name(data):
            raise UserError(
                "the stream tensors is given in Python, nanocl.run(stream=[(train, test), ...]), "
                f"or as stream.data=tensors-FINGERPRINT once it is stored; got data={data!r}"
            )
        self.data = data
        self.validation = share("validation", validation)

    def build(self, *, scenario: str, seed: int, data_root: DataRoot) -> Scenario:
        experiences = tensors.read(self.data, data_root)
        is_regression = experiences[0].train_targets.ndim == 2
        if is_regression and scenario != "domain":
            raise ValueError(f"scenario must be domain for a regression stream, got {scenario!r}")
        train, validation, test = [], [], []
        for number, one in enumerate(experiences):
            used, held_out = self._drawn(one.train_targets, (seed, 1, number))
            trained = as_tensors(_pairs(one.train_inputs, one.train_targets), number)
            train.append(_rows_of(trained, used))
            validation.append(_rows_of(trained, held_out))
            test.append(as_tensors(_pairs(one.test_inputs, one.test_targets), number))
        return make_scenario(
            kind=scenario,
            train=train,
            validation=validation if self.validation else (),
            test=test,
            measure="loss" if is_regression else "accuracy",
            data=(tensors.facts(self.data, experiences),),
        )

    def _drawn(self, targets: np.ndarray, seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """The rows to train on and those held out."""
        classes = targets if targets.ndim == 1 else np.zeros(len(targets))
        return draw(classes, 0, self.validation, seed=seed)


def _pairs(inputs: np.ndarray, targets: np.ndarray) -> Pairs:
    return Pairs(torch.from_numpy(inputs), torch.from_numpy(targets))


def _rows_of(dataset: TensorDataset, rows: np.ndarray) -> TensorDataset:
    """Some rows of a whole data set, in their order; the inputs are shared."""
    chosen = torch.from_numpy(rows)
    return TensorDataset(
        dataset.inputs,
        chosen,
        dataset.targets[chosen],
        task_label=dataset.task_label,
        prepare=dataset.prepare,
    )

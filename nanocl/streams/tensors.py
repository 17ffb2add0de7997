"""Experiences from Python: tensors or data sets of torch that were given to `nanocl.run`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from nanocl.data import tensors
from nanocl.data.batches import TensorDataset
from nanocl.records import UserError
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream, make_scenario


class Tensors(Stream):
    """The experiences given as `nanocl.run(stream=[(train, test), ...])`, in this order.

    Inputs reach the model as they were given, in float32. Targets are class labels; vectors of
    floats make a regression, which is domain-incremental. No board ranks these runs.

    Args:
        data: Name of the stored tensors, which `nanocl.run` fills in.

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

    def __init__(self, *, data: str = "") -> None:
        if not tensors.is_name(data):
            raise UserError(
                "the stream tensors is given in Python, nanocl.run(stream=[(train, test), ...]), "
                f"or as stream.data=tensors-FINGERPRINT once it is stored; got data={data!r}"
            )
        self.data = data

    def build(self, *, scenario: str, seed: int, data_root: DataRoot) -> Scenario:
        experiences = tensors.read(self.data, data_root)
        is_regression = experiences[0].train_targets.ndim == 2
        if is_regression and scenario != "domain":
            raise ValueError(f"scenario must be domain for a regression stream, got {scenario!r}")
        numbered = [*enumerate(experiences)]
        return make_scenario(
            kind=scenario,
            train=[_made(one.train_inputs, one.train_targets, n) for n, one in numbered],
            test=[_made(one.test_inputs, one.test_targets, n) for n, one in numbered],
            measure="loss" if is_regression else "accuracy",
            data=(tensors.facts(self.data, experiences),),
        )


def _made(inputs: np.ndarray, targets: np.ndarray, label: int) -> TensorDataset:
    rows = torch.arange(len(inputs))
    return TensorDataset(
        torch.from_numpy(inputs), rows, torch.from_numpy(targets), task_label=label
    )

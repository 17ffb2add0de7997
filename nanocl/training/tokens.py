"""Token numbers of a stream that the model's vocabulary lacks are named before training."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nanocl.data.batches import TensorDataset, tensor_parts
from nanocl.data.conversion import INTEGERS
from nanocl.records import UserError
from nanocl.streams import Scenario
from nanocl.training.lookups import LookedUp, OutOfVocabulary


def check_tokens(backbone: nn.Module, scenario: Scenario, *, is_own: bool) -> None:
    """Try a model on the samples with the largest and the smallest token number of a stream.

    Args:
        backbone: Takes prepared inputs; those of other types than integers are not tried.
        scenario: The stream.
        is_own: Whether the data were given in Python as `stream[experience][train or test]`.

    Raises:
        UserError: The model has no such token; with the data set, the number and the vocabulary.
    """
    if scenario.dtype not in INTEGERS:
        return
    samples = [sample for part in _parts(scenario, is_own) for sample in _extremes(*part)]
    backbone.eval()
    for choose in (max, min) if samples else ():
        number, name, inputs = choose(samples, key=lambda sample: sample[0])
        try:
            with torch.no_grad(), LookedUp(backbone):
                backbone(inputs)
        except OutOfVocabulary as error:
            raise UserError(error.about(name, is_token=error.number == number)) from error
        except Exception:  # the model's own: its run fails with it, and no other run
            break
    backbone.train()


def _parts(scenario: Scenario, is_own: bool) -> Iterator[tuple[str, TensorDataset, Tensor]]:
    """Each data set of the stream with its name and its rows in use; none that Avalanche reads."""
    for kind, stream in scenario.streams.items():
        for number, experience in enumerate(stream):
            own = f"stream[{number}][{int(kind == 'test')}]"
            name = own if is_own else f"the {kind} data of experience {number + 1}"
            for dataset, rows in tensor_parts(experience.dataset) or ():
                if len(rows):
                    yield name, dataset, rows


def _extremes(name: str, dataset: TensorDataset, rows: Tensor) -> Iterator[tuple[int, str, Tensor]]:
    """The largest and the smallest number, each with the sample that has it, as model input."""
    stored = dataset.inputs.index_select(0, dataset.rows.index_select(0, rows)).flatten(1)
    highest, lowest = stored.amax(1), stored.amin(1)
    for numbers, row in ((highest, highest.argmax()), (lowest, lowest.argmin())):
        inputs, _, _ = dataset.batch(rows[row][None])
        yield int(numbers[row]), name, inputs

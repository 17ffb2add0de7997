"""Conformance check of streams."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from nanocl.data.batches import MiniBatches, Parts, tensor_parts
from nanocl.data.conversion import INTEGERS
from nanocl.plugins.state import same_values
from nanocl.records.roots import DataRoot
from nanocl.streams import Scenario, Stream
from nanocl.testing._claims import (
    claim,
    declared,
    scenarios_of,
    silence,
)
from nanocl.training.randomness import global_seed


def check_stream(
    cls: type,
    options: Mapping[str, Any] | None = None,
    *,
    data_root: DataRoot = None,
) -> None:
    """Check that a stream keeps the plugin contract in each scenario that it declares.

    The stream must

    - take keyword-only options with plain types and defaults;
    - have a docstring with a line `Source:`, a BibTeX `citation` or none, and valid `scenarios`;
    - give the same data in the same order when it is built twice with one seed, without drawing
      from the global generators or printing;
    - give every experience training and test data as a `nanocl.data.batches.TensorDataset`, with
      finite float32 inputs, or tokens as int32 or int64, of the shape that the scenario declares;
    - have targets that fit the scenario: labels below `outputs` from the experience's `classes`,
      which class-incremental experiences do not share, or regression targets of `outputs` numbers;
    - test on no sample that the same experience trains on.

    Args:
        cls: The stream's class, derived from `nanocl.streams.Stream`.
        options: Its options; few samples make the check fast.
        data_root: Folders that hold its data sets; None for the default.

    Raises:
        NotConforming: The stream breaks a rule; the message states the first broken one.
    """
    claim(
        isinstance(cls, type) and issubclass(cls, Stream),
        f"{cls!r} must be a class derived from Stream",
    )
    declared(cls)
    scenarios = scenarios_of(cls)
    # the first build imports libraries, and some of them draw from the global generators on import
    cls(**(options or {})).build(scenario=scenarios[0], seed=0, data_root=data_root)
    for scenario in scenarios:
        _keeps_contract(cls, options, scenario, data_root)


def _keeps_contract(
    cls: type,
    options: Mapping[str, Any] | None,
    scenario: str,
    data_root: DataRoot,
) -> None:
    where = f"{cls.__name__} as a {scenario}-incremental stream"
    with silence(cls):
        first = _build(cls, options, scenario, data_root, 1, where)
        again = _build(cls, options, scenario, data_root, 2, where)
    claim(first.kind == scenario, f"{where}: kind must be {scenario!r}, got {first.kind!r}")
    _data_are_tensors(first, where)
    claim(
        same_values(_everything(first), _everything(again)),
        f"{where}: one seed must give the same data twice",
    )
    _shape_is_right(first, where)
    _targets_are_right(first, where)
    _samples_differ(first, where)


def _build(
    cls: type,
    options: Mapping[str, Any] | None,
    scenario: str,
    data_root: DataRoot,
    global_state: int,
    where: str,
) -> Scenario:
    """Build the stream, and claim that this does not change the global generators."""
    with global_seed(global_state) as untouched:
        pass
    with global_seed(global_state) as after:
        built = cls(**(options or {})).build(scenario=scenario, seed=0, data_root=data_root)
    for name in after:
        claim(
            same_values(after[name], untouched[name]),
            f"{where}: the global generator of {name} must not be used",
        )
    return built


def _everything(scenario: Scenario) -> dict[str, Any]:
    """All mini-batches of all experiences, by stream and experience."""
    return {
        f"{stream}/{number}": list(_batches(experience.dataset))
        for stream in scenario.streams
        for number, experience in enumerate(scenario.streams[stream])
    }


def _batches(dataset: Any) -> MiniBatches:
    return MiniBatches(_parts(dataset), 512)


def _parts(dataset: Any) -> Parts:
    """The tensors of a data set, after `_data_are_tensors` has claimed that it has them."""
    return tensor_parts(dataset) or []


def _data_are_tensors(scenario: Scenario, where: str) -> None:
    for stream in scenario.streams.values():
        for experience in stream:
            claim(
                tensor_parts(experience.dataset) is not None,
                f"{where}: the data of experience {experience.current_experience} must be a "
                "nanocl.data.batches.TensorDataset",
            )


def _shape_is_right(scenario: Scenario, where: str) -> None:
    trained = list(scenario.train_stream)
    tested = list(scenario.test_stream)
    claim(
        len(trained) >= 1 and len(trained) == len(tested),
        f"{where}: each experience needs training and test data, "
        f"got {len(trained)} and {len(tested)} experiences",
    )
    claim(
        len(scenario.classes) == len(trained),
        f"{where}: classes must have one entry per experience",
    )
    for experience in (*trained, *tested):
        _samples_are_right(experience.dataset, scenario, where, experience.current_experience)


def _samples_are_right(
    dataset: Any,
    scenario: Scenario,
    where: str,
    number: int,
) -> None:
    claim(len(dataset) > 0, f"{where}: experience {number} is empty")
    inputs, target, label = dataset[0]
    shape = tuple(scenario.inputs)
    claim(
        tuple(inputs.shape) == shape,
        f"{where}: a sample must have the shape {shape}, got {tuple(inputs.shape)}",
    )
    claim(
        inputs.dtype in (torch.float32, *INTEGERS),
        f"{where}: a sample must be float32, or int32 or int64 (tokens), got {inputs.dtype}",
    )
    batch = next(iter(_batches(dataset)))
    claim(
        same_values([batch[0][0], int(batch[2][0])], [inputs, int(label)])
        and same_values(torch.as_tensor(target), batch[1][0]),
        f"{where}: a sample must be the same when read alone and in a mini-batch",
    )
    claim(bool(torch.isfinite(batch[0]).all()), f"{where}: inputs must be finite")


def _targets_are_right(scenario: Scenario, where: str) -> None:
    if scenario.measure == "loss":
        shape = tuple(next(iter(_batches(scenario.train_stream[0].dataset)))[1].shape[1:])
        claim(
            shape == (scenario.outputs,),
            f"{where}: a target must have the shape ({scenario.outputs},), got {shape}",
        )
        return
    for stream in scenario.streams.values():
        for experience in stream:
            labels = {int(t) for batch in _batches(experience.dataset) for t in batch[1].unique()}
            own = set(scenario.classes[experience.current_experience])
            claim(
                labels <= own,
                f"{where}: experience {experience.current_experience} must have classes of "
                f"{sorted(own)} only, got {sorted(labels - own)}",
            )
    largest = max(map(max, scenario.classes))
    claim(
        largest < scenario.outputs,
        f"{where}: class labels must be below {scenario.outputs}, got {largest}",
    )
    if scenario.kind == "class":
        claim(
            all(not set(a) & set(b) for a, b in combinations(scenario.classes, 2)),
            f"{where}: experiences must not share classes, got {scenario.classes}",
        )


def _samples_differ(scenario: Scenario, where: str) -> None:
    """Claim that no row of a stored tensor is both trained on and tested on."""
    for experience in range(len(scenario.classes)):
        trained, tested = (
            _rows(stream[experience].dataset)
            for stream in (scenario.train_stream, scenario.test_stream)
        )
        claim(
            not trained & tested,
            f"{where}: experience {experience} is tested on samples it is trained on",
        )


def _rows(dataset: Any) -> set[tuple[int, int]]:
    """The samples of a data set as (address of the stored tensor, row)."""

    def origin(values: Tensor) -> int:
        return values.untyped_storage().data_ptr()

    return {
        (origin(part.inputs), row)
        for part, rows in _parts(dataset)
        for row in part.rows[rows].tolist()
    }

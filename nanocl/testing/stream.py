"""Conformance of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.streams import Scenario, Stream
from nanocl.testing._claims import (
    claim,
    declared,
    global_chance,
    same_values,
    scenarios_of,
    silence,
)


def check_stream(
    cls: type, options: Mapping[str, Any] | None = None, *, data_root: Path | None = None
) -> None:
    """Claim that a stream keeps the plugin contract, in each scenario it declares.

    Args:
        cls: The stream's class.
        options: Its options; small ones make the check quick.
        data_root: Where its data sets are.

    Raises:
        NotConforming: The first claim that does not hold, in one sentence.
    """
    claim(
        isinstance(cls, type) and issubclass(cls, Stream),
        f"{cls!r} must be a class derived from Stream",
    )
    declared(cls)
    scenarios = scenarios_of(cls)
    # decodes and imports for the first time; some libraries draw from the global generators when
    # they are imported
    cls(**(options or {})).build(scenario=scenarios[0], seed=0, data_root=data_root)
    for scenario in scenarios:
        where = f"{cls.__name__} as a {scenario}-incremental stream"
        with silence(cls):
            first = _build(cls, options, scenario, data_root, 1, where)
            again = _build(cls, options, scenario, data_root, 2, where)
        claim(first.kind == scenario, f"{where}: kind must be {scenario!r}, got {first.kind!r}")
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
    data_root: Path | None,
    mark: int,
    where: str,
) -> Scenario:
    with global_chance(mark) as untouched:
        pass
    with global_chance(mark) as after:
        built = cls(**(options or {})).build(scenario=scenario, seed=0, data_root=data_root)
    for name in after:
        claim(
            same_values(after[name], untouched[name]),
            f"{where}: the global generator of {name} must be left alone",
        )
    return built


def _everything(scenario: Scenario) -> dict[str, Any]:
    return {
        f"{stream}/{number}": [list(batch) for batch in _batches(experience.dataset)]
        for stream in scenario.streams
        for number, experience in enumerate(scenario.streams[stream])
    }


def _batches(dataset: Any) -> MiniBatches:
    return MiniBatches(tensor_parts(dataset), 512)


def _shape_is_right(scenario: Scenario, where: str) -> None:
    trained, tested = list(scenario.train_stream), list(scenario.test_stream)
    claim(
        len(trained) >= 1 and len(trained) == len(tested),
        f"{where}: each experience needs training and test data, got {len(trained)} and {len(tested)}",
    )
    claim(
        len(scenario.classes) == len(trained), f"{where}: classes must have one entry an experience"
    )
    for experience in (*trained, *tested):
        number = experience.current_experience
        claim(
            tensor_parts(experience.dataset) is not None,
            f"{where}: the data of experience {number} must be a nanocl.data.batches.TensorDataset",
        )
        claim(len(experience.dataset) > 0, f"{where}: experience {number} is empty")
        inputs, target, label = experience.dataset[0]
        claim(
            tuple(inputs.shape) == tuple(scenario.inputs),
            f"{where}: a sample must have the shape {tuple(scenario.inputs)}, got {tuple(inputs.shape)}",
        )
        claim(
            inputs.dtype == torch.float32, f"{where}: a sample must be float32, got {inputs.dtype}"
        )
        batch = next(iter(_batches(experience.dataset)))
        claim(
            same_values([batch[0][0], int(batch[2][0])], [inputs, int(label)])
            and same_values(torch.as_tensor(target), batch[1][0]),
            f"{where}: a sample read alone must be what the mini-batch holds",
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
            found = {int(t) for batch in _batches(experience.dataset) for t in batch[1].unique()}
            own = set(scenario.classes[experience.current_experience])
            claim(
                found <= own,
                f"{where}: experience {experience.current_experience} must hold classes of "
                f"{sorted(own)} only, got {sorted(found - own)}",
            )
    claim(
        max(map(max, scenario.classes)) < scenario.outputs,
        f"{where}: class labels must be below {scenario.outputs}, got {max(map(max, scenario.classes))}",
    )
    if scenario.kind == "class":
        claim(
            all(not set(a) & set(b) for a, b in combinations(scenario.classes, 2)),
            f"{where}: experiences must not share classes, got {scenario.classes}",
        )


def _samples_differ(scenario: Scenario, where: str) -> None:
    """A row of a stored tensor that is trained on must not be tested on."""
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
    def origin(values: Tensor) -> int:
        return values.untyped_storage().data_ptr()

    return {
        (origin(part.inputs), row)
        for part, rows in tensor_parts(dataset)
        for row in part.rows[rows].tolist()
    }

"""One stream per file: the experiences that a learner meets, as an Avalanche scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from nanocl.streams import _avalanche as _avalanche  # loads Avalanche faster, so it comes first

# isort: split
import torch
from avalanche.benchmarks.scenarios.dataset_scenario import benchmark_from_datasets
from avalanche.benchmarks.scenarios.generic_scenario import CLScenario
from avalanche.benchmarks.scenarios.supervised import with_classes_timeline
from avalanche.benchmarks.scenarios.task_aware import with_task_labels
from avalanche.benchmarks.utils import AvalancheDataset, DataAttribute
from avalanche.benchmarks.utils.classification_dataset import (
    TaskAwareSupervisedClassificationDataset,
)
from torch.utils.data import Dataset

from nanocl.data.batches import TensorDataset
from nanocl.data.conversion import as_tensors, check_labels
from nanocl.records import SCENARIOS
from nanocl.records.ranges import one_of
from nanocl.records.roots import DataRoot


class Stream:
    """Base class of streams: options, a citation and the scenarios a stream supports.

    A subclass takes keyword-only options with defaults and implements `build`. An option called
    `data` (or `datasets`, comma-separated) names the data sets it reads; their fingerprints become
    part of the spec before training.

    Attributes:
        citation: BibTeX of the stream's source.
        scenarios: Which of `class`, `task`, `domain` it supports.
        version: Rises when a correction changes the data or their order: older records then no
            longer count as measured.
    """

    citation: ClassVar[str] = ""
    scenarios: ClassVar[tuple[str, ...]] = ("class", "task", "domain")
    version: ClassVar[int] = 1

    def build(self, *, scenario: str, seed: int, data_root: DataRoot) -> Scenario:
        """The stream of one seed: equal arguments give equal data in the same order.

        Args:
            scenario: `class`, `task` or `domain`.
            seed: Seed of everything random.
            data_root: Folder that holds the data sets, for `nanocl.data.load`, or several, of which
                `data_root / name` is the first path of that name; None for the default.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement build")


class Scenario(CLScenario):
    """An Avalanche scenario with the facts that a learner needs.

    Its streams are `train_stream`, `test_stream` and optionally `validation_stream`.

    Attributes:
        kind: `class`, `task` or `domain`.
        inputs: Shape of one prepared input, without the batch dimension.
        dtype: Its type.
        outputs: Number of classes in the whole stream, or of regression outputs.
        classes: Class labels of each experience (empty for regression).
        measure: `accuracy`, or `loss` for regression (mean squared error).
        data: Facts of each data set used, for the record.
        labels: Class labels in the data set of each experience, in the order of their targets; the
            domain-incremental `classes` are positions.
        heads: Class labels of the head of each task label; shorter than `classes` if experiences
            share a head.
        start: Number of experiences at the beginning that are tested but not trained, because the
            model's initial weights were trained on them.
        norm_statistics: Running statistics of normalisation layers (see
            `nanocl.training.normalisation`).
        precision: Type of the weights, `fp32` or `bf16`.
    """

    kind: str
    inputs: tuple[int, ...]
    dtype: torch.dtype
    outputs: int
    classes: tuple[tuple[int, ...], ...]
    measure: str
    data: tuple[dict, ...]
    labels: tuple[tuple[int, ...], ...]
    heads: tuple[tuple[int, ...], ...]
    start: int = 0
    norm_statistics: str = "update"
    precision: str = "fp32"


def make_scenario(
    *,
    kind: str,
    train: Sequence[Dataset[Any]],
    test: Sequence[Dataset[Any]],
    validation: Sequence[Dataset[Any]] = (),
    inputs: tuple[int, ...] | None = None,
    outputs: int | None = None,
    measure: str = "accuracy",
    data: tuple[dict, ...] = (),
) -> Scenario:
    """Join the data sets of each experience into an Avalanche scenario.

    Samples have task labels in every scenario; only task-incremental heads read them.

    Args:
        kind: `class`, `task` or `domain`.
        train, test, validation: One data set per experience: `nanocl.data.batches.TensorDataset`,
            or any of torch's, which is read into memory (see `nanocl.data.conversion`).
        inputs, outputs: See `Scenario`; None reads them from the training data.
        measure, data: See `Scenario`.

    Raises:
        ValueError: An unknown `kind`.
        UserError: A data set cannot be read, or its class labels leave most outputs unused.
    """
    one_of("scenario", kind, SCENARIOS)
    train, test, validation = map(_as_tensors, (train, test, validation))
    if inputs is None:
        inputs = tuple(train[0][0][0].shape)
    if outputs is None:
        outputs = _outputs(train, measure)
    wrap = _classification if measure == "accuracy" else _regression
    streams = {"train": [wrap(d) for d in train], "test": [wrap(d) for d in test]}
    if validation:
        streams["validation"] = [wrap(d) for d in validation]
    labelled = with_task_labels(benchmark_from_datasets(**streams))
    classes: tuple[tuple[int, ...], ...] = tuple(() for _ in train)
    if measure == "accuracy":
        labelled = _with_classes(labelled)
        classes = tuple(tuple(e.classes_in_this_experience) for e in labelled.train_stream)
    scenario = Scenario(list(labelled.streams.values()))
    scenario.kind = kind
    scenario.inputs = tuple(inputs)
    scenario.dtype = train[0][0][0].dtype
    scenario.outputs = outputs
    scenario.classes = scenario.labels = classes
    scenario.measure = measure
    scenario.data = data
    heads = {dataset.task_label: members for dataset, members in zip(train, classes, strict=True)}
    scenario.heads = tuple(heads[label] for label in sorted(heads))
    return scenario


def _as_tensors(datasets: Sequence[Dataset[Any]]) -> list[TensorDataset]:
    return [as_tensors(dataset, label) for label, dataset in enumerate(datasets)]


def _outputs(train: Sequence[TensorDataset], measure: str) -> int:
    """The number of classes, or the length of a target."""
    if measure == "accuracy":
        check_labels(dataset.targets for dataset in train)
        return 1 + max(int(dataset.targets.max()) for dataset in train)
    return train[0].targets.shape[1]


def _with_classes(scenario: CLScenario) -> CLScenario:
    """The scenario with the present, past and future classes of each experience, sorted."""
    scenario = with_classes_timeline(scenario)
    for experience in (e for stream in scenario.streams.values() for e in stream):
        for name in (
            "classes_in_this_experience",
            "previous_classes",
            "classes_seen_so_far",
            "future_classes",
        ):
            # Avalanche documents lists but sets them to sets, which its multi-head layer rejects
            setattr(experience, name, sorted(int(label) for label in getattr(experience, name)))
    return scenario


def _classification(dataset: TensorDataset) -> AvalancheDataset:
    labels = [DataAttribute(dataset.targets.tolist(), "targets"), _task_labels(dataset)]
    return TaskAwareSupervisedClassificationDataset([dataset], data_attributes=labels)


def _regression(dataset: TensorDataset) -> AvalancheDataset:
    return AvalancheDataset([dataset], data_attributes=[_task_labels(dataset)])


def _task_labels(dataset: TensorDataset) -> DataAttribute:
    return DataAttribute(
        [dataset.task_label] * len(dataset),
        "targets_task_labels",
        use_in_getitem=True,
    )

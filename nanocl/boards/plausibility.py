"""What the numbers of a record cannot be, beyond what its schema and consistency say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nanocl.records import Cells, RunResult

ROUNDING = 1e-6  # of a count that was divided and multiplied again
CHANCE_DEVIATIONS = 6.0
SPREAD = 0.5  # largest standard deviation of an untrained accuracy on one experience
COUNTED = 1e-3  # relative error of a quotient that is stored beside its parts


def faults(result: RunResult) -> Iterator[str]:
    """A line for everything that cannot be."""
    if result.measure == "accuracy":
        yield from _counts(result)
        yield from _untrained(result)
    yield from _cost(result)
    yield from _mastery(result)


def _counts(result: RunResult) -> Iterator[str]:
    """An accuracy is a number of hits over the number of test samples."""
    if not result.experiences or result.spec.training.measured_on != "test":
        return
    sizes = [int(experience["test"]) for experience in result.experiences]
    for place, row in (("initial", result.initial), *_rows(result)):
        for j, value in enumerate(row):
            hits = 0.0 if value is None else value * sizes[j]
            if abs(hits - round(hits)) > ROUNDING * max(1, sizes[j]):
                yield (
                    f"{place} has accuracy {value} on experience {j}: {hits:.3f} hits of "
                    f"{sizes[j]} test samples is no whole number"
                )
                return


def _rows(result: RunResult) -> Iterator[tuple[str, Cells]]:
    for i, row in enumerate(result.evaluation):
        yield f"row {i} of the evaluation", row


def _untrained(result: RunResult) -> Iterator[str]:
    """An untrained model that is better than guessing, on average over experiences.

    On one experience its accuracy may be anything, because it often predicts one class. A model
    with weights from elsewhere, or trained before the run, is not checked.
    """
    spec = result.spec
    has_start = spec.stream.options.get("start") or spec.model.weights or spec.model.pretrained_on
    guessing = _accuracy_of_guessing(result)
    if has_start or result.weights or guessing is None:
        return
    mean = sum(result.initial) / len(result.initial)
    bound = guessing + CHANCE_DEVIATIONS * SPREAD * guessing**0.5 / len(result.initial) ** 0.5
    if mean > bound:
        yield (
            f"the untrained model has a mean accuracy of {mean:.3f}; guessing gives "
            f"{guessing:.3f}, at most {bound:.3f} is plausible"
        )


def _accuracy_of_guessing(result: RunResult) -> float | None:
    """The expected accuracy of a random guess; None where the record does not say the classes."""
    classes: Sequence[Sequence[int]] = [entry["classes"] for entry in result.experiences]
    if not classes or not all(classes):
        return None
    own = sum(1 / len(labels) for labels in classes) / len(classes)
    if result.spec.scenario != "class":
        return own
    return 1 / len({label for labels in classes for label in labels})


def _cost(result: RunResult) -> Iterator[str]:
    """Quotients that are stored with their parts, and costs of training that took none."""
    cost = result.cost
    if result.status != "ok":
        return
    if cost.steps <= 0 or cost.train_seconds <= 0:
        yield f"its cost is {cost.steps} steps in {cost.train_seconds:g} s of training"
        return
    pairs = (
        ("seconds_per_step", cost.seconds_per_step, cost.train_seconds / cost.steps),
        (
            "state_bytes_per_parameter",
            cost.state_bytes_per_parameter,
            cost.optimizer_state_bytes / max(1, cost.parameters),
        ),
    )
    for name, given, expected in pairs:
        if abs(given - expected) > COUNTED * abs(expected):
            yield f"its cost has {name} {given:g}, its other numbers give {expected:g}"


def _mastery(result: RunResult) -> Iterator[str]:
    """Steps of experiences that were trained until mastered, which are those of the run."""
    if result.status != "ok" or not result.mastery:
        return
    limit = result.spec.training.iterations
    steps = [int(entry["steps"]) for entry in result.mastery]
    if sum(steps) != result.cost.steps:
        yield f"its experiences took {sum(steps)} steps, its cost has {result.cost.steps}"
    elif limit and max(steps) > limit:
        yield f"an experience took {max(steps)} steps, the limit is {limit}"

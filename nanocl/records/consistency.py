"""What a record must fulfil beyond its schema, so that every report can compute from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from nanocl.records.measuring import Measuring

_KINDS = {int, float, type(None)}
_NUMBERS = ("initial", "evaluation", "masked", "drift")
LARGEST = 1e100  # sums and squares of such numbers are finite; 1e308 squared is not


def check(record: dict[str, Any]) -> None:
    """Check a record that fits the schema.

    Raises:
        ValueError: It contains an impossible number or text, its parts do not belong to the same
            number of experiences, or it is finished without all its numbers.
    """
    low, high = (0.0, 1.0) if record["measure"] == "accuracy" else (-LARGEST, LARGEST)
    for view in (record, record["masked"] or {"initial": [], "evaluation": []}):
        for row in (view["initial"], *view["evaluation"]):
            _check_numbers(row, "a row of the evaluation matrix", low, high)
    for row in record.get("validation", ()):
        _check_numbers(row, "a row on held-out data", low, high)
    _check_numbers([*record["cost"].values()], "the cost", 0.0)
    for entry in record["drift"]:
        _check_drift(entry)
    _check_tracking(record, low, high)
    # the others are lists of numbers, which are checked by now
    check_values({name: part for name, part in record.items() if name not in _NUMBERS})
    _check_shapes(record)
    if record["status"] == "ok":
        _check_complete(record)


def check_values(record: Any) -> None:
    """Refuse texts and numbers that no report can use.

    Raises:
        ValueError: With the text or number.
    """
    if isinstance(record, dict):
        _check_names(record)
        items: Iterable[Any] = record.values()
    elif isinstance(record, list):
        items = record
    else:
        _check_value(record)
        return
    for item in items:
        # nearly all values of a record are such numbers and texts: they need no call
        kind = type(item)
        if kind is float or kind is int:
            is_usable = -LARGEST <= item <= LARGEST
        else:
            is_usable = item is None or (kind is str and item.isascii())
        if not is_usable:
            check_values(item)


def _check_value(value: Any) -> None:
    """Refuse a text that cannot be written, and a number that cannot be computed with."""
    if isinstance(value, int | float) and not abs(value) <= LARGEST:
        raise ValueError(f"a number must be from {-LARGEST:g} to {LARGEST:g}, got {_short(value)}")
    if not isinstance(value, str):
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"it contains half a character (a lone surrogate): {_short(value)}"
        ) from error


def _check_drift(entry: dict[str, Any]) -> None:
    if _is_usable_drift(entry):
        return
    layers = entry["layers"]
    for groups in (entry["start"], entry["previous"]):
        for columns in groups.values():
            _check_numbers([*columns.values()], "the drift")
            _check_names(columns)
        _check_names(groups)
    _check_numbers([entry["average_tensor"]], "the drift")
    _check_numbers(entry["deciles"], "the drift by decile")
    if len(entry["deciles"]) not in (0, 10):
        raise ValueError(
            f"the drift by decile must be 10 numbers or none, got {len(entry['deciles'])}"
        )
    _check_names(layers)
    for name, pair in layers.items():
        _check_numbers(pair, f"the drift of layer {name}", count=2)


def _is_usable_drift(entry: dict[str, Any]) -> bool:
    """Whether no part of `_check_drift` surely refuses the entry, all parts taken together.

    The drift holds nearly all numbers of a record: a call for each part would take most of the
    time of a report.
    """
    groups, pairs, deciles = (
        [entry["start"], entry["previous"]],
        entry["layers"].values(),
        entry["deciles"],
    )
    columns = [*chain.from_iterable(map(dict.values, groups))]
    names = "".join(chain(*groups, *columns, entry["layers"]))
    lists = {*map(type, pairs), type(deciles)} == {list} and {*map(len, pairs)} <= {2}
    if not (names.isascii() and lists and len(deciles) in (0, 10)):
        return False
    numbers = [entry["average_tensor"], *deciles, *chain.from_iterable(pairs)]
    numbers.extend(chain.from_iterable(map(dict.values, columns)))
    return _are_numbers(numbers, -LARGEST, LARGEST)


def _check_names(named: Mapping[str, Any]) -> None:
    if not "".join(named).isascii():
        for name in named:
            _check_value(name)


def _check_numbers(
    values: Any,
    label: str,
    low: float = -LARGEST,
    high: float = LARGEST,
    *,
    count: int = 0,
) -> None:
    """Refuse anything but a list (of `count` entries) of numbers in [low, high] and nulls."""
    is_list = isinstance(values, list) and (not count or len(values) == count)
    if not is_list or not {*map(type, values)} <= _KINDS:
        expected = f"{label} must be {count or 'a list of'} numbers"
        raise ValueError(f"it does not fit the schema: {expected}, got {_short(values)}")
    if not _are_numbers(values, low, high):
        raise ValueError(f"{label} must be from {low:g} to {high:g}, got {_short(values)}")


def _are_numbers(values: list[Any], low: float, high: float) -> bool:
    """Whether all are numbers in [low, high] or null."""
    kinds = {*map(type, values)}
    if type(None) in kinds:
        values = [value for value in values if value is not None]
    return kinds <= _KINDS and (not values or (low <= min(values) and max(values) <= high))


def _check_shapes(record: dict[str, Any]) -> None:
    """Refuse rows and drift of another number of experiences than the record has."""
    count = len(record["initial"])
    if not count:
        raise ValueError("it has no experience: `initial` is empty")
    rows = len(record["evaluation"])
    views = [record] + ([record["masked"]] if record["masked"] else [])
    for view in views:
        widths = {len(row) for row in (view["initial"], *view["evaluation"])}
        if widths != {count} or len(view["evaluation"]) != rows or rows > count:
            raise ValueError(
                f"its evaluation matrix is not rows of {count} numbers, as many as experiences, "
                f"at most {count} of them"
            )
    if len(record["drift"]) != rows:
        raise ValueError(
            f"it has {len(record['drift'])} entries of drift for {rows} trained experiences"
        )
    mastery = len(record.get("mastery", ()))
    until = record["spec"]["training"].get("until", "end")
    if mastery != (rows if until == "mastered" else 0):
        raise ValueError(
            f"it says of {mastery} of {rows} trained experiences how they ended, with "
            f"training.until={until}"
        )
    compared = len(record.get("function", ()))
    if compared not in (0, rows):
        raise ValueError(
            f"it has {compared} entries of how the function moved for {rows} trained experiences"
        )
    if compared and {*record["function"][0].values()} != {None}:
        raise ValueError("it says how the function moved in the first experience, before any other")
    _check_held(record)
    described = len(record.get("experiences", ()))
    if described not in (0, count):
        raise ValueError(f"it describes {described} of {count} experiences")


def _check_held(record: dict[str, Any]) -> None:
    """Refuse rows on held-out data that cannot stand beside the evaluation matrix."""
    held = record.get("validation", ())
    if not held:
        return
    rows, count = len(record["evaluation"]), len(record["initial"])
    if len(held) != rows or {*map(len, held)} != {count}:
        raise ValueError(f"its results on held-out data are not {rows} rows of {count} numbers")
    if record["spec"]["training"].get("measured_on", "test") != "test":
        raise ValueError("it has results on held-out data beside results that are such themselves")
    pairs = zip(chain(*held), chain(*record["evaluation"]), strict=True)
    if any(value is not None and tested is None for value, tested in pairs):
        raise ValueError("it has results on held-out data of experiences that were not tested then")


def _check_complete(record: dict[str, Any]) -> None:
    """Refuse a finished run without all its numbers.

    Its task-incremental view may leave out experiences that were not trained yet.
    """
    count = len(record["initial"])
    measuring = Measuring(record.get("evaluate", "all"))
    tested = [measuring.tests(trained, count) for trained in range(count)]
    masked = record["masked"]
    met = [row[: trained + 1] for trained, row in enumerate(tested)]  # the last, or up to it
    if None in record["initial"] or not _has(record, tested) or (masked and not _has(masked, met)):
        raise ValueError(
            f"its status is ok, but its evaluation matrix is not {count} rows with a number for "
            f"each experience that was tested ({measuring.evaluate})"
        )


def _has(view: dict[str, Any], tested: list[list[int]]) -> bool:
    """Whether there is a row for each experience, with a number in each of these places."""
    rows = view["evaluation"]
    if len(rows) != len(tested):
        return False
    for row, numbers in zip(rows, tested, strict=True):
        if any(row[j] is None for j in numbers):
            return False
    return True


def _check_tracking(record: dict[str, Any], low: float, high: float) -> None:
    """Refuse tests within experiences that the record does not have, and impossible results."""
    count = len(record["initial"])
    for point in record.get("tracking", {"points": []})["points"]:
        _check_numbers([point["online"], *point["row"]], "a test within an experience", low, high)
        if len(point["row"]) != point["experience"] + 1 or point["experience"] >= count:
            raise ValueError(
                f"a test within experience {point['experience']} of {count} has "
                f"{len(point['row'])} results: it must have one for each experience up to that one"
            )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

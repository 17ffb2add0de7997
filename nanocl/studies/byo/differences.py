"""What tells own trainings of one name apart, besides their learning rates and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
SHOWN = ("lr",)  # options of optimizers that stand in a column of their own
REPEATED = (
    "repeat: the recorded settings are those of another row of this name. What is not recorded, "
    "such as the batch size or the order of the samples, may differ."
)


def differences(group: Sequence[Record]) -> dict[str, str]:
    """Digest of each record to the settings that differ among the records of its name.

    They are options of the optimizer over all groups and trainings, its class, precision, loop,
    adapters, and when and on how many samples was measured, as in `weight_decay 0.1, repeat 1`;
    empty for a record that is alone or like others.
    """
    facts = {record["digest"]: dict(_facts(record)) for record in group}
    found = {}
    for record in group:
        name = record["spec"]["name"]
        peers = [facts[one["digest"]] for one in group if one["spec"]["name"] == name]
        own = facts[record["digest"]]
        differing = [f"{fact} {value}" for fact, value in own.items() if _differs(fact, peers)]
        found[record["digest"]] = ", ".join(differing)
    return found


def _differs(fact: str, peers: Sequence[Mapping[str, str]]) -> bool:
    return len({peer.get(fact) for peer in peers}) > 1


def notes(group: Sequence[Record]) -> tuple[str, ...]:
    """The sentence about rows with equal settings, if there are any."""
    return (REPEATED,) if any("repeat" in record["spec"] for record in group) else ()


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    """Name and text of each setting."""
    spec, trainings = record["spec"], record["trainings"]
    yield "optimizer", _text(dict.fromkeys(one["optimizer"]["name"] for one in trainings))
    groups = [group for one in trainings for group in one["optimizer"]["groups"]]
    for option in dict.fromkeys(option for group in groups for option in group):
        if option not in SHOWN:
            values = [_value(group[option]) for group in groups if option in group]
            yield option, _text(dict.fromkeys(values))
    for fact in ("precision", "loop", "every", "samples"):
        yield fact, str(spec[fact])
    yield "adapters", _text(dict.fromkeys(str(one["adapters"]) for one in trainings))
    if "repeat" in spec:
        yield "repeat", str(spec["repeat"])


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _text(values: Mapping[str, Any]) -> str:
    return "/".join(values)

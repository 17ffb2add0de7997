"""Names of data sets with some of their classes, as people write them: `cifar10[0-4]`."""

from __future__ import annotations

import re

from nanocl.records import UserError

_FORM = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<first>\d+)-(?P<last>\d+)\])?")


def parse_names(text: str) -> list[tuple[str, range | None]]:
    """The comma-separated data sets of `text`, each with the class numbers asked for, None for all.

    Raises:
        UserError: Not of the form `name` or `name[first-last]`, or no name at all.
    """
    names = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        found = _FORM.fullmatch(item)
        limits = found and found["first"] and (int(found["first"]), int(found["last"]))
        if not found or (limits and limits[0] > limits[1]):
            raise UserError(
                f"a data set is named as cifar10 or, with some of its classes, cifar10[0-4]; got {item!r}"
            )
        names.append((found["name"], range(limits[0], limits[1] + 1) if limits else None))
    if not names:
        raise UserError(f"at least one data set must be named, got {text!r}")
    return names

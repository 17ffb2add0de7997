"""Parses names of data sets with a range of classes, such as `cifar10[0-4]`."""

from __future__ import annotations

import re

from nanocl.records import UserError

_FORM = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<first>\d+)-(?P<last>\d+)\])?")


def parse_names(text: str) -> list[tuple[str, range | None]]:
    """The comma-separated data sets in `text`, each with its class numbers; None means all classes.

    Raises:
        UserError: An item does not have the form `name` or `name[first-last]`, or there is none.
    """
    names = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = _FORM.fullmatch(item)
        classes = None
        if match and match["first"]:
            classes = range(int(match["first"]), int(match["last"]) + 1)
        if not match or (classes is not None and not classes):
            raise UserError(
                "a data set must have the form cifar10, or cifar10[0-4] for some of its classes; "
                f"got {item!r}"
            )
        names.append((match["name"], classes))
    if not names:
        raise UserError(f"at least one data set must be named, got {text!r}")
    return names

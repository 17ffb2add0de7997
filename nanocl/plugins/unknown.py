"""The error for a name that no plugin has: what stands there instead, or the nearest name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from nanocl.plugins.declaration import Plugin
from nanocl.records import UserError
from nanocl.records.ranges import did_you_mean

KINDS = {"strategies": "strategy", "streams": "stream", "models": "model"}
FOLDERS = {
    "strategies": "",
    "streams": "; class folders in it are read by --stream split --set stream.data={name}",
    "models": "; an encoder in it is read by --model transformers:{name}",
}


class UnknownPlugin(UserError):
    """No plugin has that name."""


def unknown(
    kind: str, name: str, known: Iterable[str], files: Mapping[str, Iterable[Plugin]]
) -> UnknownPlugin:
    """The error for a name.

    Args:
        kind: `strategies`, `streams` or `models`, of which one was asked for.
        name: The name, or what stands in its place.
        known: The names that there are.
        files: The plugins of the caller's files by kind.
    """
    word = KINDS[kind]
    for other in KINDS:
        for plugin in files.get(other, ()) if other != kind else ():
            if plugin.name == name:
                return UnknownPlugin(
                    f"{plugin.path} holds a {KINDS[other]} ({plugin.class_name}), no {word}; name "
                    f"it with --{KINDS[other]}"
                )
    kinds = f"--{word} takes a name or FILE.py" + (" or FILE.toml" if kind == "streams" else "")
    if os.path.isdir(name):  # unlike pathlib's for any text, '' and very long ones too
        return UnknownPlugin(f"{name!r} is a folder; {kinds}{FOLDERS[kind].format(name=name)}")
    if os.path.isfile(name):
        return UnknownPlugin(f"{name!r} is a file without .py; {kinds}")
    return UnknownPlugin(f"unknown {word} {name!r}{did_you_mean(name.split(':')[0], known)}")

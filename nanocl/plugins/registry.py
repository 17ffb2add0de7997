"""Finds plugins by file name, by entry point and in files of the user's, and reads their options without importing.

A plugin file is parsed, not run, until it is asked for: listing two dozen strategies costs
milliseconds and no torch.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import math
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from nanocl.plugins.declaration import TYPES, Plugin, kind_of, parse
from nanocl.records import Option, Part, UserError
from nanocl.records.ranges import did_you_mean

PACKAGE = Path(__file__).parent.parent
KINDS = {"strategies": "strategy", "streams": "stream", "models": "model"}


class UnknownPlugin(UserError):
    """No plugin of that name."""


class UnknownOption(UserError):
    """A plugin has no option of that name, or the value is of the wrong type."""


def plugins(kind: str, files: Iterable[Path] = ()) -> dict[str, Plugin]:
    """All plugins of a kind by name: nanocl's own, of installed packages, and of `files`.

    Raises:
        UserError: A name found twice, or a file that is no plugin.
    """
    found: dict[str, Plugin] = {}
    for plugin in (*_own(kind), *_installed(kind), *_local(kind, files)):
        if plugin.name in found:
            raise UserError(
                f"two {kind} are called {plugin.name!r}: {found[plugin.name].path} and {plugin.path}"
            )
        found[plugin.name] = plugin
    return dict(sorted(found.items()))


def get(kind: str, name: str, files: Iterable[Path] = ()) -> Plugin:
    """The plugin of that name; `torchvision:resnet18` is the plugin `torchvision`.

    Raises:
        UnknownPlugin: With the nearest names.
    """
    known = plugins(kind, files)
    stem = name.split(":")[0]
    if stem not in known:
        raise UnknownPlugin(f"unknown {KINDS[kind]} {name!r}{did_you_mean(stem, known)}")
    return known[stem]


def complete(kind: str, name: str, given: Mapping[str, Any], files: Iterable[Path] = ()) -> Part:
    """A plugin's part of a spec: the given options checked and converted, every default filled in.

    Text after a colon in the name fills the plugin's first option. A plugin that stands for a whole
    library has a class method `options_of(text)` that tells the further options, in the form of
    `Plugin.options`.

    Raises:
        UnknownPlugin, UnknownOption: With the nearest names, or the type that would be right.
    """
    plugin = get(kind, name, files)
    rest, known = name.partition(":")[2], dict(plugin.options)
    if rest:
        if not known:
            raise UnknownPlugin(f"{plugin.name} takes nothing after a colon, got {name!r}")
        given = {next(iter(known)): rest, **given}
    if plugin.is_library:
        known |= load(plugin).options_of(rest)
    for option in given:
        if option not in known:
            raise UnknownOption(f"{name} has no option {option!r}{did_you_mean(option, known)}")
    options = {
        option: convert(f"{name}.{option}", given[option], types) if option in given else default
        for option, (types, default) in known.items()
    }
    return Part(name, options, plugin.source)


def convert(label: str, value: Any, types: tuple[str, ...]) -> Option:
    """A value as one of the types named, from text or from a plain value.

    Raises:
        UnknownOption: Naming the option, the value and the type.
    """
    for name in types:
        try:
            return _convert(value, name)
        except (ValueError, OverflowError):
            continue
    expected = " or ".join(types) + (" (finite)" if "float" in types else "")
    raise UnknownOption(f"{label} must be of type {expected}, got {value!r}")


def load(plugin: Plugin) -> type:
    """Import the plugin's file and return its class.

    Raises:
        UserError: The file cannot be imported (the reason in one line).
    """
    try:
        return getattr(_module(plugin), plugin.class_name)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{plugin.path} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


@functools.cache  # the package's own files do not change while a process runs
def _own(kind: str) -> tuple[Plugin, ...]:
    paths = sorted((PACKAGE / kind).glob("[!_]*.py"))
    return tuple(
        parse(kind, path, path.stem.replace("_", "-"), f"nanocl.{kind}.{path.stem}")
        for path in paths
    )


def _installed(kind: str) -> Iterable[Plugin]:
    for point in _points(f"nanocl.{kind}", tuple(sys.path)):
        yield parse(kind, _file_of(point), point.name, point.module, point.attr)


@functools.cache  # reading what is installed takes 10 ms, and a grid of runs asks a hundred times
def _points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def _local(kind: str, files: Iterable[Path]) -> Iterable[Plugin]:
    for path in map(Path, files):
        if kind_of(path) == kind:
            source = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            yield parse(kind, path, path.stem.replace("_", "-"), source=source)


def _file_of(point: EntryPoint) -> Path:
    if point.dist is not None:
        stem = point.module.replace(".", "/")
        for name in (f"{stem}.py", f"{stem}/__init__.py"):
            path = Path(str(point.dist.locate_file(name)))
            if path.exists():
                return path
    spec = importlib.util.find_spec(point.module)
    if spec is None or spec.origin is None:
        raise UserError(
            f"the entry point {point.name!r} names the module {point.module!r}, which cannot be found"
        )
    return Path(spec.origin)


def _convert(value: Any, name: str) -> Option:
    if name == "None":
        if value is None or value in ("none", "None"):
            return None
        raise ValueError
    if name == "bool":
        words = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() in words:
            return words[str(value).lower()]
        raise ValueError
    if isinstance(value, bool) or (name == "str" and not isinstance(value, str)):
        raise ValueError
    if name == "int" and isinstance(value, float):
        raise ValueError
    converted = TYPES[name](value)
    if name == "float" and not math.isfinite(converted):
        raise ValueError
    return converted


def _module(plugin: Plugin):
    if plugin.module:
        return importlib.import_module(plugin.module)
    name = f"nanocl_plugin_{plugin.source}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, plugin.path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]

"""Finds plugins by file name, by entry point and in user files, and reads their options.

A plugin file is parsed, not run, until it is needed: listing two dozen strategies costs
milliseconds and loads no torch.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from nanocl.plugins import bare, factories
from nanocl.plugins.declaration import File, Plugin, kind_of, parse
from nanocl.plugins.named import file_of, name_of
from nanocl.plugins.signature import Options
from nanocl.plugins.unknown import KINDS, UnknownPlugin, unknown
from nanocl.plugins.values import UnknownOption, convert
from nanocl.records import Part, Training, UserError, files
from nanocl.records.ranges import SYNONYMS, did_you_mean

PACKAGE = Path(__file__).parent.parent
MOST_BYTES = 2**24  # of a plugin file


class Catalogue:
    """All plugins of one call; user files are read once, when it is made.

    It can be pickled: a worker process runs the text of a user's file as it was read here.

    Args:
        plugin_files: Files with a strategy, stream or model each, or classes of theirs and of
            installed modules, see `nanocl.plugins.named`.

    Raises:
        UserError: A file cannot be read, or holds no plugin.
    """

    def __init__(self, plugin_files: Iterable[Path] = ()) -> None:
        self._user: dict[str, list[Plugin]] = {kind: [] for kind in KINDS}
        for reference in dict.fromkeys(map(Path, plugin_files)):
            plugin = _plugin_of(reference)
            self._user[plugin.kind].append(plugin)

    def plugins(self, kind: str) -> Mapping[str, Plugin]:
        """All plugins of a kind by name, sorted.

        Raises:
            UserError: Two have the same name.
        """
        installed = _by_name_installed(kind, tuple(sys.path))
        user = self._user[kind]
        return _by_name(kind, (*installed.values(), *user)) if user else installed

    def plugin(self, kind: str, name: str) -> Plugin:
        """The plugin of that name; `torchvision:resnet18` is the plugin `torchvision`.

        Raises:
            UnknownPlugin: With the nearest name.
        """
        plugins = self.plugins(kind)
        if name in plugins:
            return plugins[name]
        stem = name.split(":")[0]
        if stem not in plugins:
            raise self.unknown(kind, name, plugins)
        return plugins[stem]

    def unknown(self, kind: str, name: str, known: Iterable[str]) -> UnknownPlugin:
        """The error for a name that is none of the known ones."""
        return unknown(kind, name, known, self._user)

    def complete(self, kind: str, name: str, values: Mapping[str, Any]) -> Part:
        """A plugin's part of a spec: values checked and converted, every default filled in.

        Text after a colon in the name fills the plugin's first option. A plugin that stands for a
        whole library has a class method `options_of(text)` that returns further options, in the
        form of `Plugin.options`. Of `Plugin.later_options`, defaults are left out.

        Raises:
            UnknownPlugin, UnknownOption: With the nearest name, or the right type.
        """
        plugin = self.plugin(kind, name)
        options = self._options(plugin, name)
        text = _text_of(plugin, name)
        if text:
            values = {next(iter(options)): text, **values}
        for option in values:
            if option not in options:
                hint = _elsewhere(option, options) or did_you_mean(option, options)
                raise UnknownOption(f"{name} has no option {option!r}{hint}")
        completed = {
            option: convert(f"{name}.{option}", values[option], types)
            if option in values
            else default
            for option, (types, default) in options.items()
        }
        for option in plugin.later_options:
            if completed[option] == options[option][1]:
                del completed[option]
        file_hash = plugin.file.hash if plugin.file else plugin.source_hash
        return Part(name, completed, plugin.version, file_hash)

    def texts(self, kind: str, name: str) -> set[str]:
        """The options of a plugin that may be a text, in which a comma is a comma."""
        options = self._options(self.plugin(kind, name), name)
        return {option for option, (types, _) in options.items() if "str" in types}

    def _options(self, plugin: Plugin, name: str) -> Options:
        options = dict(plugin.options)
        text = _text_of(plugin, name)
        if text and not options:
            raise UnknownPlugin(f"{plugin.name} takes nothing after a colon, got {name!r}")
        if plugin.is_library:
            options |= load(plugin).options_of(text)  # type: ignore[attr-defined]
        if plugin.is_bare:
            options |= _adapter().options_of(load(plugin), name)
        return options

    def make(self, kind: str, part: Part, *arguments: object) -> Any:
        """An instance of a part's class with the part's options.

        A model, class or function, that has no argument for the shape of its inputs gets none.
        """
        plugin = self.plugin(kind, part.name)
        if plugin.is_bare:
            return _adapter().make(load(plugin), part.name, part.options)
        return load(plugin)(*(arguments if plugin.takes_inputs else ()), **part.options)


INSTALLED = Catalogue()  # without user files


def load(plugin: Plugin) -> type:
    """Import the plugin's module and return its class, or the function that makes a model.

    Raises:
        UserError: The module cannot be imported (the reason in one line).
    """
    try:
        return getattr(_module(plugin), plugin.class_name)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{plugin.path} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _by_name(kind: str, plugins: Iterable[Plugin]) -> dict[str, Plugin]:
    by_name: dict[str, Plugin] = {}
    for plugin in plugins:
        if plugin.name in by_name:
            first = by_name[plugin.name].path
            raise UserError(f"two {kind} are called {plugin.name!r}: {first} and {plugin.path}")
        by_name[plugin.name] = plugin
    return dict(sorted(by_name.items()))


@functools.cache  # a report asks thousands of times
def _by_name_installed(kind: str, path: tuple[str, ...]) -> Mapping[str, Plugin]:
    return _by_name(kind, (*_own(kind), *_installed(kind)))


@functools.cache  # the package's own files do not change while a process runs
def _own(kind: str) -> tuple[Plugin, ...]:
    paths = sorted((PACKAGE / kind).glob("[!_]*.py"))
    return tuple(
        parse(kind, path, name_of(path), module=f"nanocl.{kind}.{path.stem}") for path in paths
    )


def _installed(kind: str) -> Iterator[Plugin]:
    for point in _points(f"nanocl.{kind}", tuple(sys.path)):
        path = _file_of(point)
        yield parse(kind, path, point.name, module=point.module, class_name=point.attr)


@functools.cache  # reading what is installed takes 10 ms, and a grid of runs asks a hundred times
def _points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


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
            f"the entry point {point.name!r} names the module {point.module!r}, which is missing"
        )
    return Path(spec.origin)


def _text_of(plugin: Plugin, name: str) -> str:
    """What stands after the colon of a name, unless it belongs to the plugin's own name."""
    return "" if name == plugin.name else name.partition(":")[2]


def _elsewhere(option: str, options: Mapping[str, Any]) -> str:
    """The hint for an option that no plugin has, because it belongs to the training."""
    name = SYNONYMS.get(option, option)
    if name in options or name not in Training.__dataclass_fields__:
        return ""
    return f"; it is one of the training: training.{name}"


def _plugin_of(reference: Path) -> Plugin:
    path, class_name = file_of(reference)
    if path is None:
        _check_ending(Path(str(reference).rpartition(":")[0]))
        return factories.of_module(str(reference)) or bare.of_module(str(reference))
    _check_ending(path)
    file = _read(path)
    name = name_of(reference)
    plugin = factories.in_file(file, name, class_name) or bare.in_file(file, name, class_name)
    if plugin:
        return plugin
    kind = kind_of(file, class_name)
    return parse(kind, path, name, file=file, class_name=class_name)


def _check_ending(path: Path) -> None:
    if path.is_file() and path.suffix != ".py":
        raise UserError(f"the plugin file {path} must be Python with a name that ends in .py")


def _adapter() -> ModuleType:
    """What makes strategies of bare classes; it loads torch and Avalanche, as they do."""
    return importlib.import_module("nanocl.strategies._bare")


def _read(path: Path) -> File:
    try:
        content = files.read(path, MOST_BYTES)
        text = content.decode()
    except (OSError, files.Refused) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"the plugin file {path} cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the plugin file {path} is not UTF-8 text: {error.reason}") from error
    return File(path, text, hashlib.sha256(content).hexdigest()[:12])


def _module(plugin: Plugin) -> ModuleType:
    if plugin.file is None:
        return importlib.import_module(plugin.module)
    name = f"nanocl_plugin_{plugin.file.hash}"
    if name not in sys.modules:
        module = ModuleType(name)
        module.__file__ = str(plugin.path)
        sys.modules[name] = module
        try:
            exec(compile(plugin.file.text, str(plugin.path), "exec"), vars(module))
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]

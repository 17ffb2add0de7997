"""Plugins as Python objects: the name on the command line, and the file that a class comes from."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from nanocl.plugins.catalogue import INSTALLED, KINDS, Catalogue
from nanocl.plugins.declaration import classes_of, tree_of
from nanocl.plugins.named import name_of, references
from nanocl.plugins.signature import numbered
from nanocl.records import UserError

Name = str | Path | type | partial[Any]
TORCHVISION = "torchvision.models"  # whose functions are models of nanocl


class Names:
    """Gives the plugins of a call their names, and collects the files of those that are the user's.

    Args:
        files: Plugin files that the caller names.

    Attributes:
        files: Those, and the files of classes and paths that were named since.
        settings: By part the options of configured classes.
    """

    def __init__(self, files: Iterable[str | Path] = ()) -> None:
        self.files = [Path(file) for file in files]
        self.settings: dict[str, dict[str, Any]] = {}
        self._classes: list[tuple[str, type]] = []

    def composition(self, text: str) -> str:
        """A composition with the names of its parts: `lion.py:Lion+ewc` is `lion:Lion+ewc`."""
        return self._named("strategies", text)

    def _named(self, kind: str, text: str) -> str:
        known = {*INSTALLED.plugins(kind), *map(name_of, self.files)}
        name, found = references(text, known)
        self.files += [Path(one) for one in found if Path(one) not in self.files]
        return name

    def of(self, kind: str, plugin: Name | Callable[..., Any]) -> str:
        """The name of a plugin: of a class, of a file, or the text as it is.

        Args:
            kind: `strategies`, `streams` or `models`.
            plugin: A class, the path of a plugin file, a name, or a function that makes a model.

        Raises:
            UserError: A class without a file of its own or inside another one, or something else.
        """
        if isinstance(plugin, partial):
            return self._configured(kind, plugin)
        if isinstance(plugin, type) and re.fullmatch(r"\w+(\.\w+)+", plugin.__qualname__):
            raise UserError(
                f"{plugin.__qualname__} must stand at the top of its file to be found by its name"
            )
        if isinstance(plugin, type) and _is_bare(plugin):
            return self.composition(_reference(plugin))
        if kind == "models" and inspect.isfunction(plugin) and plugin.__name__ != "<lambda>":
            return self._of_function(plugin)
        if isinstance(plugin, type):
            return _installed_name(kind, plugin) or self._of_class(kind, plugin)
        if isinstance(plugin, Path) or (isinstance(plugin, str) and plugin.endswith(".py")):
            path = Path(plugin)
            return self._of_file(path) if path.suffix == ".py" else str(path)
        if isinstance(plugin, str):
            return plugin if kind == "streams" else self._named(kind, plugin)
        of_model = ", or a function in a file that returns it, 'FILE.py:FUNCTION'"
        raise UserError(
            f"a {KINDS[kind]} is given as a name, a class or the path of a plugin file"
            f"{of_model if kind == 'models' else ''}, got {_in_a_line(plugin)}; options go into "
            f"set={{'name.option': value}}, or write functools.partial(CLASS, option=value): a "
            "record cannot hold an object"
        )

    def _configured(self, kind: str, plugin: partial[Any]) -> str:
        """The name of the class of `functools.partial(CLASS, option=value)`, whose options it sets.

        A tuple such as `betas` becomes `beta1`, `beta2`, as in options.
        """
        is_factory = kind == "models" and inspect.isfunction(plugin.func)
        if plugin.args or not (is_factory or isinstance(plugin.func, type)):
            raise UserError(
                "functools.partial takes a class and options by name here, got "
                f"{_in_a_line(plugin)}"
            )
        name = self.of(kind, plugin.func)
        part = name if kind == "strategies" else KINDS[kind]
        options: dict[str, Any] = {}
        for option, value in plugin.keywords.items():
            if isinstance(value, tuple):
                options |= zip(numbered(option, len(value)), value, strict=True)
            else:
                options[option] = value
        if self.settings.setdefault(part, options) != options:
            raise UserError(
                f"{name} is configured in two ways: several values of one option go into "
                f"set={{'{name}.option': [value, value]}}, others into a call of their own"
            )
        return name

    def check(self, catalogue: Catalogue) -> None:
        """Refuse a class that is not the plugin of its file.

        Raises:
            UserError: With the class that is.
        """
        for kind, plugin in self._classes:
            path = _file_of(plugin).resolve()
            own = [one for one in catalogue.plugins(kind).values() if one.file]
            by_path = {one.path.resolve(): one for one in own}
            if path not in by_path or by_path[path].class_name != plugin.__name__:
                public = by_path[path].class_name if path in by_path else "no such class"
                raise UserError(
                    f"{plugin.__name__} is not the {KINDS[kind]} of {path}, which holds {public}: "
                    "a plugin file has one public class"
                )

    def _of_class(self, kind: str, plugin: type) -> str:
        if kind == "models" and "." in plugin.__module__:  # it may import its package's modules
            return self._named(kind, _reference(plugin))
        public = [node.name for node in classes_of(tree_of(_file_of(plugin)))]
        if len(public) > 1 and plugin.__name__ in public:
            return self._named(kind, f"{_file_of(plugin)}:{plugin.__name__}")
        self._classes.append((kind, plugin))
        return self._of_file(_file_of(plugin))

    def _of_function(self, function: Callable[..., Any]) -> str:
        """The name of a function that makes a model."""
        if function.__module__.startswith(TORCHVISION):
            return f"torchvision:{function.__name__}"
        if "<locals>" in function.__qualname__:
            raise UserError(
                f"{function.__qualname__} is made while the program runs: write it at the top of a "
                "file of its own, and pass 'FILE.py:FUNCTION'"
            )
        return self._named("models", _reference(function))

    def _of_file(self, path: Path) -> str:
        if path.resolve() not in (file.resolve() for file in self.files):
            self.files.append(path)
        return name_of(path)


def _installed_name(kind: str, plugin: type) -> str:
    """The name of a class of nanocl or of an entry point; empty for any other."""
    for one in INSTALLED.plugins(kind).values():
        if (one.module, one.class_name) == (plugin.__module__, plugin.__name__):
            return one.name
    return ""


def _is_bare(plugin: type) -> bool:
    """Whether a class is an optimizer, or a plugin of Avalanche that is no `Strategy`."""
    bases = {base.__name__ for base in plugin.__mro__}
    return "Strategy" not in bases and bool({"Optimizer", "SupervisedPlugin"} & bases)


def _reference(plugin: type | Callable[..., Any]) -> str:
    """The reference of a class or function: of a package by its module, else by its path."""
    if "." in plugin.__module__:
        return f"{plugin.__module__}:{plugin.__name__}"
    return f"{_file_of(plugin)}:{plugin.__name__}"


def _in_a_line(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _file_of(plugin: type | Callable[..., Any]) -> Path:
    """The file that a class or function was imported from.

    Raises:
        UserError: It was not imported: workers could not read it.
    """
    module = sys.modules.get(plugin.__module__)
    file = getattr(module, "__file__", None)
    if plugin.__module__ == "__main__" or not file or not Path(file).is_file():
        stem = "".join(f"_{c.lower()}" if c.isupper() else c for c in plugin.__name__).lstrip("_")
        member = "" if isinstance(plugin, type) else f":{plugin.__name__}"
        raise UserError(
            f"{plugin.__name__} is defined in this notebook or program, which workers do not run: "
            f"write it, with its imports, into a file of its own (in a notebook with %%writefile "
            f"{stem}.py as the first line of the cell) and pass the path '{stem}.py{member}'"
        )
    return Path(inspect.getsourcefile(plugin) or file)

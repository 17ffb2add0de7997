"""Finds plugins by file name, by entry point and in files of the user's, and reads their options without importing.

A plugin file is parsed, not run, until it is asked for: listing two dozen strategies costs milliseconds and no torch.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from nanocl.records import Option, Part, UserError

KINDS = {"strategies": "strategy", "streams": "stream", "models": "model"}
_BASES = {"strategies": ("Strategy",), "streams": ("Stream",), "models": ("Module", "Sequential")}
_TYPES = {"bool": bool, "int": int, "float": float, "str": str, "None": type(None)}


class UnknownPlugin(UserError):
    """No plugin of that name."""


class UnknownOption(UserError):
    """A plugin has no option of that name, or the value is of the wrong type."""


@dataclass(frozen=True)
class Plugin:
    """What a plugin file says of itself.

    Attributes:
        kind: `strategies`, `streams` or `models`.
        name: Its name on the command line.
        module: Dotted module, or empty for a file of the user's.
        path: The file.
        class_name: Its one public class.
        summary: First line of the class's docstring.
        options: Option name to (types allowed, default).
        citation: BibTeX of its source.
        scenarios: The scenarios it supports.
        brings_optimizer: Whether it has a method `make_optimizer`.
        is_library: Whether it has a class method `options_of`, see `complete`.
        source: Hash of the file, for a file of the user's.
    """

    kind: str
    name: str
    module: str
    path: Path
    class_name: str
    summary: str
    options: Mapping[str, tuple[tuple[str, ...], Option]]
    citation: str
    scenarios: tuple[str, ...]
    brings_optimizer: bool = False
    is_library: bool = False
    source: str = ""


def plugins(kind: str, files: Iterable[Path] = ()) -> dict[str, Plugin]:
    """All plugins of a kind by name: nanocl's own, of installed packages, and of `files`.

    Raises:
        UserError: A name found twice, or a file that is no plugin.
    """
    found: dict[str, Plugin] = {}
    for plugin in (*_own(kind), *_installed(kind), *_local(kind, files)):
        if plugin.name in found:
            raise UserError(f"two {kind} are called {plugin.name!r}: {found[plugin.name].path} and {plugin.path}")
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

    Text after a colon in the name fills the plugin's first option. A plugin that stands for a whole library has a class
    method `options_of(text)` that tells the further options, in the form of `Plugin.options`.

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
    options = {option: convert(f"{name}.{option}", given[option], types) if option in given else default
               for option, (types, default) in known.items()}
    return Part(name, options, plugin.source)


def convert(label: str, value: Any, types: tuple[str, ...]) -> Option:
    """A value as one of the types named, from text or from a plain value.

    Raises:
        UnknownOption: Naming the option, the value and the type.
    """
    for name in types:
        try:
            return _convert(value, name)
        except ValueError:
            continue
    expected = " or ".join(types)
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
        raise UserError(f"{plugin.path} cannot be loaded: {type(error).__name__}: {error}") from error


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest name, else the list of all."""
    names = list(known)
    near = difflib.get_close_matches(given, names, 1, 0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(names)}" if names else "; it has none"


@functools.cache  # the package's own files do not change while a process runs
def _own(kind: str) -> tuple[Plugin, ...]:
    paths = sorted((Path(__file__).parent / kind).glob("[!_]*.py"))
    return tuple(_parse(kind, path, path.stem.replace("_", "-"), f"nanocl.{kind}.{path.stem}") for path in paths)


def _installed(kind: str) -> Iterable[Plugin]:
    for point in entry_points(group=f"nanocl.{kind}"):
        yield _parse(kind, _file_of(point), point.name, point.module, point.attr)


def _local(kind: str, files: Iterable[Path]) -> Iterable[Plugin]:
    for path in map(Path, files):
        plugin = _parse_any(path)
        if plugin.kind == kind:
            yield plugin


def _file_of(point) -> Path:
    if point.dist is not None:
        stem = point.module.replace(".", "/")
        for name in (f"{stem}.py", f"{stem}/__init__.py"):
            path = Path(str(point.dist.locate_file(name)))
            if path.exists():
                return path
    spec = importlib.util.find_spec(point.module)
    if spec is None or spec.origin is None:
        raise UserError(f"the entry point {point.name!r} names the module {point.module!r}, which cannot be found")
    return Path(spec.origin)


def _parse_any(path: Path) -> Plugin:
    tree = _tree(path)
    for kind, bases in _BASES.items():
        if any(_bases(node) & set(bases) for node in _classes(tree)):
            source = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            return _parse(kind, path, path.stem.replace("_", "-"), "", source=source)
    raise UserError(f"{path} holds no plugin: it needs one public class derived from Strategy, Stream or Module")


def _parse(kind: str, path: Path, name: str, module: str, class_name: str = "", source: str = "") -> Plugin:
    classes = [node for node in _classes(_tree(path)) if not class_name or node.name == class_name]
    if len(classes) != 1:
        found = ", ".join(node.name for node in classes) or "none"
        raise UserError(f"{path} must hold one public class {class_name}".rstrip() + f", found {found}")
    node = classes[0]
    constants, methods = _constants(node), {f.name for f in node.body if isinstance(f, ast.FunctionDef)}
    summary = (ast.get_docstring(node) or "").strip().split("\n")[0]
    return Plugin(kind, name, module, path, node.name, summary, _options(node, path),
                  constants.get("citation", ""), constants.get("scenarios", ("class", "task", "domain")),
                  "make_optimizer" in methods, "options_of" in methods, source)


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UserError(f"the plugin file {path} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UserError(f"the plugin file {path} has a syntax error in line {line}: {error.args[0]}") from error


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def _bases(node: ast.ClassDef) -> set[str]:
    return {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}


def _constants(node: ast.ClassDef) -> dict[str, Any]:
    values = {}
    for item in node.body:
        target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
        if isinstance(target, ast.Name) and getattr(item, "value", None) is not None:
            try:
                values[target.id] = ast.literal_eval(item.value)
            except ValueError:
                continue
    return values


def _options(node: ast.ClassDef, path: Path) -> dict[str, tuple[tuple[str, ...], Option]]:
    init = next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
    if init is None:
        return {}
    options = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        types = tuple(t.strip() for t in ast.unparse(argument.annotation).split("|")) if argument.annotation else ()
        if default is None or not types or not set(types) <= set(_TYPES):
            raise UserError(f"{path}: the option {argument.arg!r} of {node.name} needs a default and a type made of "
                            f"bool, int, float, str, None")
        options[argument.arg] = (types, ast.literal_eval(default))
    return options


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
    return _TYPES[name](value)


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

"""What a plugin file declares, read from its text without running it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nanocl.plugins.constants import constants_of
from nanocl.plugins.optimizers import name_of, optimizer_of
from nanocl.plugins.signature import TYPES, Options, fits, initializer, literal, plain_options
from nanocl.records import SCENARIOS, UserError
from nanocl.records.ranges import did_you_mean

BASES = {
    "strategies": ("Strategy",),
    "streams": ("Stream",),
    "models": ("Module", "Sequential"),
}


@dataclass(frozen=True)
class File:
    """A user's plugin file as it was read: later edits do not change this call.

    Attributes:
        path: Where it was.
        text: Its content.
        hash: Of its content, 12 hex digits.
    """

    path: Path
    text: str
    hash: str


@dataclass(frozen=True)
class Plugin:
    """What a plugin file declares.

    Attributes:
        kind: `strategies`, `streams` or `models`.
        name: Its name on the command line.
        path: The file.
        class_name: Its one public class, or the function that makes a model.
        summary: First line of the class's docstring.
        options: Option name to (allowed types, default).
        module: Dotted module, empty for a user's file.
        file: The user's file, None for an installed plugin.
        citation: BibTeX of its source.
        citations: BibTeX of what may follow a colon in its name, by that text.
        scenarios: The scenarios it supports.
        version: Version of its algorithm, that of its optimizer included.
        search_space: Option name to the range in which it is tuned on a logarithmic grid.
        brings_optimizer: Whether it has a method `make_optimizer`.
        optimizer: Its `optimizer_class` as it is written there, such as `optim.NanoAdam`.
        is_library: Whether it has a class method `options_of`, see `Catalogue.complete`.
        later_options: Options that a part has only where they differ from their default, so that
            specs from before they were added stay the same runs.
        source_hash: Hash of the file of a class that was named by its module.
        is_bare: Whether it is an optimizer or a plain plugin of Avalanche, whose options are read
            from its signature when it is imported.
        takes_inputs: For a model, whether its first argument is the shape of its inputs.
    """

    kind: str
    name: str
    path: Path
    class_name: str
    summary: str
    options: Options
    module: str = ""
    file: File | None = None
    citation: str = ""
    citations: Mapping[str, str] = field(default_factory=dict)
    scenarios: tuple[str, ...] = SCENARIOS
    version: int = 1
    search_space: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    brings_optimizer: bool = False
    optimizer: str = ""
    is_library: bool = False
    later_options: tuple[str, ...] = ()
    source_hash: str = ""
    is_bare: bool = False
    takes_inputs: bool = True

    @property
    def is_own(self) -> bool:
        """Whether nanocl brings it."""
        return self.module.startswith("nanocl.")


def parse(
    kind: str,
    path: Path,
    name: str,
    *,
    module: str = "",
    class_name: str = "",
    file: File | None = None,
) -> Plugin:
    """Read one plugin file.

    Args:
        kind: `strategies`, `streams` or `models`.
        path: The file.
        name: Its name on the command line.
        module: Dotted module it is imported as, empty for a user's file.
        class_name: Its class, where the file may hold several.
        file: A user's file that was read already.

    Raises:
        UserError: The file cannot be read or parsed, holds no or several plugins, or an option
            has no default.
    """
    tree = tree_of(path, file)
    classes = [node for node in classes_of(tree) if not class_name or node.name == class_name]
    if len(classes) != 1:
        names = ", ".join(node.name for node in classes) or "none"
        expected = f"{path} must hold one public class {class_name}".rstrip()
        raise UserError(f"{expected}, got {names}")
    node = classes[0]
    if kind != "models" and not bases_of(node) & set(BASES[kind]):
        raise UserError(f"{path}: {_not_direct(node)}")
    constants = constants_of(node, path)
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    docstring = (ast.get_docstring(node) or "").strip()
    optimizer = optimizer_of(node, tree, path)
    inherited = plain_options(optimizer) if optimizer else {}
    for option in constants.get("hidden_options", ()):
        inherited.pop(option, None)
    options = _options(node, path, kind, inherited)
    search_space = constants.get("search_space", {})
    for option in search_space:
        if option not in options:
            near = did_you_mean(option, options)
            raise UserError(f"{path}: search_space names no option of the class: {option!r}{near}")
        if "float" not in options[option][0]:
            types = " or ".join(options[option][0])
            raise UserError(
                f"{path}: search_space takes options of type float; {option} is {types}"
            )
    own_version = constants.get("version", 1)
    inner_version = constants_of(optimizer, path).get("version", 1) if optimizer else 1
    return Plugin(
        kind=kind,
        name=name,
        path=path,
        class_name=node.name,
        summary=docstring.split("\n")[0],
        options=options,
        module=module,
        file=file,
        citation=constants.get("citation", ""),
        citations=constants.get("citations", {}),
        scenarios=constants.get("scenarios", SCENARIOS),
        version=own_version + inner_version - 1,  # both only ever rise
        search_space=search_space,
        brings_optimizer="make_optimizer" in methods,
        optimizer=name_of(node),
        is_library="options_of" in methods,
        later_options=constants.get("later_options", ()),
        takes_inputs=kind != "models" or _takes_inputs(initializer(node)),
    )


def kind_of(file: File, class_name: str = "") -> str:
    """Whether a user's file holds a strategy, a stream or a model.

    Raises:
        UserError: None of them.
    """
    classes = [
        node for node in classes_of(tree_of(file.path, file)) if class_name in ("", node.name)
    ]
    for kind, bases in BASES.items():
        if any(bases_of(node) & set(bases) for node in classes):
            return kind
    derived = [node for node in classes if node.bases]
    if derived:
        reason = (
            _not_direct(classes[0])
            if len(classes) == 1
            else "no class derives from Strategy, Stream or Module"
        )
        named = " or ".join(f"{file.path}:{node.name}" for node in derived)
        raise UserError(
            f"{file.path} holds no plugin: {reason}; an optimizer of its own or a plugin of "
            f"Avalanche is named with its class: {named}"
        )
    raise UserError(
        f"{file.path} holds no plugin: it needs one public class derived from Strategy, Stream or "
        f"Module; a function that makes a model is named {file.path}:FUNCTION"
    )


def tree_of(path: Path, file: File | None = None) -> ast.Module:
    """The syntax tree of a plugin file.

    Raises:
        UserError: The file cannot be read, or has a syntax error.
    """
    try:
        text = path.read_text(encoding="utf-8") if file is None else file.text
        return ast.parse(text, str(path))
    except OSError as error:
        raise UserError(f"the plugin file {path} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UserError(
            f"the plugin file {path} has a syntax error in line {line}: {error.args[0]}"
        ) from error


def classes_of(tree: ast.Module) -> list[ast.ClassDef]:
    """The public classes of a file."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [node for node in classes if not node.name.startswith("_")]


def bases_of(node: ast.ClassDef) -> set[str]:
    """The names of the classes that a class is derived from, without their modules."""
    return {
        base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
        for base in node.bases
    }


def _options(
    node: ast.ClassDef,
    path: Path,
    kind: str,
    inherited: Options,
) -> Options:
    """The keyword-only options, after those of the optimizer where `**options` takes them."""
    init = initializer(node)
    if init is None:
        return {}
    _check_keyword_only(init, node, path, kind)
    options = dict(inherited) if init.args.kwarg else {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        types = tuple(name.strip() for name in annotation.split("|") if name.strip())
        label = f"the option {argument.arg!r} of {node.name}"
        if default is None or not types or not set(types) <= set(TYPES):
            raise UserError(
                f"{path}: {label} needs a default and a type made of bool, int, float, str, None"
            )
        value = literal(default)
        if not any(fits(value, name) for name in types):
            raise UserError(
                f"{path}: the default of {label} must be a plain value of type "
                f'{" or ".join(types)}, such as 0.1 or "text", got {ast.unparse(default)}'
            )
        options[argument.arg] = (types, value)
    return options


def _takes_inputs(init: ast.FunctionDef | None) -> bool:
    """Whether an argument after self, that has no default, takes the shape of a model's inputs."""
    if init is None:
        return False
    return len(init.args.posonlyargs) + len(init.args.args) - len(init.args.defaults) > 1


def _check_keyword_only(
    init: ast.FunctionDef,
    node: ast.ClassDef,
    path: Path,
    kind: str,
) -> None:
    positional = [argument.arg for argument in (*init.args.posonlyargs, *init.args.args)]
    first = 2 if kind == "models" and _takes_inputs(init) else 1  # self, and the inputs
    if positional[first:]:
        raise UserError(
            f"{path}: the option {positional[first]!r} of {node.name} must be keyword-only: write "
            f"__init__({', '.join(positional[:first])}, *, {positional[first]}, ...)"
        )


def _not_direct(node: ast.ClassDef) -> str:
    bases = ", ".join(map(ast.unparse, node.bases)) or "nothing"
    return (
        f"{node.name} must derive from Strategy, Stream or Module itself, got {bases}: options of "
        "an intermediate class are not read; compose strategies with +"
    )

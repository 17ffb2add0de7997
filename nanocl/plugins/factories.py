"""A function that makes a model, as a plugin: `my_models.py:make_net` or `package.module:make_net`.

An argument without a default gets the shape of the inputs; those with a default are options.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from dataclasses import replace
from pathlib import Path

from nanocl.plugins.bare import module_of
from nanocl.plugins.declaration import File, Plugin, parse, tree_of
from nanocl.plugins.signature import function_options
from nanocl.records import UserError


def in_file(file: File, name: str, function_name: str) -> Plugin | None:
    """The function of that name in a user's file; None if there is none.

    Raises:
        UserError: It needs more than the shape of the inputs.
    """
    functions = functions_of(tree_of(file.path, file))
    node = next((node for node in functions if node.name == function_name), None)
    if node is None:
        return None
    needed = _needed(node.args)
    if len(needed) > 1 or any(argument in node.args.kwonlyargs for argument in needed):
        named = ", ".join(argument.arg for argument in needed)
        raise UserError(
            f"{file.path}: {function_name} needs {named}, but a function that makes a model gets "
            "the shape of the inputs as its first argument and nothing else; give the others a "
            "default (nanocl adds the output layer)"
        )
    docstring = (ast.get_docstring(node) or "").strip()
    return Plugin(
        kind="models",
        name=name,
        path=file.path,
        class_name=function_name,
        summary=docstring.split("\n")[0],
        options=function_options(node),
        file=file,
        takes_inputs=bool(needed),
    )


def of_module(reference: str) -> Plugin | None:
    """The function or class of an installed module that makes a model; None for anything else.

    Raises:
        UserError: There is no such module, or as in `in_file` and `parse`.
    """
    member = reference.rpartition(":")[2]
    made = getattr(module_of(reference), member, None)
    is_class = isinstance(made, type) and "Module" in {base.__name__ for base in made.__mro__}
    if made is None or not (is_class or inspect.isfunction(made)):
        return None
    path = Path(inspect.getfile(made))
    content = path.read_bytes()
    file = File(path, content.decode(), hashlib.sha256(content).hexdigest()[:12])
    if is_class:
        plugin: Plugin | None = parse(
            "models", path, reference, class_name=made.__name__, file=file
        )
    else:
        plugin = in_file(file, reference, made.__name__)
    if plugin is None:
        raise UserError(f"{reference} is made while {path} runs; name a function written there")
    return replace(plugin, file=None, module=made.__module__, source_hash=file.hash)


def functions_of(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of a file."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def _needed(arguments: ast.arguments) -> list[ast.arg]:
    """The arguments without a default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [*needed, *(argument for argument, default in pairs if default is None)]

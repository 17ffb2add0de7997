"""The optimizer class that a strategy names, found by its name without importing it."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
ATTRIBUTE = "optimizer_class"


def name_of(node: ast.ClassDef) -> str:
    """The optimizer class that a strategy names, such as `optim.NanoAdam`; '' without one."""
    for item in node.body:
        target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
        value = getattr(item, "value", None)
        if isinstance(target, ast.Name) and target.id == ATTRIBUTE and value is not None:
            return ast.unparse(value)
    return ""


def optimizer_of(node: ast.ClassDef, tree: ast.Module, path: Path) -> ast.ClassDef | None:
    """The class behind `optimizer_class = optim.NanoAdam` in a strategy.

    It is a class of the same file, or one of `nanocl.optim`.

    Returns:
        Its syntax tree; None without such a line, or for a class of another package.
    """
    name = name_of(node).rpartition(".")[2]
    if not name:
        return None
    here = _class_in(tree, name)
    # a strategy may be called like its optimizer
    if here is not None and here is not node:
        return here
    return _own(name)


@functools.cache  # the package's own files do not change while a process runs
def _own(name: str) -> ast.ClassDef | None:
    head = re.compile(rf"^class {re.escape(name)}\b", re.MULTILINE)
    for path in sorted((PACKAGE / "optim").glob("[!_]*.py")):
        text = path.read_text(encoding="utf-8")
        if head.search(text):
            return _class_in(ast.parse(text), name)
    return None


def _class_in(tree: ast.Module, name: str) -> ast.ClassDef | None:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    return None

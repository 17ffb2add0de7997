"""Optimizers with compact state, drop-in for `torch.optim`; they need torch, numpy and numba only.

The public classes are those without a leading underscore in the files without one; `dense_groups`
makes parameter groups for them. A class is
imported when its name is first used: nobody edits a list to add an optimizer, and importing this
package loads no torch. Type checkers see each class in its own module, such as
`nanocl.optim.nanoadam.NanoAdam`.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any


def _modules_of_classes() -> dict[str, str]:
    """The module of each public class, read from the source without importing it."""
    modules = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name] = f"{__name__}.{path.stem}"
    return modules


_MODULES = {**_modules_of_classes(), "dense_groups": f"{__name__}.groups"}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # from now on Python finds it without this function
    return value


def __dir__() -> list[str]:
    return __all__

"""A class without the form of a plugin: an optimizer, or a plain plugin of Avalanche.

Its options are read from its signature when it is imported.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import warnings
from pathlib import Path
from types import ModuleType

from nanocl.plugins.declaration import BASES, File, Plugin, bases_of, classes_of, tree_of
from nanocl.plugins.named import PACKAGES
from nanocl.records import UserError
from nanocl.records.ranges import did_you_mean

OWN_BASES = {base for bases in BASES.values() for base in bases}
AVALANCHE = """@inproceedings{carta2023avalanche,
  title = {Avalanche: A {PyTorch} Library for Deep Continual Learning},
  author = {Carta, Antonio and Pellegrini, Lorenzo and Cossu, Andrea and Hemati, Hamed and
    Lomonaco, Vincenzo},
  journal = {Journal of Machine Learning Research},
  volume = {24},
  number = {363},
  pages = {1--6},
  year = {2023}
}"""


def in_file(file: File, name: str, class_name: str) -> Plugin | None:
    """The optimizer or plain plugin of Avalanche in a user's file; None if it holds another kind.

    A class that is named may be derived from any; without a name the one public class must be
    derived from an `...Optimizer` or `...Plugin`.

    Raises:
        UserError: There is no class of that name.
    """
    classes = classes_of(tree_of(file.path, file))
    if any(bases_of(node) & OWN_BASES for node in classes if class_name in ("", node.name)):
        return None
    named = [node for node in classes if node.name == class_name]
    if class_name and not named:
        tree = tree_of(file.path, file)
        names = [
            node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
        ]
        near = did_you_mean(class_name, names)
        raise UserError(f"{file.path} has no class or function {class_name!r}{near}")
    bare_classes = [node for node in classes if _is_bare(node)]
    chosen = named or bare_classes
    if len(chosen) != 1 or not chosen[0].bases:
        return None
    node = chosen[0]
    docstring = (ast.get_docstring(node) or "").strip()
    return Plugin(
        kind="strategies",
        name=name,
        path=file.path,
        class_name=node.name,
        summary=docstring.split("\n")[0],
        options={},
        file=file,
        brings_optimizer=not any(base.endswith("Plugin") for base in bases_of(node)),
        is_bare=True,
    )


def of_module(reference: str) -> Plugin:
    """The plugin of a class in an installed module, with the hash of the file that defines it.

    Raises:
        UserError: There is no such module or class.
    """
    stem, _, class_name = reference.partition(":")
    module = module_of(reference)
    name = module.__name__
    cls = getattr(module, class_name, None)
    if not isinstance(cls, type):
        public = [key for key, value in vars(module).items() if isinstance(value, type)]
        hint = did_you_mean(class_name, public)
        raise UserError(f"{reference}: {name} has no class {class_name!r}{hint}")
    path = _source_of(cls, reference)
    return Plugin(
        kind="strategies",
        name=reference,
        path=path,
        class_name=class_name,
        summary=(inspect.getdoc(cls) or "").strip().split("\n")[0],
        options={},
        module=name,
        source_hash=hashlib.sha256(path.read_bytes()).hexdigest()[:12],
        citation=AVALANCHE if stem == "avalanche" else "",
        brings_optimizer=any(base.__name__ == "Optimizer" for base in cls.__mro__),
        is_bare=True,
    )


def module_of(reference: str) -> ModuleType:
    """The module before the colon.

    Raises:
        UserError: It cannot be loaded.
    """
    stem = reference.partition(":")[0]
    name = PACKAGES.get(stem, stem)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what only other classes of the package need
            return importlib.import_module(name)
    except Exception as error:  # the code of a package may fail in any way
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{reference}: the module {name} cannot be loaded: {reason}") from error


def _source_of(cls: type, reference: str) -> Path:
    try:
        return Path(inspect.getfile(cls))
    except (TypeError, OSError) as error:
        raise UserError(
            f"{reference}: its class must come from a file, whose hash tells versions apart"
        ) from error


def _is_bare(node: ast.ClassDef) -> bool:
    return any(base.endswith(("Optimizer", "Plugin")) for base in bases_of(node))

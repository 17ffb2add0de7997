"""Import a package without the packages that only unused parts of it need."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@contextmanager
def postponed(modules: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Within the block, an import of these modules loads nothing.

    The code imported in the block keeps stand-ins, which load the real module when they are used.
    After the block, and for a module that was loaded before it, every import is a real one.

    Args:
        modules: Full name of each module to the names that are imported *from* it. These names
            stand for functions, or for classes that are only called and not derived from.
    """
    stand_ins = {
        module: _StandIn(module, names)
        for module, names in modules.items()
        if module not in sys.modules
    }
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for stand_in in stand_ins.values():
            stand_in._remove()


class _StandIn(ModuleType):
    """A module that is loaded at the first use of one of its attributes."""

    def __init__(self, module: str, names: Sequence[str]) -> None:
        super().__init__(module)
        self.__spec__ = ModuleSpec(module, loader=None)  # `find_spec` refuses a module without one
        for name in names:
            setattr(self, name, _Later(module, name))

    def __getattr__(self, name: str) -> Any:
        importing = sys.modules.get(self.__name__) is self
        if importing and name.startswith("__"):
            raise AttributeError(name)  # the import system asks for __path__ and the like
        self._remove()  # a name that was not foreseen: load the real module at once
        return getattr(importlib.import_module(self.__name__), name)

    def _remove(self) -> None:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


class _Later:
    """A function or class of a module, looked up when it is used."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._real()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._real(), name)

    def _real(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

"""The state of a plugin in a checkpoint: its attributes, and those of the objects that it holds."""

from __future__ import annotations

import copy
import enum
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, TypeVar

import numpy
import torch
from torch import Tensor, nn

Method = TypeVar("Method", bound=Callable[..., Any])

PLAIN = (bool, int, float, str, type(None))
# values that cannot change, which a new instance has too
CONSTANT = (type, FunctionType, BuiltinFunctionType, ModuleType, torch.dtype, torch.device)
INNER = ".state"  # ends the key of an object's state, which no attribute's name can


def state_of(plugin: Any) -> Any:
    """What a checkpoint keeps of a plugin: its `state_dict()` or, without one, its attributes.

    Of a generator of random numbers that is the tensor of its state.
    """
    if isinstance(plugin, torch.Generator):
        return plugin.get_state()
    if isinstance(plugin, defaultdict):
        return copy.deepcopy(dict(plugin))
    if hasattr(plugin, "state_dict"):
        return plugin.state_dict()
    return attributes_of(plugin)


def held_by(plugin: Any) -> Any:
    """As `state_of`, without copies where nothing demands them: for looking at only."""
    if _has_own_state(plugin) or "state_dict" in vars(plugin):
        return state_of(plugin)
    return attributes_of(plugin, copies=False)


def load_state(plugin: Any, state: Any) -> None:
    """Restore what `state_of` returned into a new instance.

    Raises:
        ValueError: The new instance has not the objects of the old one.
    """
    if isinstance(plugin, torch.Generator):
        plugin.set_state(state.cpu())
    elif isinstance(plugin, defaultdict):
        plugin.clear()
        plugin.update(copy.deepcopy(state))
    elif hasattr(plugin, "load_state_dict"):
        plugin.load_state_dict(state)
    else:
        load_attributes(plugin, state)


def of_attributes(method: Method) -> Method:
    """Mark a method `state_dict` that returns `attributes_of`, see `unsaved`."""
    method.is_of_attributes = True  # type: ignore[attr-defined]
    return method


def attributes_of(plugin: Any, *, copies: bool = True) -> dict[str, Any]:
    """Every attribute with a plain value, and the state of every attribute that is an object.

    Plain are tensors, numbers, texts, and dicts, lists and tuples of those. An attribute of which
    `unsaved_attributes` names a part is left out.
    """
    state = {}
    left_out = {name.split(".")[0] for name in _unsaved(plugin, "", {id(plugin)})}
    for name, value in vars(plugin).items():
        value = value.item() if isinstance(value, numpy.generic) else value
        if _is_plain(value):
            state[name] = copy.deepcopy(value) if copies else value
        elif not _needs_nothing(value) and name not in left_out:
            state[name + INNER] = state_of(value) if copies else held_by(value)
    return state


def load_attributes(plugin: Any, state: Mapping[str, Any]) -> None:
    """Inverse of `attributes_of`.

    Raises:
        ValueError: An attribute that was an object is none in the new instance.
    """
    for key, value in state.items():
        name = key.removesuffix(INNER)
        if name == key:
            setattr(plugin, name, _restored(value, vars(plugin).get(name)))
            continue
        held = vars(plugin).get(name)
        if _is_plain(held):
            raise ValueError(
                f"{type(plugin).__name__}.{name} must be made in __init__ for its saved state, "
                f"got {held!r:.40}"
            )
        load_state(held, value)


def _restored(saved: Any, held: Any) -> Any:
    """A copy of a saved value; a parameter that is held at the same place stays that parameter.

    A hook before the experience may have taken it from the model.
    """
    if isinstance(held, nn.Parameter) and isinstance(saved, Tensor) and held.shape == saved.shape:
        held.data.copy_(saved)
        return held
    if type(saved) is dict and type(held) is dict:
        return {name: _restored(value, held.get(name)) for name, value in saved.items()}
    if type(saved) in (list, tuple) and type(held) is type(saved) and len(held) == len(saved):
        return type(saved)(map(_restored, saved, held))
    return copy.deepcopy(saved)


def unsaved(plugin: Any) -> list[str]:
    """Names of the attributes that `state_of` leaves out, such as `buffer` or `inner.buffer`.

    A class with a `state_dict` of its own decides what belongs to its state: none is left out.
    """
    if _has_own_state(plugin):
        return []
    return [*_unsaved(plugin, "", {id(plugin)})]


def same_values(a: Any, b: Any) -> bool:
    """Whether two nested values are equal; tensors are compared bit for bit, NaN equals NaN."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0))
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_values(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same_values, a, b))
    if isinstance(a, numpy.ndarray) and isinstance(b, numpy.ndarray):
        return numpy.array_equal(a, b)
    return type(a) is type(b) and (a == b or a != a)


def _unsaved(plugin: Any, path: str, met: set[int]) -> Iterator[str]:
    """Walks the objects that a plugin holds, each once: `met` ends circles."""
    for name, value in vars(plugin).items():
        if isinstance(value, numpy.generic) or _is_plain(value):
            continue
        if _needs_nothing(value) or _has_own_state(value):
            continue
        one_of_its_kind = isinstance(value, dict | enum.Enum) or not hasattr(value, "__dict__")
        if one_of_its_kind or id(value) in met:
            yield path + name
        else:
            met.add(id(value))
            yield from _unsaved(value, f"{path}{name}.", met)


def _has_own_state(value: Any) -> bool:
    """Whether it has a `state_dict` other than one that is made of attributes."""
    if isinstance(value, torch.Generator):
        return True
    if isinstance(value, defaultdict):
        return _is_plain(dict(value))
    method = getattr(type(value), "state_dict", None)
    return method is not None and not getattr(method, "is_of_attributes", False)


def _needs_nothing(value: Any) -> bool:
    """Whether it is a constant, or a tensor with a graph, which belongs to one mini-batch."""
    return isinstance(value, CONSTANT) or getattr(value, "grad_fn", None) is not None


def _is_plain(value: Any) -> bool:
    """Exact types: a file of state does not hold their subclasses, such as namedtuples."""
    if type(value) in (dict, OrderedDict):
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    if type(value) in (list, tuple, torch.Size):
        return all(_is_plain(v) for v in value)
    if isinstance(value, Tensor):
        return value.grad_fn is None
    return type(value) in PLAIN

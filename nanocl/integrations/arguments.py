"""Checks the arguments of the meter before a training begins."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, Concatenate, ParamSpec, TypeVar

from nanocl.records.ranges import did_you_mean, nearest

FORM = 'as in keep={"old task": old_test}'
Self = TypeVar("Self")
P = ParamSpec("P")


def named(init: Callable[Concatenate[Self, P], None]) -> Callable[Concatenate[Self, P], None]:
    """An `__init__` whose errors about arguments name the class that was called, not its base."""
    signature = inspect.signature(init)
    names = [*signature.parameters][1:]

    @functools.wraps(init)
    def checked(self: Self, *args: P.args, **options: P.kwargs) -> None:
        name = type(self).__name__
        for option in options:
            if option not in names:
                raise TypeError(f"{name} has no argument {option!r}{did_you_mean(option, names)}")
        try:
            signature.bind(self, *args, **options)
        except TypeError as error:
            raise TypeError(f"{name}: {error}; write {name}(keep={{...}}, name=value)") from None
        init(self, *args, **options)

    return checked


def count(name: str, value: Any, least: int) -> int:
    """The number, also of numpy; a ValueError if it is no integer or too small."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def names(tasks: Iterable[str]) -> tuple[str, ...]:
    """The names of trainings, read once; a TypeError for one text."""
    if isinstance(tasks, str):
        raise TypeError(f"tasks takes a list, as in tasks=[{tasks!r}], got the text {tasks!r}")
    return tuple(tasks)


def check_kept(keep: Any) -> None:
    """Check the names and the kinds of kept data.

    Raises:
        TypeError: They have no names or are of a kind that is not measured.
        ValueError: Nothing is kept, or a data set has no sample.
    """
    if not isinstance(keep, Mapping):
        raise TypeError(f"keep takes names, {FORM}, got {type(keep).__name__}")
    if not keep:
        raise ValueError(
            f"keep is empty, so no forgetting would be measured; give a data set or a function of "
            f"the model under a name, {FORM}"
        )
    for name, kept in keep.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"a name in keep is a text, {FORM}, got {name!r}")
        if not callable(kept):
            _check_data(f"keep[{name!r}]", kept, "data sets or functions of the model")


def check_new(new: Any, tasks: Sequence[str]) -> None:
    """Check data for KL, and that those by task are of a task.

    Raises:
        TypeError: `new` is of a kind that is not measured.
        ValueError: A data set has no sample, or `new` names no task.
    """
    if not isinstance(new, Mapping):
        if new is not None:
            _check_data("new", new, "a data set or a mapping of tasks to data sets")
        return
    for name, data in new.items():
        _check_data(f"new[{name!r}]", data, "data sets")
        if name not in tasks and not re.fullmatch(r"task [1-9]\d*", str(name)):
            form = f"the names are those of tasks={[*tasks]}" if tasks else "give tasks=[...] too"
            raise ValueError(
                f"new has data of {name!r}, which is no task, so their KL would not be measured; "
                f"{form}, or give one data set"
            )


def unkept(keep: Mapping[str, Any], tasks: Sequence[str]) -> str:
    """A sentence about tasks that look like misspelt names of `keep` or give no matrix; or ''."""
    unknown = [task for task in dict.fromkeys(tasks) if task not in keep]
    free = [name for name in keep if name not in tasks]
    near = {task: nearest(str(task), free) for task in unknown}
    meant = [f"did you mean {name!r} for {task!r}?" for task, name in near.items() if name]
    distinct = len({*tasks})
    has_matrix = distinct - len(unknown) >= 2
    if distinct < 2 or (has_matrix and not meant):  # one training has no matrix to lose
        return ""
    lost = "they have no column in the evaluation matrix"
    if not has_matrix:
        lost = "there will be no evaluation matrix, which needs two tasks of keep"
    listed = ", ".join(map(repr, unknown))
    return f"tasks not in keep: {listed}; {lost}{'; ' * bool(meant)}{' '.join(meant)}"


def _check_data(what: str, data: Any, kinds: str) -> None:
    argument = what.partition("[")[0]
    if hasattr(data, "dataset") and not hasattr(data, "__getitem__"):
        name = type(data).__name__
        raise TypeError(f"{what} is a {name}, whose samples may be shuffled; give its .dataset")
    is_read = hasattr(data, "__len__") and hasattr(data, "__getitem__")
    if isinstance(data, str) or not is_read:
        raise TypeError(
            f"{argument} takes {kinds}, and a data set has a length and samples by number; "
            f"{what} is of type {type(data).__name__}"
        )
    if not len(data):
        raise ValueError(f"{what} has no sample; give a data set that has some")

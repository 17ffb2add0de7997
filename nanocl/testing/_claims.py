"""What every check uses: one sentence on failure, what a class declares, what it must leave alone."""

from __future__ import annotations

import contextlib
import inspect
import io
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

PLAIN = {"bool", "int", "float", "str", "None"}


class NotConforming(AssertionError):
    """A plugin breaks its contract; the message says how, in one sentence."""


def claim(holds: bool, sentence: str) -> None:
    """Raise `NotConforming` with the sentence unless it holds."""
    if not holds:
        raise NotConforming(sentence)


def declared(cls: type, *, positional: int = 0) -> None:
    """Options with defaults and plain types, a docstring with `Source:`, BibTeX as the citation.

    Args:
        cls: A plugin class.
        positional: Arguments before the options (a model takes the input shape).
    """
    options = list(inspect.signature(cls).parameters.values())[positional:]
    for option in options:
        described = hasattr(cls, "options_of") or hasattr(cls, "optimizer_class")
        if option.kind is option.VAR_KEYWORD and described:
            continue  # further options come from a library or an optimizer's signature
        label = f"{cls.__name__}: the option {option.name!r}"
        claim(option.kind is option.KEYWORD_ONLY, f"{label} must be keyword-only")
        claim(option.default is not option.empty, f"{label} needs a default")
        types = {name.strip() for name in _annotation(option).split("|")}
        claim(
            types <= PLAIN,
            f"{label} must have a type made of {', '.join(sorted(PLAIN))}, got {_annotation(option)}",
        )
        claim(
            isinstance(option.default, bool | int | float | str | type(None)),
            f"{label} must have a plain default, got {option.default!r}",
        )
    claim(
        "Source:" in (inspect.getdoc(cls) or ""),
        f"{cls.__name__}: the docstring needs a line 'Source:'",
    )
    citation = getattr(cls, "citation", "")
    claim(
        isinstance(citation, str) and (not citation or citation.lstrip().startswith("@")),
        f"{cls.__name__}: citation must be BibTeX, got {citation!r}",
    )


def scenarios_of(cls: type) -> tuple[str, ...]:
    """The scenarios a class declares, checked."""
    known = ("class", "task", "domain")
    found = getattr(cls, "scenarios", ())
    claim(
        isinstance(found, tuple) and bool(found) and set(found) <= set(known),
        f"{cls.__name__}: scenarios must be a tuple of some of {', '.join(known)}, got {found!r}",
    )
    return found


@contextlib.contextmanager
def silence(cls: type) -> Iterator[None]:
    """Claim that nothing is printed inside."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        yield
    claim(
        not shown.getvalue(),
        f"{cls.__name__}: nothing may be printed, got {shown.getvalue()[:80]!r}",
    )


@contextlib.contextmanager
def global_chance(mark: int) -> Iterator[dict[str, Any]]:
    """Seed the global generators with `mark` inside; yields a dict that holds their states at the end."""
    kept, after = _states(), {}
    random.seed(mark)
    np.random.seed(mark)
    torch.manual_seed(mark)
    try:
        yield after
        after.update(_states())
    finally:
        random.setstate(kept["random"])
        np.random.set_state(kept["numpy"])
        torch.set_rng_state(kept["torch"])


def same_values(a: Any, b: Any) -> bool:
    """Whether two nested values are equal, tensors bit for bit."""
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
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return type(a) is type(b) and (a == b or a != a)


def _states() -> dict[str, Any]:
    return {
        "random": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
    }


def _annotation(option: inspect.Parameter) -> str:
    given = option.annotation
    return given if isinstance(given, str) else getattr(given, "__name__", str(given))

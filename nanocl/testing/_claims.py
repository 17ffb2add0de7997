"""Claims that several checks share: the declaration of a class, silence, the global generators."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Iterator

from nanocl.records import SCENARIOS

PLAIN = {"bool", "int", "float", "str", "None"}


class NotConforming(AssertionError):
    """A plugin breaks its contract; the message states the broken rule in one sentence."""


def claim(holds: bool, sentence: str) -> None:
    """Raise `NotConforming` with the sentence unless the claim holds."""
    if not holds:
        raise NotConforming(sentence)


def declared(cls: type, *, positional: int = 0) -> None:
    """Claim that a class declares its options, source, citation and version correctly.

    Options are keyword-only, with plain types and plain defaults. The docstring has a line
    `Source:`. The citation is BibTeX or empty. The version, if declared, is an integer from 1.

    Args:
        cls: A plugin class.
        positional: Number of arguments before the options (1 for a model: the input shape).
    """
    name = cls.__name__
    for option in list(inspect.signature(cls).parameters.values())[positional:]:
        has_further = hasattr(cls, "options_of") or hasattr(cls, "optimizer_class")
        if option.kind is option.VAR_KEYWORD and has_further:
            continue  # these options come from a library or from an optimizer's signature
        _option_is_plain(option, f"{name}: the option {option.name!r}")
    claim("Source:" in (inspect.getdoc(cls) or ""), f"{name}: the docstring needs a line 'Source:'")
    citation = getattr(cls, "citation", "")
    claim(
        isinstance(citation, str) and (not citation or citation.lstrip().startswith("@")),
        f"{name}: citation must be BibTeX, got {citation!r}",
    )
    version = getattr(cls, "version", 1)
    claim(
        type(version) is int and version >= 1,
        f"{name}: version must be an integer from 1, got {version!r}",
    )


def _option_is_plain(option: inspect.Parameter, label: str) -> None:
    claim(option.kind is option.KEYWORD_ONLY, f"{label} must be keyword-only")
    claim(option.default is not option.empty, f"{label} needs a default")
    annotation = _annotation(option)
    types = {name.strip() for name in annotation.split("|")}
    claim(
        types <= PLAIN,
        f"{label} must have a type made of {', '.join(sorted(PLAIN))}, got {annotation}",
    )
    claim(
        isinstance(option.default, bool | int | float | str | type(None)),
        f"{label} must have a plain default, got {option.default!r}",
    )


def scenarios_of(cls: type) -> tuple[str, ...]:
    """The scenarios that a class declares, after a claim that they are valid."""
    scenarios = getattr(cls, "scenarios", ())
    claim(
        isinstance(scenarios, tuple) and bool(scenarios) and set(scenarios) <= set(SCENARIOS),
        f"{cls.__name__}: scenarios must be a tuple of some of {', '.join(SCENARIOS)}, "
        f"got {scenarios!r}",
    )
    return scenarios


@contextlib.contextmanager
def silence(cls: type) -> Iterator[None]:
    """Claim that the code in this context prints nothing."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield
    claim(
        not printed.getvalue(),
        f"{cls.__name__}: nothing may be printed, got {printed.getvalue()[:80]!r}",
    )


def _annotation(option: inspect.Parameter) -> str:
    annotation = option.annotation
    if isinstance(annotation, str):
        return annotation
    return getattr(annotation, "__name__", str(annotation))

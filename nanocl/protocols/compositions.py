"""One composition such as `ewc+sgd`: its parts with their options, and where those come from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import sweeps
from nanocl.protocols.baselines import tuned_options, tuning_seeds
from nanocl.protocols.request import Request, options_for
from nanocl.records import Part, UserError

DEFAULT_OPTIMIZER = "adamw"  # of a learner whose strategies bring none

Completed = tuple[tuple[Part, ...], str]  # parts, and where their options come from


@dataclass(frozen=True)
class Compositions:
    """Completes the compositions of one protocol at one tier and scenario.

    Attributes:
        name: The protocol's name.
        protocol: Its tables at the tier and scenario.
        request: What the caller asks for.
        catalogue: All plugins.
    """

    name: str
    protocol: Mapping[str, Any]
    request: Request
    catalogue: Catalogue

    def rows(self) -> list[Completed]:
        """Every composition, arm and point of a sweep, without repeats.

        Raises:
            UserError: An unknown strategy or option, or parts that do not go together.
        """
        rows: list[Completed] = []
        for text, names in self.names().items():
            for row in self._points(text, names):
                if row not in rows:
                    rows.append(row)
        return rows

    def names(self) -> dict[str, tuple[str, ...]]:
        """Each composition or arm as it was given, with the names of its parts in order."""
        texts = self.request.strategies or self.protocol["strategies"]
        return {text: self._ordered(sweeps.composition(text, self.protocol)) for text in texts}

    def optimizer(self) -> str:
        """The one part that brings the optimizer of every composition.

        Raises:
            UserError: There are several, or a composition names none.
        """
        last = {names[-1] for names in self.names().values()}
        without = sorted(name for name in last if not self._brings_optimizer(name))
        if without:
            raise UserError(
                f"--lr: {without[0]} names no optimizer; write {without[0]}+{DEFAULT_OPTIMIZER}"
            )
        if len(last) > 1:
            first, second = sorted(last)[:2]
            raise UserError(
                f"--lr is ambiguous, {first} and {second} have one each: use --set {first}.lr=VALUE"
            )
        return last.pop()

    def _ordered(self, composition: str) -> tuple[str, ...]:
        """The part that brings an optimizer last, the others as given.

        `adam+ewc` and `ewc+adam` are one composition.
        """
        names = composition.split("+")
        return tuple(sorted(names, key=self._brings_optimizer) if len(names) > 1 else names)

    def _brings_optimizer(self, name: str) -> bool:
        return self.catalogue.plugin("strategies", name).brings_optimizer

    def _points(self, text: str, names: tuple[str, ...]) -> Iterator[Completed]:
        """The settings of one arm or composition: one, or those of its sweep."""
        leader = names[-1] if self._brings_optimizer(names[-1]) else ""
        set_by_hand = {name: options_for(self.request.settings, name) for name in names}
        swept = self._swept(set_by_hand)
        points = sweeps.points(text, names, leader, self.protocol, set_by_hand, swept)
        published = self.protocol["options"]
        for point in points:
            options = {
                part: {**published.get(part, {}), **point.get(part, {})}
                for part in (*published, *point)
            }
            fixed = _without_swept(set_by_hand, swept)
            parts, options_from = self._completed(text, names, options, fixed)
            yield parts, "sweep" if len(points) > 1 else options_from

    def _swept(self, by_hand: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], list[Any]]:
        """By part and option the several values that the caller sets, such as `1e-3,1e-4`.

        A comma separates values unless the option is a text.
        """
        swept: dict[tuple[str, str], list[Any]] = {}
        for part, values in by_hand.items():
            listed = {name: _values_of(value) for name, value in values.items()}
            several = {name: entries for name, entries in listed.items() if len(entries) > 1}
            texts = self.catalogue.texts("strategies", part) if several else ()
            for name, entries in several.items():
                if name not in texts or not isinstance(values[name], str):
                    swept[part, name] = entries
        return swept

    def _completed(
        self,
        text: str,
        names: tuple[str, ...],
        published: Mapping[str, Any],
        set_by_hand: Mapping[str, Mapping[str, Any]],
    ) -> Completed:
        self._check(names)
        place = self._place(text, names)
        tuned = tuned_options(*place) if self.request.tuned else {}
        parts = []
        for name in names:
            values = {
                **options_for(tuned, name),
                **options_for(published, name),
                **set_by_hand[name],
            }
            parts.append(self.catalogue.complete("strategies", name, values))
        listed = (sweeps.composition(text, self.protocol) for text in self.protocol["strategies"])
        is_listed = names in map(self._ordered, listed)
        # an arm's own options say which learner it is, not where its other options come from
        own = self.protocol["arm"].get(text, {}).get("options", {})
        source = options_from(
            parts,
            _without(tuned, published),
            _without(published, own) if is_listed else {},
            self.request,
        )
        if source == "tuned":
            self._check_seeds(place)
        return tuple(with_default_optimizer(parts, self.catalogue)), source

    def _place(self, text: str, names: tuple[str, ...]) -> tuple[str, str, str, str]:
        """Where tuned options stand: those of an arm under its name, others under the parts."""
        composition = text if text in self.protocol["arm"] else "+".join(names)
        return self.name, self.request.tier, self.protocol["scenario"], composition

    def _check_seeds(self, place: tuple[str, str, str, str]) -> None:
        """Refuse to report seeds that the options were tuned on."""
        seen = sorted({*self.request.seeds} & tuning_seeds(*place))
        if seen:
            raise UserError(
                f"{place[-1]} was tuned on seeds {', '.join(map(str, seen))}, which are not "
                "reported: take others with --seeds"
            )

    def _check(self, names: tuple[str, ...]) -> None:
        composition = "+".join(names)
        for name in names:
            check_scenario(self.catalogue, "strategies", name, self.protocol["scenario"])
        if len({name.split(":")[0] for name in names}) < len(names):
            raise UserError(f"{composition} names a strategy twice")
        optimizers = [name for name in names if self._brings_optimizer(name)]
        if len(optimizers) > 1:
            raise UserError(
                f"{composition}: at most one part may bring an optimizer, got "
                f"{' and '.join(optimizers)}"
            )


def with_default_optimizer(parts: Sequence[Part], catalogue: Catalogue) -> list[Part]:
    """The parts; where none brings an optimizer, the version of the default one counts too.

    Raises:
        UserError: A part is no strategy of the catalogue.
    """
    *others, last = parts
    if catalogue.plugin("strategies", last.name).brings_optimizer:
        return [*parts]
    default = catalogue.plugin("strategies", DEFAULT_OPTIMIZER)
    # as for a strategy that names its optimizer: both only ever rise
    return [*others, replace(last, version=last.version + default.version - 1)]


def options_from(
    parts: Sequence[Part],
    tuned: Mapping[str, Any],
    published: Mapping[str, Any],
    request: Request,
) -> str:
    """Where the options of a composition come from.

    `tuned` and `published` hold only for the protocol that they were made for. A composition is
    `tuned` if it uses a tuned option. If the protocol lists it and gives options for every part
    that has any, it is `published` at the tier `paper`, which follows a publication; at the others
    these options are the choice of the protocol's author, `protocol`.
    """

    def named_in(options: Mapping[str, Any]) -> list[bool]:
        names = [part.name for part in parts if part.options]
        return [name in options or name.split(":")[0] in options for name in names]

    if any(named_in(request.settings)):
        return "set"
    if any(named_in(tuned)):
        return "set" if request.changes_what_was_tuned_for else "tuned"
    if named_in(published) and all(named_in(published)):
        own = "published" if request.tier == "paper" else "protocol"
        return "set" if request.changes_protocol else own
    return "default"


def _values_of(value: Any) -> list[Any]:
    """The entries of a list, or of a text with commas; else the value alone."""
    if isinstance(value, str):
        return [entry.strip() for entry in value.split(",") if entry.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]


def _without_swept(
    by_hand: Mapping[str, Mapping[str, Any]], swept: Collection[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """What the caller sets to one value, by part."""
    fixed: dict[str, dict[str, Any]] = {}
    for part, values in by_hand.items():
        fixed[part] = {name: one for name, one in values.items() if (part, name) not in swept}
    return fixed


def _without(
    options: Mapping[str, Mapping[str, Any]], others: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Those options by part that the others do not give; parts without any are left out."""
    left = {}
    for part, values in options.items():
        given = options_for(others, part)
        left[part] = {name: value for name, value in values.items() if name not in given}
    return {part: values for part, values in left.items() if values}


def check_scenario(
    catalogue: Catalogue,
    kind: str,
    name: str,
    scenario: str,
) -> None:
    """Refuse a plugin that does not support the scenario.

    Raises:
        UserError: With the scenarios that it supports.
    """
    supported: Iterable[str] = catalogue.plugin(kind, name).scenarios
    if scenario not in supported:
        raise UserError(
            f"{name} does not support the {scenario}-incremental scenario; "
            f"it supports {', '.join(supported)}"
        )

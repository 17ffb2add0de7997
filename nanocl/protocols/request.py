"""What a caller asks to be run, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nanocl.protocols.protocol import protocols
from nanocl.records import Option

Setting = Option | Sequence[Option]  # several values make a sweep


@dataclass(frozen=True)
class Request:
    """What is to be run; an empty value means: as the protocol says.

    Attributes:
        stream: Name of a protocol, an alias, a stream family, or a TOML file.
        strategies: Compositions, such as `("adamw", "ewc+nanoadam")`.
        seeds: Seeds.
        scenario, tier, model: Names.
        settings: Part name to option to value, from `--set part.option=value`
            (text) or of `nanocl.run` (plain values; a sequence of them makes a sweep).
        lr: Learning rate of the one optimizer of these runs.
        tuned: Whether tuned options are used where there are any.
        evaluate, track_every: See `nanocl.records.measuring.Measuring`.
    """

    stream: str = "split-digits"
    strategies: Sequence[str] = ()
    seeds: Sequence[int] = ()
    scenario: str = ""
    tier: str = "cpu"
    model: str = ""
    settings: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    lr: str = ""
    evaluate: str = ""
    track_every: int = 0
    tuned: bool = True

    @property
    def changes_protocol(self) -> bool:
        """Whether options that were published for the protocol no longer apply."""
        return self._changes_parts or self.stream.endswith(".toml")

    @property
    def changes_what_was_tuned_for(self) -> bool:
        """Whether options that were tuned for the protocol no longer apply.

        A user's file is the protocol of its name, unless nanocl has one of that name.
        """
        is_file = self.stream.endswith(".toml")
        return self._changes_parts or (is_file and Path(self.stream).stem in protocols())

    @property
    def _changes_parts(self) -> bool:
        return bool(self.model or {"stream", "training", "model"} & set(self.settings))


def options_for(options: Mapping[str, Mapping[str, object]], name: str) -> dict[str, object]:
    """Options of a part: those of `torch`, then those of `torch:Muon`, which win."""
    return {**options.get(name.split(":")[0], {}), **options.get(name, {})}

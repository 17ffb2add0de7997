"""The lines above a table: what its board separates, its protocol, and which rows are untuned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nanocl.records import Part, RunResult, RunSpec, Summary, Training
from nanocl.records.spec import LATER
from nanocl.reporting import discriminability, formats, origins, statistics
from nanocl.reporting.ranking import Ranking, is_sweep, rank
from nanocl.reporting.summaries import (
    SHOWN_DIGITS,
    as_text,
    measure_of,
    plugin_text,
    results_of,
)


def above(summaries: Sequence[Summary]) -> tuple[str, ...]:
    """Everything above a table of the rows of one protocol; a sweep is not tested.

    Raises:
        ValueError: They do not share a protocol.
    """
    protocol = protocol_lines(summaries)
    separated = () if is_sweep(summaries) else separation(rank(summaries))
    return (*separated, *protocol, *origins.untuned(summaries))


def separation(ranking: Ranking) -> Iterator[str]:
    """What the board separates, in words; its verdict on itself comes first."""
    power = ranking.power
    if ranking.preliminary:
        seeds = f"{len(ranking.seeds)} seed{'' if len(ranking.seeds) == 1 else 's'}"
        yield f"preliminary: {seeds}; no tests and no ranks below {statistics.FEWEST_TESTED}"
    if power is None:
        return
    if not power.ranks:
        yield (
            f"this board does not rank its rows: D = {power.share:.2f} is below "
            f"{discriminability.RANKS_FROM}"
        )
    measure = measure_of(ranking.places[0].row)
    residual, smallest, largest = (
        formats.number(value, ranking.score.unit, measure)
        for value in (power.residual, power.smallest, power.largest)
    )
    yield (
        f"separable pairs: {power.separable} of {power.pairs} (D = {power.share:.2f}); "
        f"ICC {power.intraclass:.2f}"
    )
    yield (
        f"power: with {len(ranking.seeds)} seeds and a residual deviation of {residual}, "
        f"differences of {smallest} are separated at {discriminability.POWER:.0%} power; the "
        f"largest difference is {largest}"
    )


def protocol_lines(summaries: Sequence[Summary]) -> tuple[str, ...]:
    """The protocol that all these rows share, in words.

    Raises:
        ValueError: They do not share a protocol.
    """
    protocols = sorted({row.protocol_hash for row in summaries})
    if len(protocols) != 1:
        names = ", ".join(protocols) or "no rows"
        raise ValueError(f"rows of one table must share a protocol, got {names}")
    first = summaries[0].results[0]
    spec = first.spec
    training = first.spec.training
    length = f"epochs {training.epochs}"
    if training.iterations:
        length = f"{training.iterations} mini-batches"
    seeds = sorted({run.spec.seed for run in results_of(summaries)})
    return (
        f"{heading(spec)}; protocol `{spec.protocol_hash}`",
        f"stream: {_part_line(spec.stream)}",
        f"model: {_part_line(spec.model)}",
        f"training of an experience: {length}, batch size {training.batch_size}, head "
        f"{training.head}, optimizer state {training.optimizer_state}, threads "
        f"{training.threads}, evaluation batch size {training.evaluation_batch_size}, measured on "
        f"the {training.measured_on} data{_later(training)}",
        f"data: {data_line(first)}",
        f"seeds: {_listed(seeds)}",
    )


def _listed(numbers: Sequence[int]) -> str:
    """Numbers in ascending order; three or more in succession as `0 to 9`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(
        f"{part[0]} to {part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts
    )


def _later(training: Training) -> str:
    """The options of training that not all versions have, where they differ from the default."""
    chosen = {name: value for name, value in training.identity().items() if name in LATER}
    return "".join(f", {name.replace('_', ' ')} {value}" for name, value in chosen.items())


def heading(spec: RunSpec) -> str:
    """Protocol, tier and scenario, such as `split-mnist, tier cpu, class-incremental`."""
    return f"{spec.protocol}, tier {spec.tier}, {spec.scenario}-incremental"


def data_line(result: RunResult) -> str:
    """Name, fingerprint and release (`official` or `other`) of each data set."""
    facts = []
    for data in result.data:
        release = data.get("release", "release not recorded")
        facts.append(f"{data['name']} `{data['fingerprint']}` ({release})")
    return ", ".join(facts) or "synthetic"


def _part_line(part: Part) -> str:
    """A plugin with its origin and its options."""
    options = ", ".join(f"{name}={as_text(value)}" for name, value in part.options.items())
    return f"{part.name}{_origin(part)}" + (f" with {options}" if options else "")


def _origin(part: Part) -> str:
    """A user's plugin, and where the weights of a model come from; empty without either."""
    origins = []
    if part.plugin:
        origins.append(plugin_text(part))
    if part.weights:
        origins.append(f"weights {part.weights[:SHOWN_DIGITS]}")
    if part.pretrained_on:
        origins.append(f"pretrained here on {part.options.get('pretrain')}")
    return f" ({', '.join(origins)})" if origins else ""

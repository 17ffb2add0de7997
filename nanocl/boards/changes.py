"""What changed from one version of a board to the next, and `CHANGELOG.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nanocl.boards.released import Version
from nanocl.reporting import inert

Manifest = Mapping[str, Any]
_KINDS = ("records_added", "records_changed", "records_removed")


def between(old: Manifest | None, new: Manifest) -> dict[str, Any]:
    """The changes from one content to another one; both have `protocol` and `records`.

    Records are compared within one protocol only: under another protocol every record is another
    run. `learners_added` are those without any record before.
    """
    before = _by_path(old["records"]) if old else {}
    after = _by_path(new["records"])
    changed = [path for path in after if path in before and _sum(after, path) != _sum(before, path)]
    learners = _learners(after.values())
    old_learners = _learners(before.values())
    is_new_protocol = old is not None and old["protocol"] != new["protocol"]
    changes: dict[str, Any] = {
        "protocol": differing_keys(old["protocol"], new["protocol"]) if old else [],
        "learners_added": [name for name in learners if name not in old_learners],
        "learners_removed": [name for name in old_learners if name not in learners],
    }
    if old is None or is_new_protocol:
        return changes | {kind: {} for kind in _KINDS}
    paths = (
        [path for path in after if path not in before],
        changed,
        [path for path in before if path not in after],
    )
    every = before | after
    for kind, chosen in zip(_KINDS, paths, strict=True):
        changes[kind] = _seeds(every[path] for path in chosen)
    return changes


def is_empty(old: Manifest | None, new: Manifest) -> bool:
    """Whether nothing changed: the same protocol and the same records."""
    if old is None or old["protocol"] != new["protocol"]:
        return False
    return not any(between(old, new)[kind] for kind in _KINDS)


def next_version(old: Manifest | None, new: Manifest) -> Version:
    """1.0 for the first; a changed protocol raises Major, changed records raise Minor."""
    if old is None:
        return Version(1, 0)
    major, minor = map(int, old["version"].split("."))
    if old["protocol"] != new["protocol"]:
        return Version(major + 1, 0)
    return Version(major, minor + 1)


def differing_keys(old: Any, new: Any, place: str = "") -> list[str]:
    """`key: old -> new` for every leaf in which two nested mappings differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in sorted({*old, *new}):
            lines += differing_keys(old.get(key), new.get(key), f"{place}.{key}" if place else key)
        return lines
    return [] if old == new else [f"{place}: {_shown(old)} -> {_shown(new)}"]


def page(manifest: Manifest) -> str:
    """`CHANGELOG.md` of a version."""
    previous = manifest["previous"]
    since = f"changes since v{previous['version']}" if previous else "the first version"
    lines = [
        f"# {manifest['board']} v{manifest['version']}: {since}",
        "",
        *(f"- {inert.markdown(line)}" for line in _lines(manifest)),
    ]
    if manifest["notes"]:
        lines += ["", inert.markdown_line(manifest["notes"])]
    return inert.page("\n".join(lines) + "\n")


def _lines(manifest: Manifest) -> Iterator[str]:
    changes, previous = manifest["changes"], manifest["previous"]
    learners, records = len(manifest["learners"]), len(manifest["records"])
    yield f"{records} records of {learners} learners, nanocl {manifest['nanocl']}"
    if previous:
        yield f"version before: v{previous['version']}, sha256 `{previous['identity']}`"
    if changes["protocol"]:
        yield "the protocol changed, so that all records are new:"
        yield from (f"protocol {line}" for line in changes["protocol"])
    if previous:
        for kind in ("learners_added", "learners_removed"):
            if changes[kind]:
                yield f"{kind.replace('_', ' ')}: {', '.join(changes[kind])}"
    for kind in _KINDS:
        for learner, seeds in changes[kind].items():
            noun = "seed" if len(seeds) == 1 else "seeds"
            yield f"{kind.replace('_', ' ')}: {learner}, {noun} {', '.join(map(str, seeds))}"


def _by_path(records: Iterable[Manifest]) -> dict[str, Manifest]:
    return {record["path"]: record for record in records}


def _sum(records: Mapping[str, Manifest], path: str) -> str:
    return records[path]["checksum"]


def _learners(records: Iterable[Manifest]) -> list[str]:
    return sorted({record["learner"] for record in records})


def _seeds(records: Iterable[Manifest]) -> dict[str, list[int]]:
    """Learner to the seeds of these records."""
    seeds: dict[str, list[int]] = {}
    for record in records:
        seeds.setdefault(record["learner"], []).append(record["seed"])
    return {learner: sorted(seeds[learner]) for learner in sorted(seeds)}


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)

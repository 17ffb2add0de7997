"""The data and weights that specs name, as fingerprints in the specs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from nanocl.protocols import backbones
from nanocl.records import Option, Part, RunSpec, UserError


def pin(
    specs: Iterable[RunSpec],
    data_root: Path | None,
    *,
    download: bool = True,
) -> list[RunSpec]:
    """The same runs with the fingerprints of their data, so that a digest also says which data.

    Raises:
        UserError: The data is missing or corrupted.
    """
    fingerprints: dict[tuple[str, int], str] = {}
    models: dict[tuple[str, int], Part] = {}
    pinned = []
    for spec in specs:
        image_size = _image_size(spec.stream)
        named = (data_sets(spec), image_size)
        if named not in fingerprints:
            fingerprints[named] = _fingerprint(*named, data_root, download)
        model = (repr(spec.model), image_size)
        if model not in models:
            models[model] = backbones.pinned(
                spec.model,
                data_root,
                image_size=image_size,
                download=download,
            )
        pinned.append(replace(spec, model=models[model], data=fingerprints[named]))
    return pinned


def data_sets(spec: RunSpec) -> str:
    """The names of the data sets of a spec, joined by commas; '' for a synthetic stream."""
    from nanocl import data  # here, because it loads numpy: `--help` and `--list` work without it

    options = spec.stream.options
    if "datasets" in options:
        parsed = data.parse_names(str(options["datasets"]))
        return ",".join(dict.fromkeys(name for name, _ in parsed))
    if "data" in options and not options["data"]:
        raise UserError(
            f"{spec.protocol} needs a data set: --set stream.data=NAME, an image folder or zip of "
            "that name in the data root"
        )
    return str(options.get("data", ""))


def _image_size(stream: Part) -> int:
    size: Option = stream.options.get("image_size")
    return int(size or 0)


def _fingerprint(
    names: str,
    image_size: int,
    data_root: Path | None,
    download: bool,
) -> str:
    from nanocl import data

    return "+".join(
        data.fingerprint(name, data_root, image_size=image_size, download=download)
        for name in names.split(",")
        if name
    )

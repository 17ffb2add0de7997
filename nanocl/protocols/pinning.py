"""The data and weights that specs name, as fingerprints in the specs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from nanocl.models._encoders import folder_of
from nanocl.protocols import backbones
from nanocl.records import Part, RunSpec, UserError
from nanocl.records.roots import DataRoot


def pin(
    specs: Iterable[RunSpec],
    data_root: DataRoot,
    *,
    download: bool = True,
) -> list[RunSpec]:
    """The same runs with the fingerprints of their data, so that a digest also says which data.

    Raises:
        UserError: The data is missing or corrupted.
    """
    fingerprints: dict[tuple[str, str], str] = {}
    streams: dict[str, Part] = {}
    models: dict[tuple[str, str], Part] = {}
    readings: dict[str, dict[str, Any]] = {}
    pinned = []
    for given in specs:
        spec = replace(
            given, stream=_with_one_name(given.stream), model=_with_one_name(given.model)
        )
        stream = repr(spec.stream)
        if stream not in readings:
            readings[stream] = _reading(spec.stream, data_root, download)
            streams[stream] = _portable(spec.stream, data_root)
        named = (data_sets(spec), stream)
        if named not in fingerprints:
            fingerprints[named] = _fingerprint(named[0], readings[stream], data_root, download)
        model = (repr(spec.model), stream)
        if model not in models:
            models[model] = backbones.pinned(
                spec.model, data_root, reading=readings[stream], download=download
            )
        pinned.append(
            replace(spec, model=models[model], stream=streams[stream], data=fingerprints[named])
        )
    return pinned


def _with_one_name(part: Part) -> Part:
    """The part with each data set that it names to be split in one form."""
    from nanocl.data import splitting  # here, because it loads numpy

    names = {
        option: splitting.normalised(value)
        for option in ("data", "datasets", "pretrain")
        if isinstance(value := part.options.get(option), str) and ":" in value
    }
    return replace(part, options={**part.options, **names}) if names else part


def data_sets(spec: RunSpec) -> str:
    """The names of the data sets of a spec, joined by commas; '' for a synthetic stream."""
    from nanocl import data  # here, because it loads numpy: `--help` and `--list` work without it

    options = spec.stream.options
    if "datasets" in options:
        parsed = data.parse_names(str(options["datasets"]))
        return ",".join(dict.fromkeys(name for name, _ in parsed))
    if spec.has_own_data and not options["data"]:
        raise UserError(
            "the stream tensors is given in Python, nanocl.run(stream=[(train, test), ...]), or as "
            "--set stream.data=tensors-FINGERPRINT once it is stored"
        )
    if "data" in options and not options["data"]:
        raise UserError(
            f"{spec.protocol} needs a data set: --set stream.data=NAME, an image folder or zip of "
            "that name in the data root"
        )
    return str(options.get("data", ""))


def _reading(stream: Part, data_root: DataRoot, download: bool) -> dict[str, Any]:
    """Keyword arguments of `nanocl.data.load` that say how a stream reads data sets."""
    from nanocl import data

    options: Mapping[str, Any] = stream.options
    reading: dict[str, Any] = {"image_size": int(options.get("image_size") or 0)}
    if options.get("tokenizer"):
        folder = folder_of(str(options["tokenizer"]), data_root, download=download)
        longest = {name: options[name] for name in ("max_length",) if name in options}
        reading["tokenizer"] = data.Tokenizer(folder, **longest)
    return reading


def _portable(stream: Part, data_root: DataRoot) -> Part:
    """The stream with its tokenizer named as on any machine."""
    if not stream.options.get("tokenizer"):
        return stream
    name = backbones.portable(str(stream.options["tokenizer"]), data_root)
    return replace(stream, options={**stream.options, "tokenizer": name})


def _fingerprint(
    names: str,
    reading: Mapping[str, Any],
    data_root: DataRoot,
    download: bool,
) -> str:
    from nanocl import data

    return "+".join(
        data.fingerprint(name, data_root, download=download, **reading)
        for name in names.split(",")
        if name
    )

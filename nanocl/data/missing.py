"""The error for a missing data set: the places searched, and how to provide it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nanocl.data.archives import ARCHIVES
from nanocl.data.cifar import LAYOUTS
from nanocl.data.idx import FILES
from nanocl.data.sources import IDX_CLASSES, STANDARD, official_places
from nanocl.data.splitting import HINT, parsed
from nanocl.data.text import COLLECTIONS, FORMATS, collected_names
from nanocl.data.text_archives import ORIGINS
from nanocl.records import UserError
from nanocl.records.ranges import nearest
from nanocl.records.roots import DataRoot, roots

SPLIT_FILES = "{train,test}"


class DataMissing(UserError):
    """A data set is missing; the message lists the places searched and how to provide it."""


def data_missing(name: str, data_root: DataRoot, reason: str) -> DataMissing:
    """The error for the data set `name`.

    Args:
        name: The data set.
        data_root: The data roots, which need not exist.
        reason: Why it was not downloaded.
    """
    folders = roots(data_root)
    absent = [f"the data root {one} does not exist" for one in folders if not one.is_dir()]
    note = f" ({', '.join(absent)})" if absent else ""
    files, split = parsed(name)
    own_places = _places_to_split if split else _own_places
    own = [line for folder in folders for line in own_places(folder, files)]
    if name in STANDARD:
        listed = [place for folder in folders for place in official_places(name, folder)]
        places = dict.fromkeys(listed)
        lines = [
            f"data set {name!r} was not found{note}; searched",
            *(f"  {place}/{_files(name, place)}" for place in places),
            *own,
            f"it was not downloaded: {reason}",
        ]
    elif files in ORIGINS:
        lines = [f"data set {name!r} was not found{note}; searched", *own]
    else:
        lines = [
            f"there is no data set {name!r}{note}{_did_you_mean(files, folders)}",
            "searched",
            *own,
            f"standard data sets: {', '.join(STANDARD)}; of texts: {', '.join(ORIGINS)}",
        ]
    lines += ["to provide it, do one of these:", *(f"  {way}" for way in _ways(files, folders[0]))]
    return DataMissing("\n".join(lines))


def _own_places(data_root: Path, name: str) -> list[str]:
    """Where a data set of the caller's may be in a data root."""
    path = data_root / name
    return [
        f"  {path}/{{train,test}}/<class>/*.{{png,jpg,jpeg,webp}}",
        f"  {path}.zip, a zip of such a folder",
        f"  {_suffixed(path / SPLIT_FILES)}, texts with their labels",
        f"  {data_root / COLLECTIONS}, at any depth a folder {name} with such texts",
    ]


def _places_to_split(data_root: Path, name: str) -> list[str]:
    """Where a data set of the caller's that has no test data may be in a data root."""
    path = data_root / name
    return [
        f"  {path}/<class>/*.{{png,jpg,jpeg,webp}}",
        f"  {path}.zip, a zip of such a folder",
        f"  {_suffixed(path)}, or the one such file in {path}, texts with their labels",
    ]


def _suffixed(path: Path) -> str:
    """Files of texts in any format."""
    return f"{path}.{{{','.join(FORMATS)}}}"


def _files(name: str, place: Path) -> str:
    """The official files that a folder should contain."""
    if name in LAYOUTS:
        return f"{{{LAYOUTS[name].archive} or {LAYOUTS[name].folder}/}}"
    if name not in IDX_CLASSES:
        return "{102flowers.tgz or jpg/, with imagelabels.mat and setid.mat}"
    lacking = [
        file
        for file in FILES
        if not (place / file).exists() and not (place / f"{file}.gz").exists()
    ]
    partly = f" (incomplete: {', '.join(lacking)} missing)" if len(lacking) < len(FILES) else ""
    return f"{{train,t10k}}-{{images-idx3,labels-idx1}}-ubyte[.gz]{partly}"


def _ways(name: str, data_root: Path) -> list[str]:
    """Ways to provide the data set."""
    ways = ["name the folder that contains it with --data-root or NANOCL_DATA_ROOT"]
    archive = ARCHIVES.get(name)
    if archive:
        ways += [
            f"put {', '.join(archive.files)} from {archive.mirrors[0]} (torchvision's archives) "
            f"into {data_root / archive.folder}"
        ]
    path = data_root / name
    if name in ORIGINS:
        return [*ways, f"put {ORIGINS[name]} into {path}"]
    ways += [f"put an image folder or a zip of one at {path} or {path}.zip"]
    if name not in STANDARD:
        ways += [
            f"put texts into {_suffixed(path / SPLIT_FILES)}, with the columns text and label",
            f"if it has no test data ({path}/<class>/ or {path}.csv), {HINT.format(name=name)}",
        ]
    if name == "fashion-mnist":
        ways += ["on Debian or Ubuntu: apt-get install dataset-fashion-mnist"]
    if archive:
        ways += ["run again with a network connection, to download it"]
    return ways


def _did_you_mean(name: str, folders: Sequence[Path]) -> str:
    present = [folder for folder in folders if folder.is_dir()]
    paths = [path for folder in present for path in folder.iterdir()]
    titles = [path.name.removesuffix(".zip") for path in paths]
    texts = [title for folder in present for title in sorted(collected_names(folder))]
    known = (*titles, *texts, *STANDARD, *ORIGINS)
    names = {title.lower(): title for title in known if not title.startswith(".")}
    near = nearest(name.lower(), names)
    return f", did you mean {names[near]!r}?" if near else ""

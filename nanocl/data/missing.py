"""The error for a missing data set: the places searched, and how to provide it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nanocl.data.archives import ARCHIVES
from nanocl.data.cifar import LAYOUTS
from nanocl.data.idx import FILES
from nanocl.data.sources import IDX_CLASSES, STANDARD, official_places
from nanocl.data.splitting import HINT, parsed
from nanocl.records import UserError
from nanocl.records.ranges import nearest
from nanocl.records.roots import DataRoot, roots


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
    images = [line for folder in folders for line in own_places(folder / files)]
    if name in STANDARD:
        listed = [place for folder in folders for place in official_places(name, folder)]
        places = dict.fromkeys(listed)
        lines = [
            f"data set {name!r} was not found{note}; searched",
            *(f"  {place}/{_files(name, place)}" for place in places),
            *images,
            f"it was not downloaded: {reason}",
        ]
    else:
        lines = [
            f"there is no data set {name!r}{note}{_did_you_mean(files, folders)}",
            "searched",
            *images,
            f"standard data sets: {', '.join(STANDARD)}",
        ]
    lines += ["to provide it, do one of these:", *(f"  {way}" for way in _ways(files, folders[0]))]
    return DataMissing("\n".join(lines))


def _own_places(path: Path) -> list[str]:
    """Where a data set of the caller's may be in a data root."""
    return [
        f"  {path}/{{train,test}}/<class>/*.{{png,jpg,jpeg,webp}}",
        f"  {path}.zip, a zip of such a folder",
        f"  {path}/{{train,test}}.{{csv,tsv,jsonl,json}}, texts with their labels",
    ]


def _places_to_split(path: Path) -> list[str]:
    """Where a data set of the caller's that has no test data may be in a data root."""
    return [
        f"  {path}/<class>/*.{{png,jpg,jpeg,webp}}",
        f"  {path}.zip, a zip of such a folder",
        f"  {path}.{{csv,tsv,jsonl,json}}, or the one such file in {path}, texts with their labels",
    ]


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
    ways += [f"put an image folder or a zip of one at {data_root / name} or {data_root / name}.zip"]
    if name not in STANDARD:
        ways += [
            f"if it has no test data ({data_root / name}/<class>/ or {data_root / name}.csv), "
            f"{HINT.format(name=name)}"
        ]
    if name == "fashion-mnist":
        ways += ["on Debian or Ubuntu: apt-get install dataset-fashion-mnist"]
    if archive:
        ways += ["run again with a network connection, to download it"]
    return ways


def _did_you_mean(name: str, folders: Sequence[Path]) -> str:
    paths = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    titles = [path.name.removesuffix(".zip") for path in paths]
    names = {title.lower(): title for title in (*titles, *STANDARD) if not title.startswith(".")}
    near = nearest(name.lower(), names)
    return f", did you mean {names[near]!r}?" if near else ""

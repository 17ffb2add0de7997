"""What is said when a data set is nowhere."""

from __future__ import annotations

from pathlib import Path

from nanocl.data.archives import ARCHIVES
from nanocl.data.cifar import LAYOUTS
from nanocl.data.idx import FILES
from nanocl.data.sources import IDX_CLASSES, KNOWN, official_places
from nanocl.records import UserError
from nanocl.records.ranges import nearest


class DataMissing(UserError):
    """A data set that is nowhere to be found; the message says where it was looked for and how to provide it."""


def data_missing(name: str, root: Path, download: str) -> DataMissing:
    """The error for `name`, with the reason why it was not downloaded."""
    images = [
        f"{root / name}/{{train,test}}/<class>/*.{{png,jpg,jpeg,webp}}",
        f"{root / name}.zip, a zip of that",
    ]
    found = "" if root.is_dir() else f" (the data root {root} does not exist)"
    if name in KNOWN:
        lines = [f"data set {name!r} was not found{found}; looked for"]
        lines += [f"  {place}/{_files(name, place)}" for place in official_places(name, root)]
        lines += [*(f"  {place}" for place in images), f"it was not downloaded: {download}"]
    else:
        lines = [f"there is no data set {name!r}{found}{_did_you_mean(name, root)}", "looked for"]
        lines += [
            *(f"  {place}" for place in images),
            f"data sets known by name: {', '.join(KNOWN)}",
        ]
    lines += ["to provide it, do one of these:", *(f"  {way}" for way in _ways(name, root))]
    return DataMissing("\n".join(lines))


def _files(name: str, place: Path) -> str:
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


def _ways(name: str, root: Path) -> list[str]:
    ways = ["name the folder that has it with --data-root or NANOCL_DATA_ROOT"]
    if name in ARCHIVES:
        archive = ARCHIVES[name]
        ways += [
            f"put {', '.join(archive.files)} from {archive.mirrors[0]} (torchvision's archives) into "
            f"{root / archive.folder}"
        ]
    ways += [f"put an image folder or a zip of one at {root / name} or {root / name}.zip"]
    if name == "fashion-mnist":
        ways += ["on Debian or Ubuntu: apt-get install dataset-fashion-mnist"]
    return (
        [*ways, "call again with a network connection, and it is downloaded"]
        if name in ARCHIVES
        else ways
    )


def _did_you_mean(name: str, root: Path) -> str:
    present = [path.name.removesuffix(".zip") for path in root.iterdir()] if root.is_dir() else []
    names = {known.lower(): known for known in (*present, *KNOWN) if not known.startswith(".")}
    near = nearest(name.lower(), names)
    return f", did you mean {names[near]!r}?" if near else ""

"""Text classification from files: `<name>/{train,test}.{csv,tsv,jsonl,json}` with text and label.

The folder `<name>` is in the data root, or anywhere below its folder `text`. Files are UTF-8. The
text is in a column (or key) `text` or `sentence`, its class in `label` or `category`, so that the
files of Banking77, of GLUE and of O-LoRA's benchmark are read as they are published; other columns
are ignored. A CSV file may quote its cells; a TSV file has no quoting. A JSON file is a list of
objects, or CLINC150's own `data_full.json`, of which the in-scope `train` and `test` are read.
Classes are numbered as those of image folders. Samples keep the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from nanocl.data import limits
from nanocl.data.dataset import Splits
from nanocl.data.folder import SPLITS, class_order, walk
from nanocl.data.splitting import HINT, Request
from nanocl.data.text_archives import is_official
from nanocl.data.text_files import Row, clinc_rows, rows_of
from nanocl.records import UserError

FORMATS = ("csv", "tsv", "jsonl", "json")
CLINC = "data_full.json"
COLLECTIONS = "text"  # folder of the data root that is searched at any depth
LONGEST = 2**20  # characters of one text


@dataclass(frozen=True)
class Texts:
    """Texts of a training and a test split and their class numbers, as in `Splits`."""

    train_texts: Sequence[str]
    train_labels: np.ndarray
    test_texts: Sequence[str]
    test_labels: np.ndarray
    classes: tuple[str, ...]
    official: bool = False

    def splits(self, train: np.ndarray, test: np.ndarray) -> Splits:
        """The same samples with arrays as inputs."""
        return Splits(train, self.train_labels, test, self.test_labels, self.classes, self.official)


def collected(name: str, data_root: Path) -> tuple[Path, ...]:
    """The files of the text data set `name` below the folder `text`, as `files_in` finds them.

    Raises:
        UserError: Two folders of that name hold one.
    """
    below = data_root / COLLECTIONS
    folders = sorted({path.parent for path in walk(below)}) if below.is_dir() else []
    found = [folder for folder in folders if folder.name == name and files_in(folder)]
    if len(found) > 1:
        raise UserError(
            f"two folders hold a text data set {name!r}, {found[0]} and {found[1]}: rename one"
        )
    return files_in(found[0]) if found else ()


def collected_names(data_root: Path) -> set[str]:
    """The names of folders below the folder `text` that have a file of texts."""
    below = data_root / COLLECTIONS
    paths = [*walk(below)] if below.is_dir() else []
    return {path.parent.name for path in paths if path.name == CLINC or path.stem in SPLITS}


def read_text(files: Sequence[Path]) -> Texts:
    """Read the files that `files_in` returns.

    Raises:
        UserError: A file is damaged or has the wrong layout.
    """
    if files[0].name == CLINC:
        rows = clinc_rows(files[0], SPLITS)
    else:
        rows = {split: rows_of(path) for split, path in zip(SPLITS, files, strict=True)}
    samples = {split: [*map(_checked, rows[split])] for split in SPLITS}
    return _texts(samples, str(files[0].parent), official=is_official(files))


def read_unsplit(file: Path, split: Request) -> Texts:
    """Read the file that `file_to_split` returns.

    Raises:
        UserError: It is damaged or has the wrong layout.
    """
    everything = [*map(_checked, rows_of(file))]
    samples = split.divided(everything, [label for _, label in everything], str(file))
    return _texts(samples, str(file), official=False)


def _texts(samples: Mapping[str, list[tuple[str, str]]], where: str, *, official: bool) -> Texts:
    names = {split: set(map(itemgetter(1), samples[split])) for split in SPLITS}
    _check_classes(names, where)
    classes = class_order(names["train"])
    number = {label: index for index, label in enumerate(classes)}
    return Texts(
        [text for text, _ in samples["train"]],
        _numbers(samples["train"], number),
        [text for text, _ in samples["test"]],
        _numbers(samples["test"], number),
        classes,
        official,
    )


def _numbers(samples: Iterable[tuple[str, str]], number: Mapping[str, int]) -> np.ndarray:
    return np.array([number[label] for _, label in samples], np.int64)


def as_bytes(texts: Texts) -> Splits:
    """The texts as rows of UTF-8 bytes, filled up with zeros to the longest."""
    train = [text.encode() for text in texts.train_texts]
    test = [text.encode() for text in texts.test_texts]
    width = max(map(len, (*train, *test)))
    return texts.splits(filled(train, width, np.uint8, 0), filled(test, width, np.uint8, 0))


def filled(rows: Sequence[Any], width: int, dtype: type, rest: int) -> np.ndarray:
    """Rows of numbers as one array (N, width), each followed by `rest`.

    Raises:
        UserError: It does not fit into memory.
    """
    described = f"an array of {len(rows)} texts of up to {width} numbers"
    limits.check_memory(len(rows) * width * np.dtype(dtype).itemsize, described)
    array: np.ndarray = np.full((len(rows), width), rest, dtype)
    for place, row in enumerate(rows):
        array[place, : len(row)] = np.frombuffer(row, dtype) if isinstance(row, bytes) else row
    return array


def files_in(folder: Path) -> tuple[Path, ...]:
    """The training and the test file of texts in a folder; empty if there is neither.

    Raises:
        UserError: One of them is missing, or is there in two formats.
    """
    if (folder / CLINC).is_file():
        return (folder / CLINC,)
    present = {split: [*_in_formats(folder, split)] for split in SPLITS}
    if not any(present.values()):
        return ()
    for split in SPLITS:
        if len(present[split]) != 1:
            raise UserError(
                f"a text data set has one file {split}.{{{','.join(FORMATS)}}}, got "
                f"{' and '.join(path.name for path in present[split]) or 'none'} in {folder}; "
                f"without test data, {HINT.format(name=folder.name)}"
            )
    return tuple(present[split][0] for split in SPLITS)


def file_to_split(name: str, data_root: Path) -> Path | None:
    """The one file of texts `<name>.csv`, or of any name in a folder `<name>` without folders.

    Raises:
        UserError: There are several, or the folder has test data.
    """
    directory = data_root / name
    inside = sorted(directory.iterdir()) if directory.is_dir() else []
    found = [*_in_formats(data_root, name)]
    if not any(path.is_dir() and not path.name.startswith(".") for path in inside):
        found += [path for path in inside if path.suffix[1:] in FORMATS]
    if any(path.stem == "test" for path in found):
        raise UserError(f"{directory} has test data: leave out what follows the colon")
    if len(found) > 1:
        raise UserError(
            f"a text data set that is to be split is one file, got {' and '.join(map(str, found))}"
        )
    return found[0] if found else None


def _in_formats(folder: Path, split: str) -> Iterator[Path]:
    for suffix in FORMATS:
        path = folder / f"{split}.{suffix}"
        if path.is_file():
            yield path


def _checked(row: Row) -> tuple[str, str]:
    """Text and class name of a row."""
    where, text, label = row
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise UserError(f"{where}: a text must be a string that is not empty, got {str(text)!r}")
    if len(text) > LONGEST:
        raise UserError(f"{where}: a text of {len(text)} characters; at most {LONGEST} are read")
    if not isinstance(label, str | int) or not str(label).strip():
        raise UserError(f"{where}: a label must be a name or whole number, got {label!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: the text has half a surrogate pair: {error.reason}") from error
    return text, str(label).strip()


def _check_classes(names: dict[str, set[str]], where: str) -> None:
    for split in SPLITS:
        if not names[split]:
            raise UserError(f"{where} has no texts in {split}")
    for split, other in (("train", "test"), ("test", "train")):
        missing = names[other] - names[split]
        if missing:
            raise UserError(
                f"{where} has no text of class {min(missing)!r} in {split}; every class needs "
                "texts in train and test"
            )
    if len(names["train"]) == 1:
        raise UserError(
            f"{where} has a single class, {min(names['train'])!r}, and there is nothing to tell "
            "apart; a data set has two labels or more"
        )

"""Texts as rows of token numbers, made by a tokenizer of Hugging Face.

Loads neither torch nor transformers: the package `tokenizers` reads a `tokenizer.json`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from nanocl.data import limits
from nanocl.data.dataset import Splits
from nanocl.data.text import Texts, filled
from nanocl.records import UserError, extras, hash_of

FILE = "tokenizer.json"
MISSING = -1  # after the last token of a text: no tokenizer has this number
LARGEST = 2**17  # tokens of one text


@dataclass(frozen=True)
class Tokenizer:
    """How texts become tokens.

    Attributes:
        folder: Holds the `tokenizer.json`.
        max_length: Largest number of tokens of a text, special ones included; the rest is cut.

    Raises:
        UserError: The file is missing, or the length is out of its range.
    """

    folder: Path
    max_length: int = 64

    def __post_init__(self) -> None:
        if not 2 < self.max_length <= LARGEST:
            raise UserError(f"max_length must be from 3 to {LARGEST}, got {self.max_length}")
        if not (self.folder / FILE).is_file():
            raise UserError(
                f"{self.folder} has no {FILE}; write it once with transformers: "
                "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            )

    def identity(self) -> str:
        """A hash that changes with the file, the length and the version of `tokenizers`."""
        content = hashlib.sha256(limits.read(self.folder / FILE)).hexdigest()
        return hash_of([content, self.max_length, _version()], 16)

    def tokenised(self, texts: Texts) -> Splits:
        """Token numbers, shape (N, longest), int32; `MISSING` after the end of a text.

        Raises:
            UserError: The file cannot be read.
        """
        _version()
        import tokenizers  # an optional extra

        path = self.folder / FILE
        try:
            made = tokenizers.Tokenizer.from_file(str(path))
            made.no_padding()
            made.enable_truncation(self.max_length)
        except Exception as error:  # the package raises nothing more special
            raise UserError(f"{path} cannot be read: {str(error)[:200]}") from error
        rows = [_encoded(made, split) for split in (texts.train_texts, texts.test_texts)]
        width = max(max(map(len, split)) for split in rows)
        train, test = (filled(split, width, np.int32, MISSING) for split in rows)
        return texts.splits(train, test)


def _encoded(tokenizer: object, texts: object) -> list[list[int]]:
    encodings = tokenizer.encode_batch(list(texts))  # type: ignore[attr-defined, call-overload]
    return [encoding.ids for encoding in encodings]


def _version() -> str:
    try:
        return version("tokenizers")
    except PackageNotFoundError as error:
        raise UserError(
            f"texts need the package tokenizers; install it with: {extras.command('transformers')}"
        ) from error

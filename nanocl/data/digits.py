"""The digits bundled with scikit-learn, which need no download."""

from __future__ import annotations

import numpy as np

from nanocl.data.dataset import Splits

FOLD = 5


def read_digits() -> Splits:
    """1,797 images of 8x8 pixels, with values 0..16 rescaled to 0..255.

    There is no official split. Every fifth sample of each class, in the order of the file, is a
    test sample (355 in all).

    Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI, 1998 (its test
        part).
    """
    from sklearn.datasets import load_digits

    bundled = load_digits()
    inputs = np.rint(bundled.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bundled.target.astype(np.int64)
    test = np.zeros(len(labels), bool)
    for label in range(10):
        test[np.flatnonzero(labels == label)[FOLD - 1 :: FOLD]] = True
    classes = tuple(str(digit) for digit in range(10))
    return Splits(inputs[~test], labels[~test], inputs[test], labels[test], classes)

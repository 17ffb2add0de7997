"""Mean and standard deviation of images per channel: published, measured, and after padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

# The usual mean and standard deviation per channel of the training images in [0, 1].
PUBLISHED: Mapping[str, Statistics] = MappingProxyType(
    {
        "mnist": ((0.1307,), (0.3081,)),
        "fashion-mnist": ((0.2860,), (0.3530,)),
        "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    }
)
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def measured(images: np.ndarray) -> Statistics:
    """Mean and standard deviation of each channel of uint8 images, in units of 255.

    Exact, because they are computed from the histogram. A deviation of 0 is replaced by 1.
    """
    counts = np.stack(
        [np.bincount(images[:, c].reshape(-1), minlength=256) for c in range(images.shape[1])]
    )
    # E[x] and the square root of E[x^2] - E[x]^2
    levels = np.arange(256) / 255
    mean = counts @ levels / counts.sum(1)
    deviation = np.sqrt(counts @ levels**2 / counts.sum(1) - mean**2)
    return tuple(mean.tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist())


def padded(mean: Sequence[float], deviation: Sequence[float], filled: float) -> Statistics:
    """Mean and standard deviation after black padding; `filled` is the image's share of pixels."""
    # E[x] and E[x^2] shrink by the factor `filled`, because padding adds zeros
    square = [filled * (m * m + d * d) for m, d in zip(mean, deviation, strict=True)]
    means = tuple(filled * m for m in mean)
    return means, tuple((s - m * m) ** 0.5 for s, m in zip(square, means, strict=True))

"""Random changes of training images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nanocl.data.transfer import moved


def crop_flip(images: Tensor, generator: torch.Generator, padding: int = 4) -> Tensor:
    """Shift each image by up to `padding` pixels, with zeros moving in, and mirror half of them.

    Args:
        images: Shape (N, C, H, W).
        generator: Source of the shifts and of the choice of mirrored images, on the CPU, so that
            they are the same on every device.
        padding: Largest shift in each direction.
    """
    count, channels, height, width = images.shape
    shifts = torch.randint(0, 2 * padding + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    device = images.device
    shifts = moved(shifts, device)
    # column and row of the padded image that each output pixel is read from, per image
    columns = torch.arange(width, device=device).expand(count, width)
    columns = torch.where(moved(mirrored, device), width - 1 - columns, columns) + shifts[0]
    rows = torch.arange(height, device=device).expand(count, height) + shifts[1]
    # their number in the flattened padded image, and one gather for the whole mini-batch
    pixels = rows[:, :, None] * (width + 2 * padding) + columns[:, None, :]
    padded = functional.pad(images, (padding,) * 4).flatten(2)
    return padded.gather(2, pixels.view(count, 1, -1).expand(-1, channels, -1)).view_as(images)

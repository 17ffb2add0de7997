"""Random crops and flips of images."""

from collections import Counter

import torch

from nanocl.data.augmentation import crop_flip


def images(count=20, channels=3, side=6, seed=0):
    return torch.randint(
        0,
        256,
        (count, channels, side, side),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(seed),
    )


def test_crop_flip_gives_each_image_one_of_its_shifted_and_mirrored_forms():
    stored = images(400, side=12)
    moved = crop_flip(stored, torch.Generator().manual_seed(1))
    counts = Counter()
    for image, result in zip(stored, moved, strict=True):
        wide = torch.zeros(3, 20, 20, dtype=torch.uint8)
        wide[:, 4:16, 4:16] = image
        forms = [
            (down, right, mirror)
            for mirror in (False, True)
            for down in range(9)
            for right in range(9)
            if torch.equal(
                result, (wide.flip(2) if mirror else wide)[:, down : down + 12, right : right + 12]
            )
        ]
        assert len(forms) == 1
        counts.update([("down", forms[0][0]), ("right", forms[0][1]), ("mirror", forms[0][2])])
    assert all(counts["down", shift] > 15 and counts["right", shift] > 15 for shift in range(9))
    assert 150 < counts["mirror", True] < 250


def test_crop_flip_moves_floats_as_it_moves_bytes():
    moved = [
        crop_flip(stored, torch.Generator().manual_seed(7))
        for stored in (images(), images().float())
    ]
    assert torch.equal(moved[0].float(), moved[1])

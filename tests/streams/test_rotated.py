"""Rotated rotates the images of an experience by its angle."""

import numpy as np
import pytest
from PIL import Image

from nanocl.streams.rotated import Rotated, rotation


@pytest.mark.parametrize("angle", [0, 17, 45, 90, 133, 180, 270, 359])
def test_rotation_agrees_with_pillow(angle):
    image = np.random.default_rng(0).integers(1, 256, (28, 28), dtype=np.uint8)
    order = rotation(28, 28, angle).numpy()
    turned = np.where(order >= 0, image.flatten()[order], 0).reshape(28, 28)
    expected = np.asarray(Image.fromarray(image).rotate(angle))
    # Pillow's fixed-point arithmetic may take the neighbour where a point lies between two pixels
    assert (turned == expected).mean() > 0.99
    if angle % 90 == 0:
        assert (turned == np.rot90(image, angle // 90)).all()


def test_rotation_of_a_wide_image_by_half_a_turn_reverses_it():
    assert rotation(3, 5, 180).tolist() == list(range(14, -1, -1))


def test_angles_are_even_or_one_from_each_equal_part():
    assert Rotated(experiences=5, max_angle=180.0).degrees(0) == [0, 45, 90, 135, 180]
    stream = Rotated(experiences=6, max_angle=90.0, angles="seed")
    for seed in range(20):
        assert [int(angle // 15) for angle in stream.degrees(seed)] == list(range(6))
    assert stream.degrees(0) != stream.degrees(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_angle": 360.0}, r"max_angle must be in \(0, 360\) degrees, got 360.0"),
        ({"experiences": 1}, "experiences must be at least 2, got 1"),
        ({"angles": "odd"}, "angles must be one of even, seed, got 'odd'"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        Rotated(**options)

"""Values of 16 bits that fill fewer."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.images.depth import bits_filled
from acrloss.images.header import is_deep
from acrloss.images.read import read_image, read_with_depth

FILES = ["grey.png", "colour.png", "alpha.png", "grey.tif", "colour.tif", "colour.ppm", "grey.pgm"]


def ramp(bits: int, kind: str = "grey") -> NDArray[np.uint16]:
    """(8, 256) or (8, 256, channels): columns rise evenly from 0 to the largest value of so many bits."""
    grey = np.tile(np.linspace(0, (1 << bits) - 1, 256).round().astype(np.uint16), (8, 1))
    if kind == "grey":
        return grey
    return np.stack([grey] * 3 + [np.full_like(grey, 65535)] * (kind == "alpha"), axis=-1)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_files_are_scaled_by_the_bits_that_they_fill(bits: int, name: str, tmp_path: Path) -> None:
    path = str(tmp_path / name)
    cv2.imwrite(path, ramp(bits, name.partition(".")[0]))
    image, found = read_with_depth(path)
    assert found == bits
    assert image.dtype == np.uint8
    # The k-th of 256 even steps, whatever the bits.
    np.testing.assert_allclose(image[:, :, 0], np.tile(np.arange(256), (8, 1)), atol=1)
    np.testing.assert_array_equal(read_image(path), image)
    assert read_image(path, 2).shape == (4, 128, 3)
    assert is_deep(path)


def test_one_bright_value_makes_16_bits(tmp_path: Path) -> None:
    # A large dark photograph of which one pixel is bright: nothing is brightened.
    image = np.random.default_rng(0).integers(0, 4000, (1500, 2000)).astype(np.uint16)
    image[1499, 1999] = 65535
    cv2.imwrite(str(tmp_path / "a.png"), image)
    read, bits = read_with_depth(str(tmp_path / "a.png"))
    assert bits == 16
    np.testing.assert_array_equal(read[..., 0], image >> 8)


@pytest.mark.parametrize(("step", "bits"), [(257, 16), (256, 16), (16, 12), (1, 12)])
def test_dark_pictures_of_8_bits_that_were_spread_over_16_stay_dark(step: int, bits: int) -> None:
    values = (np.arange(0, 4096 // step) * step).astype(np.uint16)
    assert bits_filled(values) == bits


def test_black_is_black_and_floats_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint16))
    assert not read_image(str(tmp_path / "a.png")).any()
    for name, message in (("a.pfm", "its values are float32; save"), ("a.tif", "or save")):
        cv2.imwrite(str(tmp_path / name), np.ones((8, 8), np.float32))
        with pytest.raises(DataError, match=f"{name}: .*{message} it with 8 or 16 bits"):
            read_image(str(tmp_path / name))


def test_what_is_not_deep(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.tif", "a.ppm", "a.bmp"):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), 160, np.uint8))
    (tmp_path / "b.png").write_text("no picture")
    for name in ("a.png", "a.jpg", "a.tif", "a.ppm", "a.bmp", "b.png", "none.png"):
        assert not is_deep(str(tmp_path / name)), name
        if name.startswith("a"):
            assert read_with_depth(str(tmp_path / name))[1] == 0
    assert not is_deep("synthetic://0/1")

"""Pixels as the bytes of a PNG or JPEG file."""

from pathlib import Path

import cv2
import numpy as np

from acrloss.arrays import Image
from acrloss.files import write_atomic


def encode_png(image: Image, compression: int | None = None) -> bytes:
    """The (H, W, 3) uint8 RGB image as PNG bytes.

    Args:
        image: the pixels.
        compression: 0 (fast) to 9 (small); None leaves OpenCV's choice.

    Raises:
        ValueError: it is no such image.
    """
    return _encode(".png", image, [] if compression is None else [cv2.IMWRITE_PNG_COMPRESSION, compression])


def encode_jpeg(image: Image, quality: int = 90, full_colour: bool = False) -> bytes:
    """The (H, W, 3) uint8 RGB image as JPEG bytes: photographs take a tenth of what they take as PNG.

    Args:
        image: the pixels.
        quality: 0 to 100.
        full_colour: keep colours as sharp as brightness (4:4:4) instead of halving them.

    Raises:
        ValueError: it is no such image.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if full_colour:
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _encode(".jpg", image, options)


def save_png(path: str | Path, image: Image) -> Path:
    """Write the (H, W, 3) uint8 RGB image as PNG, whole or not at all."""
    return write_atomic(path, encode_png(image))


def check_image(image: Image) -> None:
    """Raise ValueError unless it is an RGB image as a uint8 array (H, W, 3) with pixels."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"expected an RGB image as a uint8 array (H, W, 3), got {got}")
    if 0 in image.shape:
        raise ValueError(f"expected an image with pixels, got shape {image.shape}")


def _encode(suffix: str, image: Image, options: list[int]) -> bytes:
    check_image(image)
    return bytes(cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1])

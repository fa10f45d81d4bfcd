"""How a photograph lies in its file, and where its points are once it is upright."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acrloss.images.header import HEADER_BYTES, MAX_BYTES, parse_header, read_bytes


def image_orientation(reference: str) -> int:
    """EXIF orientation 1 … 8 of an image; 1, upright, for what is no file of its own.

    Raises:
        DataError: no such file, or not an image.
    """
    if "://" in reference:
        return 1
    header = parse_header(reference, read_bytes(reference, HEADER_BYTES))
    header = header or parse_header(reference, read_bytes(reference, MAX_BYTES))
    return 1 if header is None else header.orientation


def upright_points(points: NDArray[np.float64], size: tuple[float, float], orientation: int) -> NDArray[np.float64]:
    """(M, 2) pixels of an image as it lies in its file, of that (width, height), as pixels of the upright one."""
    x, y = points[:, 0], points[:, 1]
    width, height = size
    if orientation >= 5:
        x, y, width, height = y, x, height, width
    if orientation in (2, 3, 6, 7):
        x = width - 1 - x
    if orientation in (3, 4, 7, 8):
        y = height - 1 - y
    return np.stack([x, y], axis=1)

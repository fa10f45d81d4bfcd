"""Drawing smooth-edged shapes at fractions of a pixel."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Float, Image

# OpenCV takes positions as integers with this many fractional bits.
FRACTION_BITS = 4


def fixed_point(pixels: Float) -> NDArray[np.int32]:
    """Pixels as integers with FRACTION_BITS fractional bits, kept within what OpenCV can draw."""
    return np.clip(np.rint(pixels * (1 << FRACTION_BITS)), -(1 << 20), 1 << 20).astype(np.int32)


def fill(canvas: Image, outlines: Sequence[Float], colour: ArrayLike) -> None:
    """Fill polygons, each (K, 2) pixels, in place."""
    cv2.fillPoly(canvas, [fixed_point(outline) for outline in outlines], _scalar(colour), cv2.LINE_AA, FRACTION_BITS)


def stroke(canvas: Image, paths: Sequence[Float], colour: ArrayLike, width: float, closed: bool = False) -> None:
    """Draw paths, each (K, 2) pixels, with round ends, in place; at least one pixel wide."""
    lines = [fixed_point(path) for path in paths]
    cv2.polylines(canvas, lines, closed, _scalar(colour), max(1, round(width)), cv2.LINE_AA, FRACTION_BITS)


def _scalar(colour: ArrayLike) -> list[float]:
    return [float(channel) for channel in np.clip(np.atleast_1d(colour), 0, 255)]

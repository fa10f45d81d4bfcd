"""The surroundings of a face, cut out of its photograph at about the resolution that a network can use."""

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.crops.augmentation import Augmentation
from acrloss.errors import DataError
from acrloss.images import read_image

_LARGEST = 4


def patch_reach(augmentation: Augmentation | None) -> tuple[float, float]:
    """How much larger than the plain crop its patch must be, in side and in pixels for the same length.

    Room for augmentation to turn, move and zoom out without leaving the patch, and to zoom in without magnifying it.
    More pixels than that keep the crop sharp: twice as many give what `warp` makes of the whole image.
    """
    if augmentation is None:
        return 1.0, 2.0
    angle = np.deg2rad(min(augmentation.rotation, 45.0))
    zoom = 1 + augmentation.scale
    # Box jitter has no bound; three standard deviations leave out next to nothing.
    jitter = 1 + 3 * augmentation.box_jitter
    return float((np.cos(angle) + np.sin(angle)) * (1 + 2 * augmentation.translation) * zoom * jitter), 1.3 * zoom


def cut_patch(reference: str, square: Float, margin: float, pixels: float) -> tuple[NDArray[np.uint8], Float]:
    """The square surroundings of a face, as small as allowed; what lies outside the image is black.

    Args:
        reference: the image.
        square: (3,) centre x, centre y and side of the plain crop.
        margin: side of the patch over the side of the crop.
        pixels: how many pixels of the patch the side of the crop needs; it never gets more than the image has.

    Returns:
        The patch, and the (2, 3) map from pixels of the image to its pixels: one scale for x and y, and a shift.

    Raises:
        DataError: the image cannot be read, or is small beside its face.
    """
    zoom = min(pixels / square[2], 1.0)
    # JPEGs decode at 1/2, 1/4 or 1/8 for a fraction of the cost when the face is that much larger than needed.
    reduce = next(r for r in (8, 4, 2, 1) if zoom * r <= 1)
    image = read_image(reference, reduce)
    height, width = image.shape[:2]
    zoom *= reduce
    x, y = (square[:2] + 0.5) / reduce - 0.5
    # Two pixels of the result at either side are for the bilinear taps at the rim.
    side = int(np.ceil(square[2] / reduce * margin + 4 / zoom))
    if side > _LARGEST * max(width, height):
        raise DataError(f"{reference}: the face is more than {_LARGEST} times as large as its image; leave it out")
    x0, y0 = round(x - (side - 1) / 2), round(y - (side - 1) / 2)
    rows, columns = slice(max(y0, 0), max(y0 + side, 0)), slice(max(x0, 0), max(x0 + side, 0))
    patch = np.zeros((side, side, 3), np.uint8)
    part = image[rows, columns]
    top, left = rows.start - y0, columns.start - x0
    patch[top : top + part.shape[0], left : left + part.shape[1]] = part
    small = max(round(side * zoom), 1)
    if small < side:
        patch = np.asarray(cv2.resize(patch, (small, small), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    scale = small / side
    # From pixels of the image to those of the reduced one, of the patch, and of the patch shrunk.
    shift = [((0.5 / reduce - 0.5) - start + 0.5) * scale - 0.5 for start in (x0, y0)]
    return patch, np.array([[scale / reduce, 0, shift[0]], [0, scale / reduce, shift[1]]])

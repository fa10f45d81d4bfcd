"""The surroundings of a face, cut out of its photograph at about the resolution that a network can use."""

from collections.abc import Callable

import numpy as np

from acrloss.arrays import Float, Image
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import apply_matrix, compose, shrink
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


def cut_patch(
    reference: str,
    square: Float,
    margin: float,
    pixels: float,
    *,
    padded: bool = False,
    read: Callable[[str, int], Image] = read_image,
) -> tuple[Image, Float]:
    """The surroundings of a face at about the crop's resolution.

    Decoding a photograph costs more than all the rest together; the patch is all that training ever needs of it.

    Args:
        reference: the image.
        square: (3,) centre x, centre y and side of the plain crop.
        margin: side of the patch over the side of the crop.
        pixels: how many pixels of the patch the side of the crop needs; it never gets more than the image has.
        padded: a square patch with one scale for x and y, black outside the image. Otherwise it ends where the image
            does, and the two scales differ by the rounding of its sides to whole pixels.
        read: `read_image`, or what stands for it.

    Returns:
        The patch, and the (2, 3) map from pixels of the image to its pixels: a scale and a shift for x and for y.

    Raises:
        DataError: the image cannot be read, or is to be padded and small beside its face.
    """
    x, y, side = square
    half = side * margin / 2
    zoom = min(pixels / side, 1.0)
    # JPEGs decode at 1/2, 1/4 or 1/8 for a fraction of the cost when the face is that much larger than needed.
    reduce = next(r for r in (8, 4, 2, 1) if zoom * r <= 1)
    image = read(reference, reduce)
    zoom *= reduce
    to_read = np.array([[1 / reduce, 0, 0.5 / reduce - 0.5], [0, 1 / reduce, 0.5 / reduce - 0.5]])
    corners = apply_matrix(to_read, np.array([(x - half, y - half), (x + half, y + half)]))
    if padded:
        # Two pixels of the result at either side are for the bilinear taps at the rim, as in `shrink`.
        extent = int(np.ceil(side / reduce * margin + 4 / zoom))
        if extent > _LARGEST * max(image.shape[:2]):
            raise DataError(f"{reference}: the face is more than {_LARGEST} times as large as its image; leave it out")
        left, top = np.rint(corners.mean(axis=0) - (extent - 1) / 2).astype(int)
        image = _window(image, left, top, extent)
        to_read = compose(np.array([[1.0, 0, -left], [0, 1.0, -top]]), to_read)
        corners = np.array([(0.0, 0.0), (extent - 1.0, extent - 1.0)])
    part, to_part = shrink(image, corners, zoom)
    return np.ascontiguousarray(part), compose(to_part, to_read)


def _window(image: Image, left: int, top: int, extent: int) -> Image:
    """The square of `extent` pixels whose first is (left, top) of the image; black outside it."""
    window = np.zeros((extent, extent, 3), np.uint8)
    part = image[max(top, 0) : max(top + extent, 0), max(left, 0) : max(left + extent, 0)]
    y, x = max(-top, 0), max(-left, 0)
    window[y : y + part.shape[0], x : x + part.shape[1]] = part
    return window

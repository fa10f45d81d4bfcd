"""Synthetic faces with exact landmarks (scheme ibug68): data for demo, tests and documentation without any download.

A parametric 3-D head (30 identity modes, 17 expression modes, both Gaussian or of bounded strength) with painted skin,
eyes, teeth, hair, clothes, light and occluders is seen by a perspective camera and recorded by a sensor of varied
quality. Landmarks are projected vertices of the head; those of the jaw lie on the visible contour of the face, where
annotators put them (`camera.visible_contour`). Everything about picture `index` follows from the seed and the index
alone. Four pictures in a row show one person.

Landmarks are the same to 1e-9 pixels everywhere; pixels are the same for one version of NumPy and OpenCV.
"""

import re

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.synthetic.person import SMALLEST_SIZE
from acrloss.synthetic.scene import render_scene

__all__ = ["DEFAULT_SIZE", "LARGEST_SIZE", "check_whole", "render", "render_reference"]

DEFAULT_SIZE = 160
LARGEST_SIZE = 2048
_REFERENCE = re.compile(r"synthetic://(\d{1,9})/(\d{1,9})(?:\?size=(\d{1,4}))?")


def render(seed: int, index: int, size: int = DEFAULT_SIZE) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """One picture and its landmarks.

    Args:
        seed: any integer of at least 0.
        index: number of the picture, at least 0.
        size: side of the square picture in pixels.

    Returns:
        (size, size, 3) RGB and (68, 2) landmarks in pixels, all of them inside the picture.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is out of its range.
    """
    check_whole("seed", seed, 0)
    check_whole("index", index, 0)
    check_whole("size", size, SMALLEST_SIZE, LARGEST_SIZE)
    return render_scene(int(seed), int(index), int(size))


def render_reference(reference: str) -> NDArray[np.uint8]:
    """The picture (S, S, 3) RGB of a reference "synthetic://seed/index" or "synthetic://seed/index?size=S".

    Raises:
        DataError: not such a reference.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise DataError(
            f"{reference!r} is no synthetic picture; expected synthetic://SEED/INDEX, as in synthetic://0/12"
        )
    try:
        return render(int(match[1]), int(match[2]), int(match[3] or DEFAULT_SIZE))[0]
    except ValueError as error:
        raise DataError(f"{reference}: {error}") from error


def check_whole(name: str, value: int, low: int, high: int | None = None) -> None:
    """Raise TypeError or ValueError, naming the argument, unless it is a whole number in the range."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < low or (high is not None and value > high):
        expected = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {expected}, got {value}")

"""Files that say how large an image is, and images that are of another size: the same picture turned or scaled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from acrloss.formats.face import Face
from acrloss.images import image_orientation
from acrloss.images.orientation import upright_points
from acrloss.notes import Note

_Change = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def fit_stated_size(face: Face, size: tuple[int, int], notes: list[Note]) -> Note | None:
    """Bring a face's coordinates from the image that its file speaks of to the one that is there, in place.

    A stated size with the sides of the photograph as it lies in the file, before EXIF turns it upright, means that the
    coordinates are of that; a size of the same shape, that they are of a smaller or larger copy.

    Args:
        face: the face; nothing is done where its file states no size.
        size: width and height of the upright image.
        notes: receives a note where coordinates are changed.

    Returns:
        The note that leaves the face out, where the sizes cannot be reconciled; else None.
    """
    if face.stated_size is None or face.stated_size == size:
        return None
    width, height = face.stated_size
    said = f"the file says {width:g} x {height:g}, but the image {face.image} is {size[0]} x {size[1]}"
    if not (width > 0 and height > 0):
        return None
    orientation = image_orientation(face.image)
    turned = (height, width)
    if orientation >= 5 and (turned == size or (_same_shape(turned, size) and not _same_shape((width, height), size))):
        _change(face, lambda points: upright_points(points, (width, height), orientation))
        message = f"{said} after EXIF orientation {orientation} turns it: its coordinates are turned too"
        notes.append(Note("changed", "turned upright as its image is", face.where, message))
        width, height = height, width
    scale = np.array(size) / (width, height)
    if (scale == 1).all():
        return None
    if not _same_shape((width, height), size):
        message = f"{said}, which is neither a copy of that size nor turned by EXIF; give the image of that size"
        return Note("left out", "of an image of another shape than its file says", face.where, message)
    _change(face, lambda points: (points + 0.5) * scale - 0.5)
    message = f"{said}: its coordinates are scaled by {scale[0]:.6g}"
    notes.append(Note("changed", "scaled to its image's size", face.where, message))
    return None


def _same_shape(stated: tuple[float, float], size: tuple[int, int]) -> bool:
    """Whether one is a scaled copy of the other, whose sides were rounded to whole pixels."""
    x, y = size[0] / stated[0], size[1] / stated[1]
    return abs(x - y) <= max(1, x, y) * (1 / stated[0] + 1 / stated[1])


def _change(face: Face, change: _Change) -> None:
    face.landmarks = change(face.landmarks)
    if face.box is not None:
        corners = change(np.array(face.box).reshape(2, 2))
        (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        face.box = (x0, y0, x1, y1)

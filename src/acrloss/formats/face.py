"""One annotated face as a reader found it, before any check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from acrloss.notes import Note


@dataclass
class Face:
    """One annotated face as a reader found it, unchecked.

    Attributes:
        where: file, or file:line, for messages.
        image: path of the image, or another reference that `acrloss.images.read` reads. Where there is none,
            `acrloss.images.NO_IMAGE` and what tells faces apart, such as the annotation file's path.
        landmarks: (M, 2) pixels, 0-based; NaN where missing.
        visible: (M,) or None where the format does not say.
        box: x0, y0, x1, y1, or None.
        person, subsets: as in `Annotations`.
        split: in whatever words; `collect` brings "Validation" and "val" to one.
        stated_size: (width, height) of the image as the file has it, where the coordinates are of an image of that
            size; `collect` turns or scales them where the image is another one.
        official_faces: of the protocol that the face belongs to, as in `Annotations`.
    """

    where: str
    image: str
    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_] | None = None
    box: tuple[float, float, float, float] | None = None
    person: str = ""
    split: str = ""
    subsets: frozenset[str] = frozenset()
    official_faces: Mapping[str, int] = field(default_factory=dict)
    stated_size: tuple[float, float] | None = None


def unread(where: str, error: object) -> Note:
    """A face that is left out because its annotation is not as it should be."""
    return Note("left out", "whose annotation cannot be read", where, str(error))

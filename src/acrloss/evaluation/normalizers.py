"""What errors are divided by: one table, a row for each normaliser.

Everything that measures, offers, prints or documents normalisers goes by `NORMALIZERS`; a new one is a new row
(docs/extend/metrics.md). The order is that of tables, and the first that a scheme has the landmarks for is its usual
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from acrloss.arrays import Float
from acrloss.boxes import tight_box
from acrloss.schemes import Scheme

Need = Literal["interocular", "interpupil", "boxes"]
"""A field of the scheme that may be missing, or the annotated boxes."""


@dataclass(frozen=True)
class Normalizer:
    """One row of the table.

    Attributes:
        title: as captions and axes name it, after "% of the".
        meaning: what is measured, for the documentation.
        measure: (N, M, 2) annotated landmarks, (N, 4) annotated boxes x0, y0, x1, y1 and their scheme to (N,) lengths,
            all of one unit; what is missing is NaN and gives NaN.
        needs: what is not there for all schemes and data; None where the landmarks suffice.
        object_title: the title where the scheme is not of faces; its fields stand in braces. "" is `title`.
    """

    title: str
    meaning: str
    measure: Callable[[Float, Float, Scheme], Float]
    needs: Need | None = None
    object_title: str = ""


def _interocular(landmarks: Float, boxes: Float, scheme: Scheme) -> Float:
    assert scheme.interocular is not None
    first, second = scheme.interocular
    return np.asarray(np.linalg.norm(landmarks[:, first] - landmarks[:, second], axis=-1))


def _interpupil(landmarks: Float, boxes: Float, scheme: Scheme) -> Float:
    assert scheme.interpupil is not None
    right, left = (landmarks[:, list(group)].mean(axis=1) for group in scheme.interpupil)
    return np.asarray(np.linalg.norm(right - left, axis=-1))


def _landmark_boxes(landmarks: Float) -> Float:
    # A landmark with one coordinate is not annotated.
    known = np.isfinite(landmarks).all(axis=-1, keepdims=True)
    return tight_box(np.where(known, landmarks, np.nan))


def _diagonal(boxes: Float) -> Float:
    return np.asarray(np.hypot(*_extent(boxes).T))


def _root_of_area(boxes: Float) -> Float:
    return np.asarray(np.sqrt(_extent(boxes).prod(axis=-1)))


def _extent(boxes: Float) -> Float:
    """(N, 2) width and height; NaN for a box whose corners are exchanged, which is none."""
    extent = boxes[:, 2:] - boxes[:, :2]
    return np.where((extent < 0).any(axis=-1, keepdims=True), np.nan, extent)


NORMALIZERS: dict[str, Normalizer] = {
    "interocular": Normalizer(
        "inter-ocular distance",
        "distance of the outer eye corners",
        _interocular,
        "interocular",
        "distance of landmarks {0.interocular[0]} and {0.interocular[1]}",
    ),
    "interpupil": Normalizer(
        "inter-pupil distance",
        "distance of the pupils; without marked pupils, of the means of the eyes' landmarks",
        _interpupil,
        "interpupil",
        "distance of the middles of landmarks {0.interpupil[0]} and {0.interpupil[1]}",
    ),
    "box_diagonal": Normalizer(
        "diagonal of the landmark box",
        "diagonal of the tight box around the annotated landmarks",
        lambda landmarks, boxes, scheme: _diagonal(_landmark_boxes(landmarks)),
    ),
    "box_size": Normalizer(
        "square root of the landmark box's area",
        "√(width × height) of the tight box around the annotated landmarks",
        lambda landmarks, boxes, scheme: _root_of_area(_landmark_boxes(landmarks)),
    ),
    "annotated_box_diagonal": Normalizer(
        "diagonal of the annotated box",
        "diagonal of the box that the annotation gives",
        lambda landmarks, boxes, scheme: _diagonal(boxes),
        "boxes",
    ),
    "annotated_box_size": Normalizer(
        "square root of the annotated box's area",
        "√(width × height) of the box that the annotation gives",
        lambda landmarks, boxes, scheme: _root_of_area(boxes),
        "boxes",
    ),
}


def find_normalizer(name: str) -> Normalizer:
    """The row of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in NORMALIZERS:
        raise ValueError(f"unknown normalizer {name!r}; choose from {', '.join(NORMALIZERS)}")
    return NORMALIZERS[name]


def normalizer_title(name: str, scheme: Scheme) -> str:
    """How captions and axes name a normaliser of a scheme, after "% of the"."""
    row = find_normalizer(name)
    return row.title if scheme.called == "face" or not row.object_title else row.object_title.format(scheme)


def available_normalizers(scheme: Scheme, *, boxes: bool = False) -> list[str]:
    """The normalisers that `scheme`, and with `boxes` annotated boxes, give a length; the field's usual one first."""
    return [name for name, row in NORMALIZERS.items() if _is_there(row.needs, scheme, boxes)]


def normalizer_lengths(landmarks: ArrayLike, scheme: Scheme, normalizer: str, boxes: ArrayLike | None = None) -> Float:
    """(N,) length of `normalizer` on each annotated face, in the landmarks' unit; NaN where it cannot be had.

    Args:
        landmarks: (N, M, 2), NaN where missing.
        scheme: of the landmarks.
        normalizer: a name in `NORMALIZERS`.
        boxes: (N, 4) annotated boxes x0, y0, x1, y1 of the same unit, NaN where there is none.

    Raises:
        ValueError: there is no such normaliser, or what it needs is not there.
    """
    row = find_normalizer(normalizer)
    points = np.asarray(landmarks, dtype=np.float64)
    if not _is_there(row.needs, scheme, boxes is not None):
        others = ", ".join(available_normalizers(scheme, boxes=boxes is not None))
        if row.needs == "boxes":
            raise ValueError(f"normalizer {normalizer} needs annotated boxes; give boxes, or choose from {others}")
        raise ValueError(f"scheme {scheme.name} names no landmarks for {normalizer}; choose from {others}")
    given = np.full((len(points), 4), np.nan) if boxes is None else np.asarray(boxes, dtype=np.float64)
    if given.shape != (len(points), 4):
        raise ValueError(f"expected boxes of shape ({len(points)}, 4), got {given.shape}")
    lengths = row.measure(points, given, scheme)
    # A face whose normaliser has no length has no NME; it must not become infinite and swallow the mean.
    return np.asarray(np.where(np.isfinite(lengths) & (lengths > 0), lengths, np.nan))


def _is_there(need: Need | None, scheme: Scheme, boxes: bool) -> bool:
    if need == "boxes":
        return boxes
    return need is None or getattr(scheme, need) is not None

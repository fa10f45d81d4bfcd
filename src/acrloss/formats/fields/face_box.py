"""A face's box as annotation files give it: what is no box, and which of several is whose."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acrloss.boxes import tight_box
from acrloss.formats.fields.values import numbers
from acrloss.notes import Note

Box = tuple[float, float, float, float]

_WITHOUT_EXTENT = "box without extent"
# A box without a fitting label is a face's if it holds nearly all of its landmarks and is not much larger.
_HELD = 0.9
_LARGEST = 4.0
_FACE_WORDS = frozenset({"face", "faces", "head", "heads"})


def ordered_box(corners: object, where: str, notes: list[Note]) -> Box | None:
    """The box of two corners x0, y0, x1, y1, whichever they are; None, with a note, where it is none.

    Args:
        corners: four numbers, as JSON or as texts. NaN, or an empty list, means that there is no box.
        where: file and line, for the note.
        notes: receives a note where what stands there is no box, or its corners had to be changed.
    """
    if isinstance(corners, list | tuple) and (len(corners) == 0 or all(_is_nan(value) for value in corners)):
        return None
    try:
        x0, y0, x1, y1 = numbers(corners, "box").tolist()
    except ValueError as error:
        fault = str(error) if str(error).startswith("box") else f"a box has four numbers, got {reprlib.repr(corners)}"
        notes.append(Note("ignored", "box that cannot be read", where, fault))
        return None
    if x0 == x1 or y0 == y1:
        message = f"a box of {abs(x1 - x0):g} x {abs(y1 - y0):g} is none"
        notes.append(Note("ignored", _WITHOUT_EXTENT, where, message))
        return None
    if x0 > x1 or y0 > y1:
        message = f"the box's corners ({x0:g}, {y0:g}) and ({x1:g}, {y1:g}) are put in order"
        notes.append(Note("changed", "box with its corners in order", where, message))
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


@dataclass(frozen=True)
class LooseBox:
    """A box that its file gives to no face.

    Attributes:
        box: x0, y0, x1, y1, in the coordinates of the landmarks.
        label: what the annotator called it.
        where: file and line.
    """

    box: Box
    label: str
    where: str


def owners(
    boxes: Sequence[LooseBox],
    landmarks: Sequence[NDArray[np.float64]],
    labels: Sequence[str],
    known: Sequence[Box | None],
    notes: list[Note],
) -> list[Box | None]:
    """Which of the loose boxes of one image is the box of which face, in the order of the faces.

    A box is a face's if it holds the landmarks of that face alone, or if its label fits the only face of the image. Of
    several that are one face's, one with a fitting label comes first, then one that holds its landmarks.

    Args:
        boxes: the boxes that belong to no face by their file.
        landmarks: (M, 2) of each face of the image, NaN where missing.
        labels: what the annotator called each face.
        known: the box of each face that has one by its file, which it keeps.
        notes: receives a note for each box that is no face's.
    """
    best: list[tuple[int, LooseBox] | None] = [None] * len(landmarks)
    for loose in boxes:
        held = [face for face, marks in enumerate(landmarks) if _holds(loose.box, marks)]
        fitting = [face for face, label in enumerate(labels) if _fits(loose.label, label)]
        mine = held or (fitting if len(landmarks) == 1 else [])
        rejected: LooseBox | None = loose
        if len(mine) == 1 and known[mine[0]] is None:
            rank = 2 * (mine[0] in fitting) + (mine[0] in held)
            before = best[mine[0]]
            if before is None or rank > before[0]:
                rejected, best[mine[0]] = before[1] if before is not None else None, (rank, loose)
        if rejected is not None:
            name = reprlib.repr(rejected.label)
            message = f"the box {name} is no face's, by its label and what it holds, or a better one is"
            notes.append(Note("ignored", "box that is no face's", rejected.where, message))
    return [box if found is None else found[1].box for found, box in zip(best, known, strict=True)]


def _fits(label: str, face: str) -> bool:
    return label.casefold() == face.casefold() or not _FACE_WORDS.isdisjoint(re.findall("[a-z]+", label.lower()))


def _holds(box: Box, landmarks: NDArray[np.float64]) -> bool:
    known = landmarks[~np.isnan(landmarks).any(axis=1)]
    if not len(known):
        return False
    inside = ((known >= box[:2]) & (known <= box[2:])).all(axis=1).mean()
    tight = tight_box(known)
    largest = _LARGEST * max(float((tight[2:] - tight[:2]).max()), 1.0)
    return bool(inside >= _HELD and max(box[2] - box[0], box[3] - box[1]) <= largest)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)

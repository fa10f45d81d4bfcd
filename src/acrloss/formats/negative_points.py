"""Landmarks of .pts files with a minus before both coordinates: hidden ones, as MERL-RAV marks them, or outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acrloss.boxes import tight_box
from acrloss.formats.face import Face
from acrloss.notes import Note

# So many landmarks of all faces that would come to lie in their faces are no accident.
_MANY = 3
# So much nearer to the middle of their face they must be without the minus.
_NEARER = 0.5


def read_hidden(faces: Sequence[Face], negative: str | None, notes: list[Note]) -> None:
    """Take landmarks -x, -y for hidden ones at x, y, in place, and -1, -1 for missing ones.

    Args:
        faces: with landmarks from 0, that is one less than their files have.
        negative: "hidden" or "outside"; None decides by where the landmarks would lie.
        notes: receives a note for each face that is changed because it was decided so.
    """
    if negative == "outside":
        return
    signed = [(face, face.landmarks + 1) for face in faces if (face.landmarks < -1).all(axis=1).any()]
    if negative is None:
        hidden = sum(_belong(marks) for _, marks in signed)
        outside = sum(int((marks < 0).all(axis=1).sum()) for _, marks in signed) - hidden
        if hidden < _MANY or hidden <= outside:
            return
    for face, marks in signed:
        both = np.asarray((marks < 0).all(axis=1))
        missing = np.asarray((marks == -1).all(axis=1))
        face.landmarks = np.where(missing[:, None], np.nan, np.where(both[:, None], -marks, marks) - 1)
        face.visible = np.asarray(~both)
        if negative is None:
            hidden, gone = int((both & ~missing).sum()), int(missing.sum())
            message = (
                f"{hidden} landmarks -x, -y are taken for hidden at x, y, and {gone} at -1, -1 for missing; "
                "give negative=outside if they lie outside the image"
            )
            reason = "face with negative landmarks taken for hidden"
            notes.append(Note("guessed", reason, face.where, message))


def _belong(marks: NDArray[np.float64]) -> int:
    """How many landmarks that have a minus lie by their face without it and not with it, or are -1, -1 by the dozen."""
    both = np.asarray((marks < 0).all(axis=1))
    others = marks[~both & ~np.isnan(marks).any(axis=1)]
    if not len(others):
        return int(both.sum())
    centre = others.mean(axis=0)
    low, high = np.split(tight_box(others), 2)
    reach = max(float((high - low).max()), 1.0)
    near = ((marks >= low - reach) & (marks <= high + reach)).all(axis=1)
    nearer = np.linalg.norm(-marks - centre, axis=1) < _NEARER * np.linalg.norm(marks - centre, axis=1)
    missing = np.asarray((marks == -1).all(axis=1))
    return int((both & ((missing & (missing.sum() > 1)) | (nearer & ~near))).sum())

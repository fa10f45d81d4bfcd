"""Landmarks that a file has at 0, 0 or -1, -1 because it has no other way to say that they are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from acrloss.formats.face import Face
from acrloss.notes import Note

# 0 and -1 as readers hand them on, which have taken half a pixel, or one, off where a format counts otherwise.
_VALUES = (0.0, -0.5, -1.0, -1.5, -2.0)
# One landmark may lie in the corner of its image. Two of a face at one point there, or as many of all faces, do not.
_OF_ONE_FACE = 2
_OF_ALL_FACES = 3
_SHARE_OF_FACES = 0.01


def drop_sentinels(faces: Sequence[Face], notes: list[Note]) -> None:
    """Make landmarks missing, in place, whose coordinates stand for "missing"; a note says how many of which face."""
    total: Counter[float] = Counter()
    most: Counter[float] = Counter()
    for face in faces:
        for value, count in _corner_points(face).items():
            total[value] += count
            most[value] = max(most[value], count)
    enough = max(_OF_ALL_FACES, _SHARE_OF_FACES * len(faces))
    meant = {value for value in total if most[value] >= _OF_ONE_FACE or total[value] >= enough}
    for face in faces:
        for value, count in _corner_points(face).items():
            if value in meant:
                face.landmarks = np.where((face.landmarks == value).all(axis=1, keepdims=True), np.nan, face.landmarks)
                message = f"{count} landmarks in the corner, at ({value:g}, {value:g}), taken for missing"
                notes.append(Note("guessed", "landmark at 0,0 or -1,-1 taken for missing", face.where, message, count))


def _corner_points(face: Face) -> dict[float, int]:
    """How many landmarks of a face lie at each of the values that may stand for "missing"."""
    marks = face.landmarks
    suspects = marks[(marks[:, 0] == marks[:, 1]) & (marks[:, 0] <= 0), 0]
    return {value: count for value in _VALUES if (count := int((suspects == value).sum()))}

"""The flag v of a keypoint, as COCO and YOLO-pose have it: 0 missing, 1 hidden, 2 visible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acrloss.formats.fields.values import numbers
from acrloss.notes import Note


def keypoint_flags(
    values: Sequence[object], what: str, where: str, notes: list[Note]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which landmarks are known, and which of them visible.

    JSON has true and false where some tools mean 2 and 0, and predictions have a confidence; what is above 0 and not 1
    is taken for visible, with a note.

    Raises:
        ValueError: a flag is no number, or below 0.
    """
    flags = numbers([2 * v if isinstance(v, bool) else v for v in values], what)
    if (flags < 0).any():
        raise ValueError(f"{what} must be 0, 1 or 2, got {flags[flags < 0][0]:g}")
    odd = sum(isinstance(v, bool) for v in values) + int((~np.isin(flags, (0, 1, 2))).sum())
    if odd:
        message = f"{odd} flags v are not 0, 1 or 2; those above 0 are taken for visible"
        notes.append(Note("guessed", "keypoint flag that is not 0, 1 or 2", where, message, odd))
    return flags > 0, (flags > 0) & (flags != 1)

"""Boxes for formats in which every face has one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations


def boxes_of_all(annotations: Annotations, name: str) -> tuple[NDArray[np.float64], list[str]]:
    """(N, 4) the faces' boxes, around the landmarks and at least a pixel wide where there is none; and a line that
    says so, for a format called `name`."""
    boxless = np.isnan(annotations.boxes[:, 0])
    if not boxless.any():
        return annotations.boxes, []
    tight = annotations.landmark_boxes()
    centre, half = (tight[:, :2] + tight[:, 2:]) / 2, np.maximum((tight[:, 2:] - tight[:, :2]) / 2, 0.5)
    boxes = np.where(boxless[:, None], np.concatenate([centre - half, centre + half], axis=1), annotations.boxes)
    note = (
        f"{name} has no face without a box: {boxless.sum()} faces got the box around their landmarks, "
        "at least a pixel wide"
    )
    return boxes, [note]

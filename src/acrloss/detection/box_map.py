"""From the box of a face detector to the box that a network was trained on.

Detectors box whole heads, faces without foreheads, or something between; a network expects the box of its training. The
map between the two is measured on annotated faces and stored with the model.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from acrloss.arrays import Float
from acrloss.boxes import centres_and_sizes
from acrloss.errors import DataError


@dataclass(frozen=True)
class BoxMap:
    """A shift and a scale, relative to the size √(width · height) of the detector's box.

    Attributes:
        dx: shift of the centre to the right, as a share of the box's size.
        dy: shift of the centre downwards.
        scale: longer side of the network's box over the size of the detector's.
        faces: on how many faces it was measured.
    """

    dx: float
    dy: float
    scale: float
    faces: int

    def __post_init__(self) -> None:
        if not (abs(self.dx) < 5 and abs(self.dy) < 5 and 0.05 < self.scale < 20):
            raise ValueError(f"a box map of {self.dx}, {self.dy}, {self.scale} is impossible")

    def __call__(self, boxes: Float, turns: Float | None = None) -> Float:
        """(N, 4) boxes of the detector to (N, 4) square boxes for the network.

        The shift turns with the faces, by (N,) `turns` in degrees, clockwise on the screen, where these are known.
        """
        centres, sizes = centres_and_sizes(boxes)
        angles = np.zeros(len(centres)) if turns is None else np.deg2rad(turns)
        cos, sin = np.cos(angles), np.sin(angles)
        centres = centres + sizes * np.stack([self.dx * cos - self.dy * sin, self.dx * sin + self.dy * cos], axis=1)
        half = sizes * self.scale / 2
        return np.concatenate([centres - half, centres + half], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return asdict(self)


def fit_box_map(detected: Float, wanted: Float) -> BoxMap:
    """The map of (N, 4) `detected` boxes to the (N, 4) boxes `wanted` of the same faces, by medians.

    Raises:
        DataError: there are no faces.
    """
    if not len(detected):
        raise DataError("the detector found none of the annotated faces: its boxes cannot be mapped; give boxes")
    centres, sizes = centres_and_sizes(detected)
    target = (wanted[:, :2] + wanted[:, 2:]) / 2
    sides = (wanted[:, 2:] - wanted[:, :2]).max(axis=1, keepdims=True)
    # Medians: a few boxes always belong to another face in the picture.
    dx, dy = np.median((target - centres) / sizes, axis=0)
    return BoxMap(round(float(dx), 6), round(float(dy), 6), round(float(np.median(sides / sizes)), 6), len(detected))


def box_maps_from(values: Mapping[str, Any]) -> dict[str, BoxMap]:
    """Detector name -> map, from the dictionaries that `BoxMap.to_dict` gave."""
    return {str(name): BoxMap(**value) for name, value in values.items()}

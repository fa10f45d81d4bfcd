"""What a face detector is, and how one of small pictures looks at pictures of any size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from acrloss.arrays import Float, Image
from acrloss.errors import DataError

# Detectors look at a picture of at most this side first, and at a larger one where they find nothing.
_FIRST_SIDE, _SECOND_SIDE = 640, 1280
SMALLEST_FACE = 40.0
"""Side in pixels of the smallest faces that are looked for in large pictures, unless told otherwise."""
# What a face must measure in the picture that a detector sees to be found almost always.
_SEEN_FACE = 24
# Large pictures are cut into tiles of at most this side, which overlap by so much: a face smaller than the overlap is
# whole in one of the tiles, and a larger one is seen in the picture that is shrunk by a further factor.
_TILE, _OVERLAP, _FURTHER = 960, 160, 4
# Boxes of one face from two tiles or sizes share this much of the smaller one.
_SAME_FACE = 0.5

SMALLEST_SIDE = 16
"""Fewer pixels hold no face that could be aligned."""


_UNKNOWN: Any = None


@dataclass(frozen=True, eq=False)
class Detections:
    """The faces of one image, the surest first.

    Attributes:
        boxes: (N, 4) float64 x0, y0, x1, y1 in pixels of the image.
        scores: (N,) float64 in [0, 1].
        turns: (N,) float64 degrees by which each face is turned, clockwise on the screen; 0, the default, where the
            detector does not tell.
    """

    boxes: Float
    scores: Float
    turns: Float = _UNKNOWN

    def __post_init__(self) -> None:
        given: Any = self.turns
        if given is None:
            object.__setattr__(self, "turns", np.zeros(len(self.boxes)))


class Detector(Protocol):
    """Finds faces. `name` tells its kind of box apart: each model stores how the boxes of a detector map to its own."""

    name: str

    def __call__(self, image: Image) -> Detections:
        """The faces of an (H, W, 3) uint8 RGB image."""
        ...


@dataclass(frozen=True)
class DetectorKind:
    """A face detector by name: one object `DETECTOR` in each module that `acrloss.detection.registry` lists.

    Attributes:
        package: the module that must be installed for it.
        install: how to install that.
        create: builds it, for faces of at least so many pixels in large pictures.
        automatic: whether "auto" may choose it.
        calibrated: whether trainings measure how its boxes map to the network's.
        licence: of the detector and its weights.
    """

    package: str
    install: str
    create: Callable[[float], Detector]
    automatic: bool = True
    calibrated: bool = True
    licence: str = ""


class ScaledDetector:
    """Runs a detector of small pictures on pictures of any size.

    A face that fills its picture is lost to most detectors, as is a small one in a shrunken picture; where nothing is
    found, the picture is looked at again with a border around it, and then larger. A picture so large that its small
    faces would vanish is cut into overlapping tiles as well, whatever was found in the whole of it.
    """

    def __init__(
        self,
        name: str,
        find: Callable[[Image], tuple[Float, Float]],
        threshold: float = 0.6,
        smallest_face: float = SMALLEST_FACE,
    ) -> None:
        """
        Args:
            name: of the detector.
            find: (H, W, 3) uint8 RGB to (N, 4) boxes and (N,) scores.
            threshold: least score of a face.
            smallest_face: side in pixels of the smallest faces that are looked for in large pictures. Half as many
                cost four times as much; smaller ones may be found.

        Raises:
            DataError: the smallest face has no positive side.
        """
        if not smallest_face > 0:
            raise DataError(f"the smallest face must have a side above 0 pixels, not {smallest_face}")
        self.name, self._find, self._threshold = name, find, threshold
        self._finest = min(1.0, _SEEN_FACE / smallest_face)

    def __call__(self, image: Image) -> Detections:
        """The faces of an (H, W, 3) uint8 RGB image."""
        longer = max(image.shape[:2])
        found = self._look(image, _FIRST_SIDE, 0.0)
        if not len(found.boxes):
            found = self._look(image, _FIRST_SIDE // 2, 0.25)
        if longer * self._finest > _SECOND_SIDE * (_SEEN_FACE / SMALLEST_FACE):
            return self._with_tiles(image, found)
        if not len(found.boxes) and longer > _FIRST_SIDE:
            found = self._look(image, _SECOND_SIDE, 0.0)
        return found

    def _with_tiles(self, image: Image, found: Detections) -> Detections:
        """`found`, and the faces too small to be seen in the whole of the picture."""
        height, width = image.shape[:2]
        parts, factor = [found], self._finest
        while factor * max(height, width) > _FIRST_SIDE:
            columns, rows = max(round(width * factor), 1), max(round(height * factor), 1)
            smaller = image
            if factor < 1:
                smaller = np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8)
            scale = np.tile([width / columns, height / rows], 2)
            for y0, y1 in tiles(rows, _TILE, _OVERLAP):
                for x0, x1 in tiles(columns, _TILE, _OVERLAP):
                    tile = self._look(smaller[y0:y1, x0:x1], max(x1 - x0, y1 - y0), 0.0)
                    # What an inner edge cuts is whole in the next tile, or in a smaller picture.
                    inner = np.array([x0 > 0, y0 > 0, x1 < columns, y1 < rows])
                    reach = np.array([0, 0, x1 - x0 - 1, y1 - y0 - 1])
                    cut = ((np.abs(tile.boxes - reach) < 2) | ((tile.boxes - reach) * (-1, -1, 1, 1) > 0)) & inner
                    kept = ~cut.any(axis=1)
                    boxes = (tile.boxes[kept] + (x0, y0, x0, y0) + 0.5) * scale - 0.5
                    parts.append(Detections(boxes, tile.scores[kept]))
            factor /= _FURTHER
        return each_once(parts)

    def _look(self, image: Image, side: int, border: float) -> Detections:
        height, width = image.shape[:2]
        factor = min(1.0, side / max(height, width))
        columns, rows = max(round(width * factor), 1), max(round(height * factor), 1)
        if min(columns, rows) < SMALLEST_SIDE:
            return Detections(np.empty((0, 4)), np.empty(0))
        seen = image
        if factor < 1:
            seen = np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        margin = round(border * max(columns, rows))
        if margin:
            seen = np.asarray(
                cv2.copyMakeBorder(seen, margin, margin, margin, margin, cv2.BORDER_CONSTANT), dtype=np.uint8
            )
        boxes, scores = self._find(np.ascontiguousarray(seen))
        # Pixel centres: position x of the image is (x + 0.5) * factor - 0.5 in the shrunken one.
        scale = np.tile([width / columns, height / rows], 2)
        boxes = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) - margin + 0.5) * scale - 0.5
        scores = np.asarray(scores, dtype=np.float64).reshape(-1)
        sure = (scores >= self._threshold) & np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        order = np.flatnonzero(sure)[np.argsort(-scores[sure], kind="stable")]
        return Detections(boxes[order], scores[order])


def tiles(length: int, most: int, overlap: int) -> list[tuple[int, int]]:
    """First and last + 1 of the pieces, alike in length and overlapping, that cover `length` pixels.

    Args:
        length: of the picture, in one direction.
        most: length of a piece.
        overlap: by which neighbours overlap at least; less than `most`.
    """
    if length <= most:
        return [(0, length)]
    count = -(-(length - overlap) // (most - overlap))
    side = -(-(length + (count - 1) * overlap) // count)
    starts = [round(i * (length - side) / (count - 1)) for i in range(count)]
    return [(start, start + side) for start in starts]


def each_once(parts: list[Detections]) -> Detections:
    """All detections, the surest first, without those that share much with a surer one."""
    boxes, scores, turns = (
        np.concatenate(values) for values in zip(*((p.boxes, p.scores, p.turns) for p in parts), strict=True)
    )
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for i in order.tolist():
        box = boxes[i]
        low, high = np.maximum(box[:2], boxes[kept, :2]), np.minimum(box[2:], boxes[kept, 2:])
        shared = (high - low).clip(0).prod(axis=1)
        smaller = np.minimum((box[2:] - box[:2]).prod(), (boxes[kept, 2:] - boxes[kept, :2]).prod(axis=1))
        if not (shared > _SAME_FACE * smaller).any():
            kept.append(i)
    return Detections(boxes[kept], scores[kept], turns[kept])

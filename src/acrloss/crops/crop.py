"""The square crop around a face: one affine warp for the image and its landmarks.

Pixel coordinates follow OpenCV: the centre of the top-left pixel is (0, 0). Crop units are what networks and losses
see: the crop spans [0, 1] from edge to edge, so `crop = (pixel of the crop + 0.5) / size`.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np

from acrloss.annotations import Annotations
from acrloss.arrays import Float, Image
from acrloss.errors import DataError

BoxSource = Literal["landmarks", "annotated"]
_FEW = 3


@dataclass(frozen=True)
class CropSpec:
    """How a face is cut out of its image; belongs to a model and is stored in its checkpoint.

    Attributes:
        size: side of the square crop, in pixels of the network's input.
        box: what the crop is made from: "landmarks", the tight box around the landmarks (the annotated box for faces of
            which too few are known), or "annotated", the box that came with the data.
        enlargement: side of the crop over the longer side of the box.
    """

    size: int = 112
    box: BoxSource = "landmarks"
    enlargement: float = 1.15

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 4096:
            raise ValueError(f"crop size must be 16 to 4096 pixels, not {self.size}")
        if self.box not in ("landmarks", "annotated"):
            raise ValueError(f"crop box must be 'landmarks' or 'annotated', not {self.box!r}")
        if not 0.5 <= self.enlargement <= 10:
            raise ValueError(f"crop enlargement must be 0.5 to 10, not {self.enlargement}")

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON and YAML."""
        return asdict(self)

    def boxes(self, annotations: Annotations) -> Float:
        """(N, 4) boxes that the crops are made from.

        Raises:
            DataError: `box` is "annotated" and faces have none, or "landmarks" and faces have no landmark.
        """
        boxes = annotations.boxes
        if self.box == "landmarks":
            boxes = annotations.landmark_boxes()
            # Two landmarks of many, or several on one point, do not show where the face is.
            known = (~np.isnan(annotations.landmarks).any(axis=-1)).sum(axis=1)
            vague = (known < min(_FEW, annotations.scheme.num_landmarks)) | ((boxes[:, :2] == boxes[:, 2:]).all(axis=1))
            vague &= np.isfinite(annotations.boxes).all(axis=1) & (annotations.scheme.num_landmarks > 1)
            boxes = np.where(vague[:, None], annotations.boxes, boxes)
        missing = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
        if missing.size:
            lack, remedy = {
                "landmarks": ("landmark", "leave them out"),
                "annotated": ("box", "add boxes or crop around the landmarks with --crop.box landmarks"),
            }[self.box]
            raise DataError(
                f"{missing.size} faces of {annotations.source} have no {lack} "
                f"(first: {annotations.images[missing[0]]}); {remedy}"
            )
        return boxes

    def squares(self, boxes: Float) -> Float:
        """(N, 3) squares of `boxes` (N, 4): centre x, centre y and side, in pixels of the image."""
        x0, y0, x1, y1 = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T
        # A box of no extent (a single landmark) still needs a crop that can be cut.
        side = np.maximum(np.maximum(x1 - x0, y1 - y0) * self.enlargement, 1.0)
        return np.stack([(x0 + x1) / 2, (y0 + y1) / 2, side], axis=1)


def crop_matrix(
    square: Float,
    size: int,
    *,
    rotation: float = 0.0,
    scale: float = 1.0,
    translation: tuple[float, float] = (0.0, 0.0),
    mirror: bool = False,
) -> Float:
    """(2, 3) affine map from pixels of the image to pixels of the crop.

    Args:
        square: (3,) centre x, centre y and side of the square to cut, in pixels.
        size: side of the crop in pixels.
        rotation: degrees by which the face turns in the crop, clockwise on the screen.
        scale: how much larger the face appears in the crop.
        translation: shift of the face in the crop, as a share of the crop's side.
        mirror: flip left and right, after everything else. The landmarks must be permuted too.
    """
    x, y, side = square
    zoom = size / side * scale
    angle = np.deg2rad(rotation)
    linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (size - 1) / 2 + size * np.asarray(translation)
    matrix = np.concatenate([linear, (middle - linear @ (x, y))[:, None]], axis=1)
    if mirror:
        matrix[0] *= -1
        matrix[0, 2] += size - 1
    return matrix


def apply_matrix(matrix: Float, points: Float) -> Float:
    """(…, 2) `points` moved by the (2, 3) affine `matrix`; NaN stays NaN."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def invert_matrix(matrix: Float) -> Float:
    """The (2, 3) affine map that undoes `matrix`."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -(linear @ matrix[:, 2])[:, None]], axis=1)


def compose(second: Float, first: Float) -> Float:
    """The (2, 3) affine map that applies `first`, then `second`."""
    return np.concatenate([second[:, :2] @ first[:, :2], apply_matrix(second, first[:, 2])[:, None]], axis=1)


def to_crop_units(landmarks: Float, matrix: Float, size: int) -> Float:
    """(…, M, 2) landmarks in pixels of the image to crop units."""
    return (apply_matrix(matrix, landmarks) + 0.5) / size


def to_image(landmarks: Float, matrix: Float, size: int) -> Float:
    """(…, M, 2) landmarks in crop units to pixels of the image: the inverse of `to_crop_units`."""
    return apply_matrix(invert_matrix(matrix), np.asarray(landmarks, dtype=np.float64) * size - 0.5)


def shrink(image: Image, corners: Float, zoom: float) -> tuple[Image, Float]:
    """Cut the part of `image` around `corners` (K, 2) and, when `zoom` < 1, shrink it by that factor.

    Returns:
        The part, and the (2, 3) affine map from pixels of the image to its pixels. The part is 1×1 black when the
        corners lie wholly outside the image.

    Shrinking averages over the area of each new pixel. A bilinear warp reads only the four nearest pixels, so without
    this step a large photograph would be sampled here and there (aliasing) instead of seen from afar.
    """
    height, width = image.shape[:2]
    # Two pixels of the result as margin, for the bilinear taps at the rim.
    margin = 2 / min(zoom, 1.0)
    x0, y0 = (max(int(np.floor(v)), 0) for v in corners.min(axis=0) - margin)
    x1, y1 = (
        min(int(np.ceil(v)) + 1, end) for v, end in zip(corners.max(axis=0) + margin, (width, height), strict=True)
    )
    if x0 >= x1 or y0 >= y1:
        return np.zeros((1, 1, 3), np.uint8), np.array([[1.0, 0, -1e6], [0, 1.0, -1e6]])
    part = image[y0:y1, x0:x1]
    fx = fy = 1.0
    if zoom < 1:
        columns, rows = (max(round(n * zoom), 1) for n in (x1 - x0, y1 - y0))
        fx, fy = columns / (x1 - x0), rows / (y1 - y0)
        part = np.asarray(cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return part, np.array([[fx, 0, (0.5 - x0) * fx - 0.5], [0, fy, (0.5 - y0) * fy - 0.5]])


def warp(image: Image, matrix: Float, size: int) -> Image:
    """The (size, size, 3) crop of `image` under the affine `matrix` (pixels of the image to pixels of the crop).

    Minification averages (see `shrink`), magnification is bilinear, and what lies outside the image is black.
    """
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    # A shrunken image that is sampled once more at the crop's own resolution would be blurred twice; so it is sampled
    # at twice that resolution, and four samples make a pixel.
    fine = 2 if zoom < 1 else 1
    refine = np.array([[fine, 0, (fine - 1) / 2], [0, fine, (fine - 1) / 2]])
    ends = np.array([-0.5, size - 0.5])
    corners = apply_matrix(invert_matrix(matrix), np.array([(x, y) for x in ends for y in ends]))
    part, to_part = shrink(image, corners, zoom * fine)
    remaining = compose(refine, compose(matrix, invert_matrix(to_part)))
    crop = cv2.warpAffine(part, remaining, (size * fine, size * fine), flags=cv2.INTER_LINEAR)
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def lay_into_frame(landmarks: Float, squares: Float, side: float = 1.0, middle: Float | float = 0.5) -> Float:
    """Faces moved and scaled so that the square of each lies over one frame.

    Args:
        landmarks: (N, M, 2), in any unit.
        squares: (N, 3) centre x, centre y and side of each face's square, in that unit.
        side: of the frame.
        middle: of the frame, a number or (2,).

    Returns:
        (N, M, 2) landmarks in the frame; both coordinates are NaN where one is.
    """
    zoom = side / squares[:, None, 2:]
    framed = landmarks * zoom + (middle - zoom * squares[:, None, :2])
    return np.where(np.isnan(framed).any(axis=-1, keepdims=True), np.nan, framed)


def normalized_landmarks(annotations: Annotations, crop: CropSpec) -> Float:
    """(N, M, 2) landmarks in crop units of the plain crop: the frame in which the shape model is fitted."""
    squares = crop.squares(crop.boxes(annotations))
    # By way of the crop's pixels, as `to_crop_units` does: the numbers are the same to the last bit.
    return (lay_into_frame(annotations.landmarks, squares, crop.size, (crop.size - 1) / 2) + 0.5) / crop.size


def square_frame(annotations: Annotations) -> Float:
    """(N, M, 2) landmarks of every face where the square around its tight box spans 0 to 1; NaN stays NaN."""
    return lay_into_frame(annotations.landmarks, CropSpec(enlargement=1.0).squares(annotations.landmark_boxes()))

"""Triangles to pixels: which triangle is seen in each pixel, and vertex values interpolated across it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.synthetic.pen import FRACTION_BITS, fixed_point

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fragments:
    """The seen pixels of one picture, P of them.

    row, column: (P,) pixel. triangle: (P,) index into the triangles that were drawn.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    triangle: NDArray[np.int64]


def signed_area(corners: Float) -> Float:
    """Twice the area of triangles (T, 3, 2) in pixels; positive where the outer side faces the camera."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])


def reaches(corners: Float, size: int) -> NDArray[np.bool_]:
    """Whether the bounding boxes of triangles (T, 3, 2) reach into a picture of size x size pixels."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    return np.asarray((low[:, 0] < size) & (low[:, 1] < size) & (high[:, 0] > 0) & (high[:, 1] > 0))


def draw(corners: Float, size: int) -> Fragments:
    """Draw triangles (T, 3, 2) one over the other.

    The painter's algorithm is enough for a head, whose parts overlap in a known order, and OpenCV fills a small
    triangle in about a microsecond.
    """
    canvas = np.full((size, size), -1, np.int32)
    fill = cv2.fillConvexPoly
    for index, triangle in enumerate(fixed_point(corners)):
        fill(canvas, triangle, index, cv2.LINE_8, FRACTION_BITS)
    row, column = np.nonzero(canvas >= 0)
    return Fragments(row, column, canvas[row, column].astype(np.int64))


def interpolate(fragments: Fragments, corners: Float, values: Float32) -> Float32:
    """Values (T, 3, K) at triangle corners (T, 3, 2), interpolated at the seen pixels: (K, P)."""
    a = corners[:, 0]
    edge_b, edge_c = corners[:, 1] - a, corners[:, 2] - a
    area = edge_b[:, 0] * edge_c[:, 1] - edge_b[:, 1] * edge_c[:, 0]
    area = np.where(np.abs(area) < 1e-6, 1e-6, area)
    to_b, to_c = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
    # Within a triangle each value is an affine function of the pixel.
    inverse = (1.0 / area)[:, None]
    slope_x = (to_b * (edge_c[:, 1:2] * inverse) - to_c * (edge_b[:, 1:2] * inverse)).astype(np.float32)
    slope_y = (to_c * (edge_b[:, 0:1] * inverse) - to_b * (edge_c[:, 0:1] * inverse)).astype(np.float32)
    start = (values[:, 0] - slope_x * a[:, 0:1] - slope_y * a[:, 1:2]).astype(np.float32)
    x, y = fragments.column.astype(np.float32), fragments.row.astype(np.float32)
    result = np.empty((values.shape[2], len(x)), np.float32)
    for k, row in enumerate(result):
        np.take(start[:, k], fragments.triangle, out=row)
        row += slope_x[:, k][fragments.triangle] * x
        row += slope_y[:, k][fragments.triangle] * y
    return result


def sample(texture: Float32, x: Float32, y: Float32) -> Float32:
    """Colours (P, 3) of a texture at pixels x and y, (P,) each, bilinear."""
    # OpenCV takes maps of fewer than 32768 columns only, so the list of pixels is laid out in rows.
    width = 512
    rows = -(-len(x) // width)
    maps = np.zeros((2, rows * width), np.float32)
    maps[0, : len(x)], maps[1, : len(x)] = x, y
    x_map, y_map = maps.reshape(2, rows, width)
    colours = cv2.remap(texture, x_map, y_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(colours.reshape(-1, 3)[: len(x)], dtype=np.float32)

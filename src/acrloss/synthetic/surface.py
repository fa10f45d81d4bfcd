"""The average head as a surface: a smooth radius over directions, and a triangle mesh with open eyes and mouth.

Every point of the head is seen from one centre in exactly one direction, so the surface is a radius over the sphere of
directions. Directions are written as plane coordinates (p, q) in degrees by the azimuthal equidistant projection about
the frontal direction; the same plane carries the triangulation and the texture.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.synthetic import anatomy

CENTRE = np.array([0.0, 15.0, 10.0])

RIGHT_EYE = (36, 37, 38, 39, 40, 41)
LEFT_EYE = (42, 43, 44, 45, 46, 47)
INNER_MOUTH = (60, 61, 62, 63, 64, 65, 66, 67)
OUTER_MOUTH = (48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59)

# Each jaw landmark may slide from its place on the jaw towards the nose as far as this share of the way, to lie on the
# contour that the camera sees when the cheek hides the jaw. See `camera.visible_contour`.
SLIDE_STEPS = 13
SLIDE_REACH = 0.62


def smooth_step(value: Float, start: float, end: float) -> Float:
    """Smooth step from 0 at `start` to 1 at `end` (end may be below start)."""
    t = np.clip((value - start) / (end - start), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))


def to_plane(points: Float) -> Float:
    """Points (..., 3) in millimetres -> plane coordinates (..., 2) in degrees."""
    d = points - CENTRE
    lateral = np.hypot(d[..., 0], d[..., 1])
    angle = np.degrees(np.arctan2(lateral, d[..., 2]))
    scale = angle / np.maximum(lateral, 1e-9)
    return np.stack([d[..., 0] * scale, d[..., 1] * scale], axis=-1)


def directions(plane: Float) -> Float:
    """Plane coordinates (..., 2) in degrees -> unit vectors (..., 3)."""
    angle = np.hypot(plane[..., 0], plane[..., 1])
    sine = np.sin(np.radians(angle)) / np.maximum(angle, 1e-9)
    return np.stack([plane[..., 0] * sine, plane[..., 1] * sine, np.cos(np.radians(angle))], axis=-1)


def _kernel(a: Float, b: Float) -> Float:
    """Thin-plate kernel r^2 log r on chords between unit vectors."""
    squared = np.maximum(2.0 - 2.0 * (a @ b.T), 0.0)
    return np.asarray(squared * np.log(squared + 1e-12))


@cache
def _weights() -> tuple[Float, Float]:
    """Unit vectors of the form points and the interpolation weights of their radii."""
    offsets = anatomy.form_points() - CENTRE
    radius = np.linalg.norm(offsets, axis=1)
    units = offsets / radius[:, None]
    count = len(units)
    # The polynomial part keeps the radius well behaved between sparse points at the back of the head.
    system = np.zeros((count + 4, count + 4))
    # A little smoothing, about a tenth of a millimetre, takes out dents between points a few millimetres apart.
    system[:count, :count] = _kernel(units, units) + 2e-5 * np.eye(count)
    system[:count, count] = system[count, :count] = 1.0
    system[:count, count + 1 :] = units
    system[count + 1 :, :count] = units.T
    return units, np.linalg.solve(system, np.concatenate([radius, np.zeros(4)]))


def point_at(plane: Float) -> Float:
    """Surface points (..., 3) in millimetres at plane coordinates (..., 2)."""
    units, weights = _weights()
    d = directions(plane).reshape(-1, 3)
    radius = _kernel(d, units) @ weights[: len(units)] + weights[len(units)] + d @ weights[len(units) + 1 :]
    return np.asarray((CENTRE + d * radius[:, None]).reshape(*plane.shape[:-1], 3))


def smooth_curve(points: Float, steps: int, closed: bool) -> Float:
    """Catmull-Rom curve through points (K, D), `steps` samples a segment, starting at the first point."""
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (padded[i : len(padded) - 3 + i, None] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = curve.reshape(-1, points.shape[1])
    return np.asarray(curve if closed else np.concatenate([curve, points[-1:]]))


def almond(points: Float, corner: int, steps: int) -> Float:
    """Closed curve through points (K, D) with sharp corners at the first point and at point `corner`."""
    return np.concatenate([
        smooth_curve(points[: corner + 1], steps, closed=False)[:-1],
        smooth_curve(np.concatenate([points[corner:], points[:1]]), steps, closed=False)[:-1],
    ])  # fmt: skip


@dataclass(frozen=True, eq=False)
class HeadMesh:
    """Average head: vertices and triangles.

    vertices: (V, 3) millimetres; the first 68 are the ibug68 landmarks, the next 17 * SLIDE_STEPS the places where jaw
        landmarks may slide (these are not part of the triangulation).
    plane: (V, 2) plane coordinates of the vertices in degrees.
    triangles: (T, 3) vertex indices, counter-clockwise in the image when seen from outside.
    window: (T,) 0 skin, 1 opening of an eye, 2 opening of the mouth.
    """

    vertices: Float
    plane: Float
    triangles: NDArray[np.int64]
    window: NDArray[np.int64]


def _hexagonal(spacing: float, inner: float, outer: float) -> Float:
    """Points of a triangular grid, symmetric in p, whose distance from the origin lies in [inner, outer)."""
    rows = int(outer / (spacing * 0.866)) + 1
    q = np.arange(-rows, rows + 1) * spacing * 0.866
    columns = np.arange(-rows, rows + 1)
    grid = [np.stack([(columns + 0.5 * (i % 2)) * spacing, np.full(len(columns), v)], axis=1) for i, v in enumerate(q)]
    points = np.concatenate(grid)
    points = np.concatenate([points, points * (-1, 1)])
    points = np.unique(np.round(points, 6), axis=0)
    radius = np.hypot(points[:, 0], points[:, 1])
    return np.asarray(points[(radius >= inner) & (radius < outer)])


def slide_paths() -> Float:
    """Plane coordinates (17, SLIDE_STEPS, 2) along which the jaw landmarks may slide."""
    jaw = to_plane(anatomy.landmarks()[:17])
    # Aim at the middle line at about the landmark's own height, but never above the eyes or below the mouth.
    aim = np.stack([np.zeros(17), np.clip(jaw[:, 1], -2.0, 32.0)], axis=1)
    share = np.linspace(0.0, SLIDE_REACH, SLIDE_STEPS)[None, :, None]
    return np.asarray(jaw[:, None] * (1 - share) + aim[:, None] * share)


@cache
def head_mesh() -> HeadMesh:
    """The average head's mesh; made once."""
    landmarks = to_plane(anatomy.landmarks())
    eyes = [almond(landmarks[list(eye)], 3, 3) for eye in (RIGHT_EYE, LEFT_EYE)]
    lids = [_rim(eye, 1.35) for eye in eyes]
    # Finer beside the corners of the mouth, where the lips meet.
    inner = almond(landmarks[list(INNER_MOUTH)], 4, 8)[[0, 1, *range(2, 31, 2), 31, 32, 33, *range(34, 63, 2), 63]]
    outer = almond(landmarks[list(OUTER_MOUTH)], 6, 2)
    features = np.concatenate([landmarks, *eyes, *lids, inner, outer])
    grid = np.concatenate([_hexagonal(3.2, 0, 42), _hexagonal(6.5, 44, 112), _hexagonal(15.0, 118, 168)])
    mouth_and_eyes = [*eyes, inner]
    free = [
        not any(cv2.pointPolygonTest(c.astype(np.float32), (float(p), float(q)), False) >= 0 for c in mouth_and_eyes)
        for p, q in grid
    ]
    grid = grid[free]
    gap = np.linalg.norm(grid[:, None] - features[None], axis=2).min(axis=1)
    grid = grid[gap > 1.7]
    slides = slide_paths().reshape(-1, 2)
    plane = np.concatenate([landmarks, slides, features[68:], grid])
    drawn = np.concatenate([np.arange(68), np.arange(68 + len(slides), len(plane))])
    # Lips that touch would be joined here and there; they are triangulated a little apart.
    mouth = inner.copy()
    half = len(mouth) // 2
    mouth[1:half, 1] -= 0.6
    mouth[half + 1 :, 1] += 0.6
    parted = plane.copy()
    vertex, place = np.nonzero(np.abs(plane[:, None] - inner[None]).max(axis=2) < 1e-9)
    parted[vertex] = mouth[place]
    triangles = drawn[_delaunay(parted[drawn])]
    middle = parted[triangles].mean(axis=1)
    window = np.zeros(len(triangles), np.int64)
    for curve, label in ((eyes[0], 1), (eyes[1], 1), (mouth, 2)):
        inside = [cv2.pointPolygonTest(curve.astype(np.float32), (float(p), float(q)), False) > 0 for p, q in middle]
        window[inside] = label
    vertices = point_at(plane)
    vertices[:68] = anatomy.landmarks()
    return HeadMesh(vertices, plane, triangles, window)


def _rim(curve: Float, factor: float) -> Float:
    """A closed curve (K, 2) enlarged about its middle, more in height than in width."""
    middle = (curve.max(axis=0) + curve.min(axis=0)) / 2
    return np.asarray(middle + (curve - middle) * (1 + (factor - 1) * 0.6, 1 + (factor - 1) * 2.2))


def _delaunay(points: Float) -> NDArray[np.int64]:
    """Delaunay triangles (T, 3) of distinct points (K, 2), all with the same orientation."""
    low, high = points.min() - 10, points.max() + 10
    division = cv2.Subdiv2D((int(low), int(low), int(high - low) + 10, int(high - low) + 10))
    indices: dict[tuple[float, float], int] = {}
    for index, (p, q) in enumerate(points.astype(np.float32)):
        key = (float(p), float(q))
        if key not in indices:
            indices[key] = index
            division.insert(key)
    triangles = []
    for six in division.getTriangleList():
        corners = [indices.get((float(six[i]), float(six[i + 1]))) for i in (0, 2, 4)]
        if None not in corners:
            triangles.append(corners)
    result = np.array(triangles, dtype=np.int64)
    a, b, c = (points[result[:, i]] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    result[area < 0] = result[area < 0][:, ::-1]
    return result[np.abs(area) > 1e-9]

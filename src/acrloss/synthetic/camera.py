"""Pose, perspective projection and the contour of the jaw as the camera sees it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acrloss.synthetic.surface import SLIDE_STEPS

Float = NDArray[np.float64]

# The head turns about the top of the neck.
PIVOT = np.array([0.0, 40.0, -10.0])


def rotation(yaw: float, pitch: float, roll: float) -> Float:
    """Rotation (3, 3) from angles in degrees.

    Positive yaw turns the nose to the image's right, positive pitch turns it down, positive roll turns the head
    clockwise in the image.
    """
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(np.radians(a)), np.sin(np.radians(a))) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y)


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera looking along -z at the head's pivot.

    head: (3, 3) rotation of the head; body: (3, 3) rotation of the shoulders. distance: millimetres from the pivot.
    scale: pixels per millimetre at the pivot. offset: (2,) pixel position of the pivot.
    """

    head: Float
    body: Float
    roll: float
    distance: float
    scale: float
    offset: Float

    def project(self, points: Float) -> Float:
        """Points (..., 3) relative to the pivot in camera axes -> pixels (..., 2)."""
        perspective = self.scale * self.distance / (self.distance - points[..., 2:])
        return np.asarray(points[..., :2] * perspective + self.offset)

    def see(self, points: Float) -> Float:
        """Points (..., 3) in the head's axes and millimetres -> pixels (..., 2)."""
        return self.project((points - PIVOT) @ self.head.T)


def visible_contour(paths: Float, roll: float) -> Float:
    """Jaw landmarks (17, 2) on the contour of the face, from projected slide paths (17, SLIDE_STEPS, 2).

    Annotators mark the jaw where they see the face end: on the side that is turned away that is the contour of the
    cheek, not the hidden edge of the jaw. So each jaw landmark slides along its path on the surface to the place that
    lies farthest outwards in the image; on the side turned to the camera that is its own place on the jaw.
    The place is refined by a parabola through three samples, so it moves continuously with the pose.
    """
    # Outwards is sideways beside the eyes and turns to downwards at the chin.
    share = np.clip((np.arange(17) - 8) / 6.0, -1.0, 1.0)
    angle = np.radians(90.0 - 90.0 * np.abs(share) ** 0.8 * np.sign(share) + roll)
    outwards = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    extent = np.einsum("ijk,ik->ij", paths, outwards)
    best = np.argmax(extent, axis=1)
    rows = np.arange(17)
    inner = np.clip(best, 1, SLIDE_STEPS - 2)
    before, here, after = (extent[rows, inner + step] for step in (-1, 0, 1))
    curvature = before - 2 * here + after
    safe = np.where(curvature < -1e-9, curvature, -1.0)
    t = np.clip(np.where(curvature < -1e-9, 0.5 * (before - after) / safe, best - inner), -1.0, 1.0)[:, None]
    a, b, c = (paths[rows, inner + step] for step in (-1, 0, 1))
    return np.asarray(b + 0.5 * t * (c - a) + 0.5 * t**2 * (a - 2 * b + c))

"""Pose, perspective projection and the contour of the jaw as the camera sees it."""

from dataclasses import dataclass

import numpy as np

from acrloss.arrays import Float

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

    def finer(self, factor: int) -> "Camera":
        """The camera of the same picture with `factor` times as many pixels a side."""
        offset = self.offset * factor + (factor - 1) / 2
        return Camera(self.head, self.body, self.roll, self.distance, self.scale * factor, offset)

    def project(self, points: Float) -> Float:
        """Points (..., 3) relative to the pivot in camera axes -> pixels (..., 2)."""
        perspective = self.scale * self.distance / (self.distance - points[..., 2:])
        return np.asarray(points[..., :2] * perspective + self.offset)

    def see(self, points: Float) -> Float:
        """Points (..., 3) in the head's axes and millimetres -> pixels (..., 2)."""
        return self.project((points - PIVOT) @ self.head.T)


def visible_contour(paths: Float, roll: float, softness: float) -> Float:
    """Jaw landmarks (17, 2) on the contour of the face, from projected slide paths (17, K, 2).

    Annotators mark the jaw where they see the face end: on the side that is turned away that is the contour of the
    cheek, not the hidden edge of the jaw. So each jaw landmark slides along its path on the surface to the place that
    lies farthest outwards in the image; on the side turned to the camera that is its own place on the jaw.
    The place is a softmax mean along the path, `softness` pixels wide, so it moves continuously with the pose.
    """
    # Outwards is sideways beside the eyes and turns to downwards at the chin.
    share = np.clip((np.arange(17) - 8) / 6.0, -1.0, 1.0)
    angle = np.radians(90.0 - 90.0 * np.abs(share) ** 0.8 * np.sign(share) + roll)
    outwards = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    extent = np.einsum("ijk,ik->ij", paths, outwards)
    weight = np.exp((extent - extent.max(axis=1, keepdims=True)) / softness)
    place = weight @ np.arange(paths.shape[1]) / weight.sum(axis=1)
    first = np.minimum(place.astype(int), paths.shape[1] - 2)
    rest = (place - first)[:, None]
    rows = np.arange(17)
    return np.asarray(paths[rows, first] * (1 - rest) + paths[rows, first + 1] * rest)

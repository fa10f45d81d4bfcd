"""The layout of the picture that is wrapped around a head and its surroundings, and the tools to paint it.

The face's part is the plane of `surface` (1.6 pixels a degree), where every person's features have the same places, so
what is painted there follows the form of any face. Beside it lie hair, cloth, ear and neck.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Float, Image
from acrloss.synthetic import anatomy, surface

Float32 = NDArray[np.float32]

SIDE = 320
PER_DEGREE = 1.6
WIDTH = SIDE + 112
# (x, y, width, height) of the other textures in the atlas, each with a margin so that its edge may be sampled.
HAIR = (SIDE + 2, 2, 108, 126)
CLOTH = (SIDE + 2, 132, 108, 88)
EAR = (SIDE + 2, 224, 44, 44)
NECK = (SIDE + 2, 272, 108, 46)


def face_uv(plane: Float) -> Float:
    """Atlas pixels (..., 2) of plane coordinates in degrees."""
    return np.asarray(np.clip(SIDE / 2 + plane * PER_DEGREE, 1.0, SIDE - 2.0))


def region_uv(region: tuple[int, int, int, int], uv: Float) -> Float:
    """Atlas pixels (..., 2) of coordinates in [0, 1] within a region."""
    x, y, width, height = region
    return np.asarray(np.array([x, y]) + uv * np.array([width - 1, height - 1]))


def front(xy: ArrayLike) -> Float:
    """Atlas pixels (K, 2) of places on the front of the average face given by x and y (K, 2) in millimetres."""
    flat = np.asarray(xy, dtype=np.float64)
    points = np.concatenate([flat, np.full((len(flat), 1), 90.0)], axis=1)
    # Their z is found by going back and forth between the surface and the given x and y.
    for _ in range(12):
        points[:, 2] = surface.point_at(surface.to_plane(points))[:, 2]
    return face_uv(surface.to_plane(points))


@dataclass(frozen=True, eq=False)
class Mask:
    """Cover (h, w, 3) in [0, 1], the same in all channels, of a rectangle of the face's texture.

    Colours are repeated along a row before they are used: NumPy is several times slower with inner loops of three.
    """

    y: slice
    x: slice
    cover: Float32

    def blend(self, texture: Float32, colour: ArrayLike, strength: float) -> None:
        """Mix a colour into the texture in place."""
        area = texture[self.y, self.x]
        change = self._row(colour) - area
        change *= self.cover
        change *= np.float32(strength)
        area += change

    def shade(self, texture: Float32, factor: ArrayLike, strength: float = 1.0) -> None:
        """Multiply the texture by `factor` (per channel or for all) where the mask covers it, in place."""
        change = self.cover * self._row((np.asarray(factor) - 1.0) * strength)
        change += np.float32(1)
        texture[self.y, self.x] *= change

    def _row(self, colour: ArrayLike) -> Float32:
        return row(colour, self.cover.shape[1])


def row(colour: ArrayLike, width: int) -> Float32:
    """One colour, or one number for all channels, repeated: (width, 3)."""
    return np.tile(np.broadcast_to(np.asarray(colour, np.float32), (3,)), (width, 1))


def empty() -> Image:
    """A black canvas of the size of the face's texture."""
    return np.zeros((SIDE, SIDE), np.uint8)


def as_mask(canvas: Image, blur: float) -> Mask:
    """What is drawn on a canvas, softened by a Gaussian of `blur` pixels."""
    cover = cv2.GaussianBlur(canvas, (0, 0), blur) if blur > 0 else canvas
    rows, columns = np.nonzero(cover.max(axis=1))[0], np.nonzero(cover.max(axis=0))[0]
    y, x = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    grey = cover[y, x, None].astype(np.float32) / np.float32(255)
    return Mask(y, x, np.repeat(grey, 3, axis=2))


def curve(points: Float, steps: int = 5) -> Float:
    """Smooth curve through points (K, 2)."""
    return surface.smooth_curve(points, steps, closed=False)


def landmark_places(indices: tuple[int, ...] | range) -> Float:
    """Atlas pixels (K, 2) of landmarks of the average face."""
    return face_uv(surface.to_plane(anatomy.landmarks()[list(indices)]))

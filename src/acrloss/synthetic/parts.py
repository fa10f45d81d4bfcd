"""What belongs to a head but not to its surface: ears, neck, shoulders and hair, each a small mesh."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.synthetic.surface import smooth_step

Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh of V vertices and T triangles.

    vertices: (V, 3) millimetres in the head's axes. uv: (V, 2) in [0, 1] within the part's texture.
    triangles: (T, 3) vertex indices, facing the camera where their image's area is positive.
    """

    vertices: Float
    uv: Float
    triangles: Int


def grid_triangles(rows: int, columns: int) -> Int:
    """Triangles of a rows x columns grid of vertices; facing the camera when columns run right and rows run down."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None, :]).reshape(-1)
    a, b, c, d = corner, corner + 1, corner + columns, corner + columns + 1
    return np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)])


@cache
def ears() -> Part:
    """Both ears, the right one first; half of the vertices and triangles each."""
    angles = np.linspace(0.0, 2 * np.pi, 15)
    rings = np.array([0.0, 0.45, 0.75, 0.92, 1.0])
    ring, angle = (m.reshape(-1) for m in np.meshgrid(rings, angles, indexing="ij"))
    # Wider above than below, fixed to the head at its front edge.
    width = 15.5 - 4.0 * np.sin(angle)
    back = 14.0 + ring * np.cos(angle) * width
    down = 14.0 + ring * np.sin(angle) * 29.5
    relief = np.interp(ring, rings, [-2.5, -2.0, 3.0, 4.0, 0.0]) * smooth_step(np.cos(angle), -1.0, -0.2)
    away = 69.5 + 0.42 * back + relief
    right = np.stack([-away, down, 4.0 - 0.88 * back + 0.5 * relief - 0.12 * (down - 14)], axis=1)
    uv = np.stack([0.5 + 0.5 * ring * np.cos(angle), 0.5 + 0.5 * ring * np.sin(angle)], axis=1)
    triangles = grid_triangles(len(rings), len(angles))
    count = len(right)
    vertices = np.concatenate([right, right * (-1, 1, 1)])
    # On the image's left the grid is seen mirrored, which turns its triangles over.
    return Part(vertices, np.concatenate([uv, uv]), np.concatenate([triangles, triangles[:, ::-1] + count]))


@cache
def neck() -> Part:
    """Neck from under the jaw into the shoulders; v is 0 at the top, 1 at the bottom."""
    angles = np.radians(np.linspace(-115.0, 115.0, 17))
    heights = np.array([55.0, 85.0, 110.0, 130.0, 150.0, 172.0, 200.0])
    y, angle = (m.reshape(-1) for m in np.meshgrid(heights, angles, indexing="ij"))
    flare = 1.0 + 0.25 * smooth_step(y, 140.0, 200.0)
    vertices = np.stack(
        [50.0 * flare * np.sin(angle), y, -22.0 - 0.12 * (y - 60) + 48.0 * flare * np.cos(angle)], axis=1
    )
    uv = np.stack([angle / angles[-1] * 0.5 + 0.5, (y - 55.0) / 145.0], axis=1)
    return Part(vertices, uv, grid_triangles(len(heights), len(angles)))


@cache
def shoulders() -> Part:
    """Chest and shoulders; u across, v down."""
    across = np.linspace(-1.0, 1.0, 21)
    rings = np.array([[162.0, -45.0], [166.0, -15.0], [176.0, 12.0], [196.0, 32.0], [260.0, 48.0], [420.0, 55.0]])
    index, u = (m.reshape(-1) for m in np.meshgrid(np.arange(len(rings)), across, indexing="ij"))
    x = 235.0 * u
    slope = 62.0 * np.abs(u) ** 2.2 + 90.0 * smooth_step(np.abs(u), 0.8, 1.05)
    y = rings[index.astype(np.int64), 0] - 10.0 + slope
    z = rings[index.astype(np.int64), 1] * (1.0 - 0.8 * np.abs(u) ** 3) - 25.0
    uv = np.stack([u * 0.5 + 0.5, index / (len(rings) - 1)], axis=1)
    return Part(np.stack([x, y, z], axis=1), uv, grid_triangles(len(rings), len(across)))


HAIR_COLUMNS = 45
HAIR_ROWS = 13
# The scalp under the hair, an ellipsoid.
_SCALP_CENTRE = np.array([0.0, -25.0, -2.0])
_SCALP_RADII = np.array([75.0, 96.0, 99.0])


@dataclass(frozen=True, eq=False)
class HairStyle:
    """Form of hair or headgear.

    front, side, back: height (mm, y down) at which it ends over the forehead, before and behind the ears.
    part: mm that the front falls more on the left than on the right. volume: mm above the scalp.
    curl: mm of waves. fade: whether the volume fades out at the front edge. opening: degrees of face left free
    on each side of the front. jag: mm of unevenness of the edge.
    """

    front: float
    side: float
    back: float
    part: float
    volume: float
    curl: float
    fade: bool
    opening: float
    jag: float


def hair(style: HairStyle, random: np.random.Generator) -> Part:
    """A shell over the scalp which falls straight down from where the head is widest."""
    azimuth = np.linspace(-180.0, 180.0, HAIR_COLUMNS)
    away = np.abs(azimuth)
    end = np.interp(
        away,
        [0.0, style.opening - 14, style.opening, style.opening + 16, style.opening + 42, 180.0],
        [style.front, style.front + 7, style.front + 26, style.side, style.back, style.back],
    )
    end += style.part * np.sin(np.radians(azimuth)) * smooth_step(away, 90.0, 45.0)
    end += style.jag * random.uniform(-1.0, 1.0, HAIR_COLUMNS)
    end[-1] = end[0]
    share = np.linspace(0.0, 1.0, HAIR_ROWS)[:, None] ** 0.9
    centre_y, height = _SCALP_CENTRE[1], _SCALP_RADII[1]
    # Equal steps along the way: over the scalp by angle, then down.
    arc = np.where(end < centre_y, np.arccos(np.clip((centre_y - end) / height, -1, 1)), np.pi / 2)
    drop = np.maximum(end - centre_y, 0.0)
    length = arc * 88.0 + drop
    travelled = share * length[None, :]
    angle = np.minimum(travelled / 88.0, np.minimum(arc, np.pi / 2)[None, :])
    fall = np.maximum(travelled - angle * 88.0, 0.0)
    sine, cosine = np.sin(angle), np.cos(angle)
    wave = random.normal(0.0, 1.0, (HAIR_ROWS, HAIR_COLUMNS))
    wave[:, -1] = wave[:, 0]
    wave[:2] *= 0.2
    thick = style.volume * (0.35 + 0.65 * smooth_step(share * np.ones_like(sine), 0.0, 0.35))
    if style.fade:
        front = smooth_step(away, style.opening + 10, style.opening - 15)[None, :]
        thick = thick * (1 - front * smooth_step(share * np.ones_like(sine), 0.55, 1.0))
    short_sides = smooth_step(end, 20.0, -20.0)[None, :] * smooth_step(share * np.ones_like(sine), 0.6, 1.0)
    thick = np.maximum(thick * (1 - 0.55 * short_sides), 2.0) + style.curl * wave
    # Falling hair comes in under the head's widest place.
    inwards = 1.0 - 0.10 * smooth_step(fall, 40.0, 180.0)
    rad = np.radians(azimuth)[None, :]
    x = np.sin(rad) * ((_SCALP_RADII[0]) * sine + thick * np.sqrt(sine)) * inwards
    z = np.cos(rad) * ((_SCALP_RADII[2]) * sine + thick * np.sqrt(sine)) * inwards
    y = centre_y - (height + 0.9 * thick) * cosine + fall
    vertices = np.stack([x, y, z + _SCALP_CENTRE[2]], axis=2).reshape(-1, 3)
    u = np.broadcast_to(np.linspace(0.0, 1.0, HAIR_COLUMNS)[None, :], sine.shape)
    uv = np.stack([u, np.broadcast_to(share, sine.shape)], axis=2).reshape(-1, 2)
    return Part(vertices, np.asarray(uv), grid_triangles(HAIR_ROWS, HAIR_COLUMNS))


def outwards(vertices: Float) -> Float:
    """Directions (V, 3), not of unit length, in which points of `hair` face: out of the scalp, sideways below it."""
    d = (vertices - _SCALP_CENTRE) / _SCALP_RADII
    return np.asarray(np.stack([d[:, 0], np.minimum(d[:, 1], 0.0), d[:, 2]], axis=1))

"""All meshes of one picture in camera axes, and the order in which their triangles are painted."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.synthetic import atlas, modes, parts, rasterise, surface
from acrloss.synthetic.camera import PIVOT, Camera
from acrloss.synthetic.looks import Person

Int = NDArray[np.int64]

# Parts in the order in which they are painted; triangles within one are painted from far to near.
_BACK_HAIR, _NECK, _SHOULDERS, _FAR_EAR, _SKIN, _NEAR_EAR, _FRONT_HAIR = range(7)


@dataclass(frozen=True, eq=False)
class Assembly:
    """V vertices and the T triangles that are seen, those to be painted first first.

    normals: (V, 3) outward unit vectors in camera axes. uv: (V, 2) atlas pixels. corners: (T, 3, 2) pixels.
    window: (T,) as of `surface.HeadMesh`. inside: (T,) whether the inner side of hair is seen.
    The first vertices are those of `surface.head_mesh()`.
    """

    normals: Float
    uv: Float
    triangles: Int
    corners: Float
    window: Int
    inside: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Fixed:
    """Triangles, layers, openings and atlas coordinates of everything but hair."""

    triangles: Int
    layers: Int
    window: Int
    uv: Float
    ears: tuple[slice, slice]


@cache
def _fixed() -> _Fixed:
    mesh, ears, neck, shoulders = surface.head_mesh(), parts.ears(), parts.neck(), parts.shoulders()
    triangles, start = [], 0
    for part in (mesh, ears, neck, shoulders):
        triangles.append(part.triangles + start)
        start += len(part.vertices)
    layers = np.repeat((_SKIN, _NEAR_EAR, _NECK, _SHOULDERS), [len(part) for part in triangles])
    uv = [
        atlas.face_uv(mesh.plane),
        atlas.region_uv(atlas.EAR, ears.uv),
        atlas.region_uv(atlas.NECK, neck.uv),
        atlas.region_uv(atlas.CLOTH, shoulders.uv),
    ]
    window = np.zeros(len(layers), np.int64)
    first, half = len(mesh.triangles), len(ears.triangles) // 2
    window[:first] = mesh.window
    both = slice(first, first + half), slice(first + half, first + 2 * half)
    return _Fixed(np.concatenate(triangles), layers, window, np.concatenate(uv), both)


@cache
def _ear_modes() -> Float:
    return modes.identity_modes(parts.ears().vertices)


def assemble(head: Float, identity: Float, looks: Person, view: Camera, size: int) -> Assembly:
    """Everything that a camera sees of a person in a picture of size x size pixels.

    head: (V, 3) vertices of `surface.head_mesh()` with identity and expression.
    """
    fixed = _fixed()
    triangles, uv, window, layers = fixed.triangles, fixed.uv, fixed.window, fixed.layers.copy()
    posed = [
        _turned(head, view.head),
        _turned(parts.ears().vertices + np.tensordot(identity, _ear_modes(), 1), view.head),
        _neck(view),
        _turned(parts.shoulders().vertices, view.body),
    ]
    # The head hides part of an ear that does not look towards the camera.
    for side, ear in zip((-1.0, 1.0), fixed.ears, strict=True):
        if side * view.head[2, 0] < 0.1:
            layers[ear] = _FAR_EAR
    hair_from, behind = len(triangles), np.zeros(0, np.bool_)
    if looks.hair is not None:
        shell = parts.hair(looks.hair, np.random.Generator(np.random.PCG64(looks.grain)))
        behind = (parts.outwards(shell.vertices) @ view.head[2])[shell.triangles].sum(axis=1) < 0
        posed.append(_turned(_fitted(shell.vertices, identity), view.head))
        triangles = np.concatenate([triangles, shell.triangles + len(uv)])
        uv = np.concatenate([uv, atlas.region_uv(atlas.HAIR, shell.uv)])
        window = np.concatenate([window, np.zeros(len(behind), np.int64)])
        layers = np.concatenate([layers, np.full(len(behind), _FRONT_HAIR)])
    vertices = np.concatenate(posed)
    corners = view.project(vertices)[triangles]
    area = rasterise.signed_area(corners)
    # Hair is seen from inside too, on the far side of the head.
    inside = area < 0
    inside[:hair_from] = False
    layers[hair_from:][behind | inside[hair_from:]] = _BACK_HAIR
    # Slivers far below a pixel, such as the opening of closed lips, are left out.
    seen = np.flatnonzero(((area > 0.02) | inside) & rasterise.reaches(corners, size))
    depth = vertices[:, 2][triangles[seen]].sum(axis=1) / 3
    order = seen[np.argsort(layers[seen] * 1e4 + depth, kind="stable")]
    normals = _normals(vertices, triangles[window == 0])
    return Assembly(normals, uv, triangles[order], corners[order], window[order], inside[order])


def _turned(vertices: Float, rotation: Float) -> Float:
    return np.asarray((vertices - PIVOT) @ rotation.T)


def _neck(view: Camera) -> Float:
    """The neck's top turns with the head, its bottom with the shoulders."""
    neck = parts.neck()
    share = np.clip((neck.uv[:, 1:] - 0.15) / 0.7, 0.0, 1.0)
    return _turned(neck.vertices, view.head) * (1 - share) + _turned(neck.vertices, view.body) * share


def _fitted(vertices: Float, identity: Float) -> Float:
    """Hair (V, 3) on a head whose width, height and forehead differ from the average."""
    width, height, slope = (identity[modes.IDENTITY.index(n)] for n in ("face width", "face height", "forehead slope"))
    fitted = vertices * (1 + 0.05 * width, 1 + 0.05 * height, 1.0)
    front = np.clip(vertices[:, 2] / 60, 0, 1) * np.clip((-30 - vertices[:, 1]) / 65, 0, 1)
    fitted[:, 2] += 5.0 * max(slope, 0.0) * front
    return np.asarray(fitted)


def _normals(vertices: Float, triangles: Int) -> Float:
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
    normals = np.empty_like(vertices)
    corner = triangles.reshape(-1)
    for axis, component in enumerate((uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)):
        normals[:, axis] = np.bincount(corner, weights=np.repeat(component, 3), minlength=len(vertices))
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9))

"""One picture: geometry, looks, light and camera put together."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.synthetic import atlas, camera, features, modes, occluders, parts, places, rasterise, surface, texture
from acrloss.synthetic.background import background, muted
from acrloss.synthetic.looks import Light, Person, sample_light, sample_person
from acrloss.synthetic.person import Face, deform, generator, person_of, sample_face
from acrloss.synthetic.sensor import photograph

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Image = NDArray[np.uint8]

# Drawn at twice the size and averaged, against jagged edges.
_FINER = 2

# Parts in the order in which they are painted; triangles within one are painted from far to near.
_BACK_HAIR, _NECK, _SHOULDERS, _FAR_EAR, _SKIN, _NEAR_EAR, _FRONT_HAIR = range(7)


def render_scene(seed: int, index: int, size: int) -> tuple[Image, Float]:
    """Picture `index` of the endless set `seed`: (size, size, 3) RGB and its landmarks (68, 2) in pixels."""
    face = sample_face(seed, index, size)
    looks = sample_person(generator(seed, person_of(index), 2))
    random = generator(seed, index, 3)
    light = sample_light(random)
    view = camera.Camera(
        face.camera.head, face.camera.body, face.camera.roll, face.camera.distance,
        face.camera.scale * _FINER, face.camera.offset * _FINER + (_FINER - 1) / 2,
    )  # fmt: skip
    extras = occluders.sample(random)
    canvas = background(random, size * _FINER)
    clothes = muted(random.uniform(15, 235, (2, 3)), random.uniform(0.0, 0.8))
    painted = texture.paint(looks, clothes, float(random.random()), extras.mask)
    head = deform(surface.head_mesh().vertices, *modes.head_modes(), face.identity, face.expression)
    _paint_head(canvas, face, looks, light, view, head, painted, extras.mask is not None)
    occluders.paint(canvas, extras, random, head, view, looks.skin)
    image = np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return photograph(image, random), face.landmarks


@cache
def _ear_modes() -> Float:
    return modes.identity_modes(parts.ears().vertices)


@cache
def _static() -> tuple[Int, Int, Float]:
    """Triangles and layers of everything but hair, and atlas coordinates of their vertices."""
    mesh, ears, neck, shoulders = surface.head_mesh(), parts.ears(), parts.neck(), parts.shoulders()
    half = len(ears.triangles) // 2
    triangles, start = [], 0
    for part in (mesh, ears, neck, shoulders):
        triangles.append(part.triangles + start)
        start += len(part.vertices)
    layers = [
        np.full(len(mesh.triangles), _SKIN), np.full(half, _NEAR_EAR), np.full(half, _NEAR_EAR),
        np.full(len(neck.triangles), _NECK), np.full(len(shoulders.triangles), _SHOULDERS),
    ]  # fmt: skip
    uv = [
        atlas.face_uv(mesh.plane), atlas.region_uv(atlas.EAR, ears.uv),
        atlas.region_uv(atlas.NECK, neck.uv), atlas.region_uv(atlas.CLOTH, shoulders.uv),
    ]  # fmt: skip
    return np.concatenate(triangles), np.concatenate(layers), np.concatenate(uv)


def _paint_head(
    canvas: Image,
    face: Face,
    looks: Person,
    light: Light,
    view: camera.Camera,
    head: Float,
    painted: Float32,
    masked: bool,
) -> None:
    mesh, ears, neck, shoulders = surface.head_mesh(), parts.ears(), parts.neck(), parts.shoulders()
    triangles, layers, uv = _static()
    layers = layers.copy()
    posed = [
        _turned(head, view.head),
        _turned(ears.vertices + np.tensordot(face.identity, _ear_modes(), 1), view.head),
        _neck(neck, view),
        _turned(shoulders.vertices, view.body),
    ]
    # An ear that looks away from the camera is hidden by the head.
    first = len(mesh.triangles)
    half = len(ears.triangles) // 2
    for side, start in ((-1.0, first), (1.0, first + half)):
        if side * view.head[2, 0] < -0.25:
            layers[start : start + half] = _FAR_EAR
    bald = len(triangles)
    behind = np.zeros(0, bool)
    if looks.hair is not None:
        shell = parts.hair(looks.hair, np.random.Generator(np.random.PCG64(looks.grain)))
        away = parts.outwards(shell.vertices) @ view.head[2]
        posed.append(_turned(_fitted(shell.vertices, face.identity), view.head))
        triangles = np.concatenate([triangles, shell.triangles + len(uv)])
        layers = np.concatenate([layers, np.full(len(shell.triangles), _FRONT_HAIR)])
        uv = np.concatenate([uv, atlas.region_uv(atlas.HAIR, shell.uv)])
        behind = away[shell.triangles].sum(axis=1) < 0
    vertices = np.concatenate(posed)
    pixels = view.project(vertices)
    corners = pixels[triangles]
    area = rasterise.signed_area(corners)
    window = np.zeros(len(triangles), np.int64)
    window[:first] = mesh.window
    normals = _normals(vertices, triangles[window == 0])
    # Hair is seen from inside too, on the far side of the head.
    inside_out = (np.arange(len(triangles)) >= bald) & (area < 0)
    layers[bald:][behind | inside_out[bald:]] = _BACK_HAIR
    size = canvas.shape[0]
    seen = ((area > 0.02) | inside_out) & rasterise.inside(corners, size)
    depth = vertices[:, 2][triangles].sum(axis=1) / 3
    candidates = np.nonzero(seen)[0]
    order = candidates[np.argsort(layers[candidates] * 1e4 + depth[candidates], kind="stable")]
    fragments = rasterise.draw(corners, order, size)

    if masked:
        # Cloth spans the nose and mouth instead of following them.
        taut = (places.mask_cover() * 0.8)[:, None]
        over = slice(0, len(mesh.vertices))
        normals[over] = normals[over] * (1 - taut) + (surface.directions(mesh.plane) @ view.head.T) * taut
    lit, shine = shading(normals, light)
    values = np.concatenate([uv, lit, shine], axis=1).astype(np.float32)[triangles]
    values[inside_out, :, 2:] *= 0.35
    pixel = rasterise.interpolate(fragments, corners, values)
    albedo = rasterise.sample(painted, pixel[:, 0], pixel[:, 1])
    albedo *= pixel[:, 2:5]
    albedo += pixel[:, 5:6]
    colours = np.asarray(cv2.convertScaleAbs(albedo), dtype=np.uint8)
    opening = window[fragments.triangle]
    covered = (opening > 0) if not masked else (opening == 1)
    if covered.any():
        eyes_and_mouth = features.paint(size, face, looks, view, head, lit[:68].mean(axis=0))
        colours[covered] = eyes_and_mouth[fragments.row[covered], fragments.column[covered]]
    canvas[fragments.row, fragments.column] = colours


def _turned(vertices: Float, rotation: Float) -> Float:
    return np.asarray((vertices - camera.PIVOT) @ rotation.T)


def _neck(neck: parts.Part, view: camera.Camera) -> Float:
    """The neck's top turns with the head, its bottom with the shoulders."""
    share = np.clip((neck.uv[:, 1:] - 0.15) / 0.7, 0.0, 1.0)
    return _turned(neck.vertices, view.head) * (1 - share) + _turned(neck.vertices, view.body) * share


def _fitted(vertices: Float, identity: Float) -> Float:
    """Hair (V, 3) on a head whose width, height and forehead differ from the average."""
    width, height, forehead = (
        identity[modes.IDENTITY.index(n)] for n in ("face width", "face height", "forehead slope")
    )
    fitted = vertices * (1 + 0.05 * width, 1 + 0.05 * height, 1.0)
    front = np.clip(vertices[:, 2] / 60, 0, 1) * np.clip((-30 - vertices[:, 1]) / 65, 0, 1)
    fitted[:, 2] += 5.0 * max(forehead, 0.0) * front
    return np.asarray(fitted)


def _normals(vertices: Float, triangles: Int) -> Float:
    """Unit vertex normals (V, 3) pointing out of the head, towards the camera where they are seen."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
    face = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], axis=1)
    total = np.empty_like(vertices)
    for axis in range(3):
        weights = np.repeat(face[:, axis], 3)
        total[:, axis] = np.bincount(triangles.reshape(-1), weights=weights, minlength=len(vertices))
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9))


def shading(normals: Float, light: Light) -> tuple[Float, Float]:
    """Diffuse light (V, 3) and highlight (V, 1) at normals (V, 3) in camera axes."""
    # Light wraps a little around the form, as it does in skin.
    facing = np.clip((normals @ light.directions.T + 0.15) / 1.15, 0.0, None)
    # More of the surroundings' light comes from above.
    sky = 0.88 - 0.16 * normals[:, 1:2]
    halfway = light.directions[0] + (0.0, 0.0, 1.0)
    halfway = halfway / np.linalg.norm(halfway)
    shine = 255.0 * light.gloss * np.clip(normals @ halfway, 0.0, None) ** 24
    total = facing @ light.colours + sky * light.ambient
    # A soft shoulder keeps bright skin from turning white.
    return total / np.sqrt(1 + (total / 1.6) ** 4), shine[:, None]

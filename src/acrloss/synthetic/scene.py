"""One picture: geometry, looks, light and camera put together."""

import cv2
import numpy as np

from acrloss.arrays import Float, Image
from acrloss.synthetic import features, modes, occluders, places, rasterise, surface, texture
from acrloss.synthetic.assembly import assemble
from acrloss.synthetic.background import background, muted
from acrloss.synthetic.looks import Light, sample_light, sample_person
from acrloss.synthetic.person import deform, generator, person_of, sample_face
from acrloss.synthetic.sensor import photograph

# Drawn at twice the size and averaged, against jagged edges.
_FINER = 2


def render_scene(seed: int, index: int, size: int) -> tuple[Image, Float]:
    """Picture `index` of the endless set `seed`: (size, size, 3) RGB and its landmarks (68, 2) in pixels."""
    face = sample_face(seed, index, size)
    looks = sample_person(generator(seed, person_of(index), 2))
    random = generator(seed, index, 3)
    light = sample_light(random)
    extras = occluders.sample(random)
    canvas = background(random, size * _FINER)
    clothes = muted(random.uniform(15, 235, (2, 3)), random.uniform(0.0, 0.8))
    skin = texture.paint(looks, clothes, float(random.random()), extras.mask)
    view = face.camera.finer(_FINER)
    head = deform(surface.head_mesh().vertices, *modes.head_modes(), face.identity, face.expression)

    person = assemble(head, face.identity, looks, view, size * _FINER)
    normals = person.normals
    if extras.mask is not None:
        normals = _taut(normals, view.head)
    diffuse, shine = shading(normals, light)
    values = np.concatenate([person.uv, diffuse, shine], axis=1).astype(np.float32)[person.triangles]
    # Little light comes under the hair.
    values[person.inside, :, 2:] *= 0.35
    fragments = rasterise.draw(person.corners, size * _FINER)
    u, v, red, green, blue, gloss = rasterise.interpolate(fragments, person.corners, values)
    colours = rasterise.sample(skin, u, v)
    for channel, lit in enumerate((red, green, blue)):
        colours[:, channel] *= lit
        colours[:, channel] += gloss
    canvas[fragments.row, fragments.column] = cv2.convertScaleAbs(colours)

    window = person.window[fragments.triangle]
    opening = window == 1 if extras.mask is not None else window > 0
    inner = features.paint(size * _FINER, face, looks, view, head, diffuse[:68].mean(axis=0))
    row, column = fragments.row[opening], fragments.column[opening]
    canvas[row, column] = inner[row, column]
    occluders.paint(canvas, extras, random, head, view, looks.skin)
    image = np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return photograph(image, random), face.landmarks


def _taut(normals: Float, head: Float) -> Float:
    """Normals (V, 3) under a face mask, whose cloth spans the nose and mouth instead of following them."""
    mesh = surface.head_mesh()
    share = 0.8 * places.face_mask_cover()[:, None]
    count = len(share)
    smooth = surface.directions(mesh.plane) @ head.T
    return np.concatenate([normals[:count] * (1 - share) + smooth * share, normals[count:]])


def shading(normals: Float, light: Light) -> tuple[Float, Float]:
    """Diffuse light (V, 3) and highlight (V, 1), in [0, 255], at normals (V, 3) in camera axes."""
    # Light wraps a little around the form, as it does in skin.
    facing = np.clip((normals @ light.directions.T + 0.15) / 1.15, 0.0, None)
    # More of the surroundings' light comes from above.
    sky = 0.88 - 0.16 * normals[:, 1:2]
    halfway = light.directions[0] + np.array([0.0, 0.0, 1.0])
    halfway = halfway / np.linalg.norm(halfway)
    shine = 255.0 * light.gloss * np.clip(normals @ halfway, 0.0, None) ** 24
    total = facing @ light.colours + sky * light.ambient
    # A soft shoulder keeps bright skin from turning white.
    return total / np.sqrt(1 + (total / 1.6) ** 4), shine[:, None]

"""A person's face under white light: skin, lips, brows, lashes, beard, wrinkles, and the shade of its hollows."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.synthetic import places, trimmings
from acrloss.synthetic.atlas import PER_DEGREE, SIDE, WIDTH, Mask, as_mask, curve, empty, landmark_places, row
from acrloss.synthetic.looks import Person
from acrloss.synthetic.pen import FRACTION_BITS, fill, fixed_point, stroke

Float32 = NDArray[np.float32]

_BROW_HAIRS = 34


def paint(person: Person, clothes: Float, collar: float, mask_colour: Float | None) -> Float32:
    """The atlas (SIDE, WIDTH, 3), RGB in [0, 255].

    clothes: (2, 3) two colours. collar: 0 closed to 1 wide neckline. mask_colour: of a face mask, if one is worn.
    """
    random = np.random.Generator(np.random.PCG64(person.grain))
    atlas = np.empty((SIDE, WIDTH, 3), np.float32)
    face = atlas[:, :SIDE]
    _skin(face, person)
    if person.freckles:
        _freckles(face, random, person.freckles)
    _eyes_and_lips(face, person)
    _hair(face, person, random)
    _brows(face, person, random)
    if mask_colour is not None:
        cloth, folds = places.face_mask()
        cloth.blend(face, mask_colour, 1.0)
        folds.shade(face, 0.8)
    trimmings.paint(atlas, person, clothes, collar)
    return atlas


@cache
def _grain() -> Float32:
    """Unevenness of skin, (SIDE, SIDE, 3), standard deviation 1: pores and larger blotches."""
    random = np.random.Generator(np.random.PCG64(20230))
    total = np.zeros((SIDE, SIDE), np.float32)
    for sigma, weight in ((0.8, 0.6), (3.0, 0.6), (12.0, 0.7)):
        layer = cv2.GaussianBlur(random.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), sigma)
        total += weight * layer / layer.std()
    return np.repeat(total[:, :, None] / total.std(), 3, axis=2)


@cache
def _hollows() -> Float32:
    """Shade of the average face's hollows, (SIDE, SIDE, 3) factors: what the mesh is too coarse to shade itself."""
    result = np.ones((SIDE, SIDE, 3), np.float32)
    shades = places.shades()
    shades["sockets"].shade(result, (0.89, 0.83, 0.83))
    shades["inner corners"].shade(result, (0.86, 0.80, 0.80))
    shades["nose light"].shade(result, 1.07)
    shades["nose wings"].shade(result, (0.79, 0.71, 0.70))
    shades["under nose"].shade(result, (0.84, 0.79, 0.79))
    shades["philtrum"].shade(result, 0.94)
    shades["under lip"].shade(result, (0.88, 0.84, 0.84))
    return result


def _skin(face: Float32, person: Person) -> None:
    grain = _grain()[:: person.flip[0], :: person.flip[1]]
    np.multiply(grain, row((0.012 + 0.022 * person.age) * person.skin, SIDE), out=face)
    face += row(person.skin, SIDE)
    face *= _hollows()
    shades, wrinkles = places.shades(), places.wrinkles()
    shades["blush"].blend(face, person.skin * (1.0, 0.68, 0.68), person.blush)
    shades["nose tip"].blend(face, person.skin * (1.0, 0.78, 0.76), 0.35)
    shades["under eyes"].shade(face, (0.82, 0.74, 0.78), 0.25 + 0.6 * person.age)
    shades["nostrils"].blend(face, person.skin * (0.26, 0.17, 0.15), 0.9)
    wrinkles["smile folds"].shade(face, (0.72, 0.64, 0.62), 0.15 + 0.6 * person.age)
    if person.age > 0.35:
        for name in ("crow's feet", "forehead lines", "frown lines", "under-eye crease"):
            wrinkles[name].shade(face, (0.70, 0.62, 0.60), person.age - 0.35)


def _freckles(face: Float32, random: np.random.Generator, strength: float) -> None:
    count = int(40 + 120 * strength)
    xy = random.normal((0.0, 3.0), (26.0, 13.0), (count, 2))
    layer = empty()
    # About 0.64 degrees a millimetre in front of the surface's centre, 15 mm below the eyes.
    centres = fixed_point(SIDE / 2 + xy * 0.64 * PER_DEGREE)
    for (x, y), value in zip(centres.tolist(), random.integers(60, 200, count).tolist(), strict=True):
        cv2.circle(layer, (x, y), 12, [value], -1, cv2.LINE_AA, FRACTION_BITS)
    as_mask(layer, 0.0).shade(face, (0.78, 0.62, 0.52))


def _eyes_and_lips(face: Float32, person: Person) -> None:
    parts = places.eyes_and_lips()
    parts["lids"].blend(face, person.lid_colour, person.lid_strength)
    parts["lid crease"].shade(face, (0.55, 0.48, 0.46), 0.75)
    dark = np.minimum(person.hair_colour, 60.0) * 0.6
    parts["upper lashes"].blend(face, dark, person.lashes)
    parts["lower lashes"].blend(face, dark + person.skin * 0.25, 0.5 * person.lashes)
    parts["lips"].blend(face, person.lips, person.lip_strength)
    parts["lower lip light"].shade(face, 1.14)
    parts["lip line"].shade(face, (0.50, 0.38, 0.38), 0.75)
    parts["mouth corners"].shade(face, (0.58, 0.48, 0.48), 0.8)


def _hair(face: Float32, person: Person, random: np.random.Generator) -> None:
    hairy = places.hairy()
    colour = person.hair_colour * 0.75 + 8
    for name, strength in (("stubble", 0.6 * person.stubble), ("beard", person.beard), ("moustache", person.moustache)):
        if strength:
            mask = hairy[name]
            uneven = random.uniform(0.45, 1.0, mask.cover.shape[:2]).astype(np.float32)
            Mask(mask.y, mask.x, mask.cover * np.repeat(uneven[:, :, None], 3, axis=2)).blend(face, colour, strength)
    if person.hair is not None and person.headgear is None:
        hairy["scalp"].blend(face, person.hair_colour * 0.8, 0.9)
    else:
        hairy["scalp"].blend(face, person.skin * 0.75 + person.hair_colour * 0.1, 0.35)


def _brows(face: Float32, person: Person, random: np.random.Generator) -> None:
    """Many short hairs about the landmarks, which annotators put on the upper part of the brow."""
    layer = empty()
    along = np.linspace(0.0, 1.0, _BROW_HAIRS)
    thick = 4.5 * person.brow_thickness * np.interp(along, [0, 0.25, 0.75, 1.0], [0.35, 0.75, 1.0, 0.8])
    for side, indices in ((1.0, range(17, 22)), (-1.0, range(26, 21, -1))):
        line = curve(landmark_places(indices), 8)
        at = along * (len(line) - 1)
        base = np.stack([np.interp(at, np.arange(len(line)), line[:, axis]) for axis in range(2)], axis=1)
        base[:, 1] -= 0.3 * thick
        low = base + random.normal(0.0, (1.0, 0.7), (_BROW_HAIRS, 2))
        low[:, 1] += thick
        high = base + random.normal((-2.2 * side, -0.4), (1.0, 0.6), (_BROW_HAIRS, 2))
        fill(layer, [np.concatenate([base, low[::-1]])], 150 * person.brow_density)
        stroke(layer, list(np.stack([low, high], axis=1)), 120 + 135 * person.brow_density, 1)
    darker = 0.7 if person.hair_colour.mean() < 150 else 0.55
    as_mask(layer, 0.8).blend(face, person.hair_colour * darker, 0.92)

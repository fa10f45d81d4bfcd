"""A person's texture under white light: skin, lips, brows, lashes, beard, the shade of creases; hair, cloth and ears."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.synthetic import places
from acrloss.synthetic.atlas import (
    CLOTH,
    EAR,
    HAIR,
    NECK,
    PER_DEGREE,
    SIDE,
    WIDTH,
    Mask,
    as_mask,
    curve,
    empty,
    landmark_places,
)  # fmt: skip
from acrloss.synthetic.looks import Person
from acrloss.synthetic.pen import FRACTION_BITS, fill, fixed_point, stroke

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


@cache
def _grain() -> Float32:
    """Unevenness of skin, (SIDE, SIDE, 1), standard deviation 1: pores and larger blotches. The same bytes everywhere."""
    random = np.random.Generator(np.random.PCG64(20230))
    total = np.zeros((SIDE, SIDE), np.float32)
    for sigma, weight in ((0.8, 0.6), (3.0, 0.6), (12.0, 0.7)):
        layer = cv2.GaussianBlur(random.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), sigma)
        total += weight * layer / layer.std()
    return np.asarray(total / total.std())[:, :, None]


@cache
def _hair_noise() -> Float32:
    """Locks (height, width, 1) along the hair's fall, standard deviation about 1."""
    random = np.random.Generator(np.random.PCG64(20231))
    height, width = HAIR[3] + 4, HAIR[2] + 4
    total = np.zeros((height, width), np.float32)
    for across, along, weight in ((0.6, 25.0, 1.0), (2.0, 40.0, 0.8), (0.6, 4.0, 0.3)):
        layer = random.standard_normal((height, width)).astype(np.float32)
        layer = cv2.GaussianBlur(layer, (0, 0), sigmaX=across, sigmaY=along)
        total += weight * layer / layer.std()
    return np.asarray(total / total.std())[:, :, None]


def paint(person: Person, clothes: Float, collar: float, mask_colour: Float | None) -> Float32:
    """The atlas (SIDE, WIDTH, 3), RGB in [0, 255], of one person under white light.

    clothes: (2, 3) two colours. collar: 0 closed to 1 wide neckline. mask_colour: of a face mask, if one is worn.
    """
    random = np.random.Generator(np.random.PCG64(person.grain))
    atlas = np.empty((SIDE, WIDTH, 3), np.float32)
    face = atlas[:, :SIDE]
    grain = _grain()
    if person.grain & 1:
        grain = grain[:, ::-1]
    if person.grain & 2:
        grain = grain[::-1]
    skin = person.skin.astype(np.float32)
    np.multiply(1 + grain * (0.012 + 0.022 * person.age), skin, out=face)
    m = places.masks()
    m["blush"].blend(face, skin * (1.0, 0.68, 0.68), person.blush)
    m["nose tip"].blend(face, skin * (1.0, 0.78, 0.76), 0.35)
    m["sockets"].shade(face, (0.86, 0.78, 0.78), 0.75)
    m["inner corners"].shade(face, (0.80, 0.72, 0.72), 0.7)
    m["under eyes"].shade(face, (0.82, 0.74, 0.78), 0.25 + 0.6 * person.age)
    m["nose light"].shade(face, 1.07)
    m["nose wings"].shade(face, (0.72, 0.62, 0.60), 0.75)
    m["under nose"].shade(face, (0.74, 0.66, 0.66), 0.6)
    m["philtrum"].shade(face, 0.88, 0.5)
    m["under lip"].shade(face, (0.78, 0.72, 0.72), 0.55)
    m["smile folds"].shade(face, (0.72, 0.64, 0.62), 0.15 + 0.6 * person.age)
    if person.freckles:
        _freckles(face, random, person)
    if person.age > 0.35:
        lines = (person.age - 0.35) * 1.0
        for name in ("crow's feet", "forehead lines", "frown lines", "under-eye crease"):
            m[name].shade(face, (0.70, 0.62, 0.60), lines)
    m["lids"].blend(face, person.lid_colour, person.lid_strength)
    m["lid crease"].shade(face, (0.55, 0.48, 0.46), 0.75)
    _lips(face, person, m)
    m["nostrils"].blend(face, skin * (0.26, 0.17, 0.15), 0.9)
    _beard(face, person, random, m)
    _brows(face, person, random)
    dark = np.minimum(person.hair_colour, 60.0) * 0.6
    m["upper lashes"].blend(face, dark, person.lashes)
    m["lower lashes"].blend(face, dark + skin * 0.25, 0.5 * person.lashes)
    if person.hair is not None and person.headgear is None:
        m["scalp"].blend(face, person.hair_colour * 0.8, 0.9)
    else:
        m["scalp"].blend(face, skin * 0.75 + person.hair_colour * 0.1, 0.35)
    if mask_colour is not None:
        places.mask_area().blend(face, mask_colour, 1.0)
        places.mask_folds().shade(face, 0.8)
    _others(atlas, person, clothes, collar)
    return atlas


def _lips(face: Float32, person: Person, m: dict[str, Mask]) -> None:
    m["lips"].blend(face, person.lips, person.lip_strength)
    m["lower lip light"].shade(face, 1.14)
    m["lip line"].shade(face, (0.50, 0.38, 0.38), 0.75)
    m["mouth corners"].shade(face, (0.58, 0.48, 0.48), 0.8)


def _freckles(face: Float32, random: np.random.Generator, person: Person) -> None:
    count = int(40 + 120 * person.freckles)
    xy = random.normal((0.0, 18.0), (26.0, 13.0), (count, 2))
    layer = empty()
    # About 0.64 degrees a millimetre in front of the centre, which lies 15 mm below the eyes.
    centre = fixed_point(SIDE / 2 + (xy - np.array([0.0, 15.0])) * 0.64 * PER_DEGREE)
    for (x, y), value in zip(centre.tolist(), random.integers(60, 200, count).tolist(), strict=True):
        cv2.circle(layer, (x, y), 12, [value], -1, cv2.LINE_AA, FRACTION_BITS)
    cover = layer[..., None].astype(np.float32) / 255
    face *= 1 - cover * np.array([0.22, 0.38, 0.48], np.float32)


def _beard(face: Float32, person: Person, random: np.random.Generator, m: dict[str, Mask]) -> None:
    hair = person.hair_colour * 0.75 + 8
    for name, strength in (("stubble", 0.6 * person.stubble), ("beard", person.beard), ("moustache", person.moustache)):
        if strength:
            mask = m[name]
            noise = random.uniform(0.45, 1.0, mask.cover.shape).astype(np.float32)
            Mask(mask.y, mask.x, mask.cover * noise).blend(face, hair, strength)


def _brows(face: Float32, person: Person, random: np.random.Generator) -> None:
    """Many short hairs between an upper edge through the landmarks and a lower edge."""
    layer = empty()
    count = 34
    for side, indices in ((1.0, range(17, 22)), (-1.0, range(26, 21, -1))):
        upper = curve(landmark_places(indices), 8)
        place = np.linspace(0.0, len(upper) - 1.001, count)
        first = place.astype(int)
        share = (place - first)[:, None]
        base = upper[first] * (1 - share) + upper[first + 1] * share
        along = np.linspace(0.0, 1.0, count)
        thick = 4.5 * person.brow_thickness * np.interp(along, [0, 0.25, 0.75, 1.0], [0.35, 0.75, 1.0, 0.8])
        # Annotators follow the upper part of the brow.
        base = base - np.stack([np.zeros(count), 0.3 * thick], axis=1)
        low = base + np.stack([random.normal(0, 1.0, count), thick + random.normal(0, 0.7, count)], axis=1)
        high = base + np.stack([-side * 2.2 + random.normal(0, 1.0, count), random.normal(-0.4, 0.6, count)], axis=1)
        area = np.concatenate([base, low[::-1]])
        fill(layer, [area], int(150 * person.brow_density))
        stroke(layer, list(np.stack([low, high], axis=1)), 120 + 135 * person.brow_density, 1)
    colour = person.hair_colour * 0.7 if person.hair_colour.mean() < 150 else person.hair_colour * 0.55
    as_mask(layer, 0.8).blend(face, colour, 0.92)


def _others(atlas: Float32, person: Person, clothes: Float, collar: float) -> None:
    """Hair, cloth, ear and neck textures beside the face."""
    atlas[:, SIDE:] = person.skin
    x, y, width, height = HAIR
    covering = person.hair_colour if person.headgear is None else person.headgear
    contrast = 0.22 if person.headgear is None else 0.05
    atlas[y - 2 : y + height + 2, x - 2 : x + width + 2] = covering * (1 + contrast * _hair_noise())
    x, y, width, height = CLOTH
    cloth = atlas[y - 2 : y + height + 2, x - 2 : x + width + 2]
    cloth[:] = clothes[0]
    if person.grain & 4:
        step = 4 + person.grain % 9
        for start in range(0, width, 2 * step):
            if person.grain & 8:
                cloth[:, start : start + step] = clothes[1]
            else:
                cloth[start : start + step] = clothes[1]
    # Neckline: skin above a curve.
    rows, columns = np.mgrid[: cloth.shape[0], : cloth.shape[1]]
    depth = 20.0 + 34.0 * collar
    bare = rows < depth * (1 - ((columns - cloth.shape[1] / 2) / (12.0 + 10.0 * collar)) ** 2)
    cloth[bare] = person.skin
    x, y, width, height = EAR
    ear = atlas[y : y + height, x : x + width]
    ear *= 0.96
    centre = (width // 2, height // 2)
    cv2.ellipse(ear, centre, (17, 18), 0, 190, 430, (person.skin * 0.6).tolist(), 2, cv2.LINE_AA)
    cv2.ellipse(
        ear,
        (centre[0] - 7, centre[1] + 2),
        (7, 9),
        0,
        0,
        360,
        (person.skin * (0.5, 0.4, 0.38)).tolist(),
        -1,
        cv2.LINE_AA,
    )
    ear[:] = cv2.GaussianBlur(ear, (0, 0), 1.2)
    x, y, width, height = NECK
    shade = np.interp(np.arange(height), [0, height * 0.35, height * 0.8], [0.62, 0.78, 1.0]).astype(np.float32)
    atlas[y : y + height, x : x + width] *= shade[:, None, None]

"""The textures beside the face's: hair or headgear, cloth, ear and neck."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.synthetic.atlas import CLOTH, EAR, HAIR, NECK, SIDE, WIDTH, row
from acrloss.synthetic.looks import Person

Float32 = NDArray[np.float32]


@cache
def _locks() -> Float32:
    """Unevenness of hair along its fall, (height, width, 3) with margins, standard deviation 1."""
    random = np.random.Generator(np.random.PCG64(20231))
    height, width = HAIR[3] + 4, HAIR[2] + 4
    total = np.zeros((height, width), np.float32)
    for across, along, weight in ((0.6, 25.0, 1.0), (2.0, 40.0, 0.8), (0.6, 4.0, 0.3)):
        even = random.standard_normal((height, width)).astype(np.float32)
        layer = cv2.GaussianBlur(even, (0, 0), sigmaX=across, sigmaY=along)
        total += weight * layer / layer.std()
    return np.repeat(total[:, :, None] / total.std(), 3, axis=2)


def paint(atlas: Float32, person: Person, clothes: Float, collar: float) -> None:
    """Paint all of them into the atlas in place; arguments as of `texture.paint`."""
    atlas[:, SIDE:] = row(person.skin, WIDTH - SIDE)
    _hair(_region(atlas, HAIR), person)
    _cloth(_region(atlas, CLOTH), person, clothes, collar)
    _ear(_region(atlas, EAR), person.skin)
    neck = _region(atlas, NECK)
    # The jaw shades the upper neck.
    shade = np.interp(np.linspace(0, 1, len(neck)), [0.0, 0.35, 0.8], [0.62, 0.78, 1.0])
    neck *= shade[:, None, None].astype(np.float32)


def _region(atlas: Float32, region: tuple[int, int, int, int]) -> Float32:
    """A region of the atlas with a margin of two pixels."""
    x, y, width, height = region
    return atlas[y - 2 : y + height + 2, x - 2 : x + width + 2]


def _hair(area: Float32, person: Person) -> None:
    colour, contrast = (person.hair_colour, 0.22) if person.headgear is None else (person.headgear, 0.05)
    area[:] = row(colour, area.shape[1]) * (1 + np.float32(contrast) * _locks())


def _cloth(area: Float32, person: Person, clothes: Float, collar: float) -> None:
    area[:] = row(clothes[0], area.shape[1])
    if person.stripes:
        across = person.stripes > 0
        for start in range(0, area.shape[int(across)], 2 * abs(person.stripes)):
            stripe = slice(start, start + abs(person.stripes))
            area[(slice(None), stripe) if across else stripe] = clothes[1]
    # The neckline: skin above a curve.
    rows, columns = np.mgrid[: area.shape[0], : area.shape[1]]
    sideways = (columns - area.shape[1] / 2) / (12.0 + 10.0 * collar)
    area[rows < (20.0 + 34.0 * collar) * (1 - sideways**2)] = person.skin


def _ear(area: Float32, skin: Float) -> None:
    x, y = area.shape[1] // 2, area.shape[0] // 2
    groove, hollow = (skin * 0.6).tolist(), (skin * (0.5, 0.4, 0.38)).tolist()
    cv2.ellipse(area, (x, y), (17, 18), 0, 190, 430, groove, 2, cv2.LINE_AA)
    cv2.ellipse(area, (x - 7, y + 2), (7, 9), 0, 0, 360, hollow, -1, cv2.LINE_AA)
    area[:] = cv2.GaussianBlur(area, (0, 0), 1.2)

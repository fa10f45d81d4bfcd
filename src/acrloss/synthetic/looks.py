"""What varies in looks: a person's colours, hair, beard and make-up, and a picture's light."""

from dataclasses import dataclass

import numpy as np

from acrloss.arrays import Float
from acrloss.synthetic.background import muted
from acrloss.synthetic.parts import HairStyle

# RGB in [0, 255], under white light.
SKINS = (
    (244, 212, 190), (238, 200, 174), (232, 190, 160), (226, 178, 146), (218, 170, 136), (206, 156, 118),
    (190, 138, 100), (170, 118, 82), (146, 98, 66), (120, 78, 52), (98, 63, 43), (80, 52, 38),
)  # fmt: skip
HAIR_COLOURS = (
    (28, 24, 24), (38, 30, 26), (52, 38, 30), (72, 50, 36), (96, 66, 44), (124, 88, 56), (164, 126, 80),
    (204, 170, 118), (126, 58, 34), (150, 146, 142), (206, 204, 200), (110, 40, 50), (60, 66, 110),
)  # fmt: skip
_HAIR_SHARES = (0.2, 0.16, 0.14, 0.12, 0.09, 0.07, 0.06, 0.05, 0.03, 0.05, 0.02, 0.005, 0.005)
IRISES = ((70, 46, 32), (54, 36, 26), (98, 68, 40), (110, 106, 60), (84, 118, 92), (96, 128, 158), (120, 140, 150))


@dataclass(frozen=True, eq=False)
class Person:
    """Looks that all pictures of a person share. Colours are RGB in [0, 255]; strengths are in [0, 1].

    hair: form of the hair or headgear, None for a bald head. headgear: its colour, None where it is hair.
    stripes: width of those on the clothes, upright if positive, across if negative, 0 for none.
    flip: steps (1 or -1) through the skin's unevenness. grain: seed of strands and speckles.
    """

    skin: Float
    hair_colour: Float
    iris: Float
    lips: Float
    lip_strength: float
    blush: float
    lid_colour: Float
    lid_strength: float
    lashes: float
    brow_thickness: float
    brow_density: float
    age: float
    freckles: float
    stubble: float
    moustache: float
    beard: float
    hair: HairStyle | None
    headgear: Float | None
    stripes: int
    flip: tuple[int, int]
    grain: int


def sample_person(random: np.random.Generator) -> Person:
    """Looks of one person."""
    tone = int(len(SKINS) * random.beta(1.0, 1.35))
    dark = tone / (len(SKINS) - 1)
    skin = np.clip(np.array(SKINS[tone]) + random.normal(0, 2.5, 3) + random.normal(0, 6), 20, 255)
    shares = np.array(_HAIR_SHARES)
    if dark > 0.5:
        shares[4:9] *= 0.08
    hair_colour = np.array(HAIR_COLOURS[int(random.choice(len(shares), p=shares / shares.sum()))], np.float64)
    hair_colour = np.clip(hair_colour * random.uniform(0.8, 1.2) + random.normal(0, 4, 3), 8, 250)
    age = random.beta(1.1, 1.6)
    if age > 0.6 and random.random() < 0.6:
        grey = random.uniform(0.3, 0.95)
        hair_colour = hair_colour * (1 - grey) + np.array([188, 186, 184]) * grey
    bearded = random.random() < 0.5
    made_up = 0.0 if bearded else random.beta(0.8, 1.2)
    lips = skin * (0.86, 0.62, 0.62) * random.uniform(0.9, 1.05)
    if made_up > 0.5:
        lips = np.array(((176, 42, 56), (150, 30, 44), (196, 84, 96), (124, 40, 60))[int(random.integers(4))], float)
    style, headgear = sample_hair(random, bearded, age)
    return Person(
        skin=skin,
        hair_colour=hair_colour,
        iris=np.array(IRISES[int(random.integers(2 if dark > 0.5 else len(IRISES)))], np.float64),
        lips=lips,
        lip_strength=float(random.uniform(0.55, 0.8) + 0.2 * made_up),
        blush=float(random.uniform(0.0, 0.3) + 0.25 * made_up) * (1 - 0.6 * dark),
        lid_colour=skin * random.uniform(0.5, 0.8, 3) if made_up > 0.4 else skin * (0.82, 0.72, 0.72),
        lid_strength=float(0.25 + 0.5 * made_up * random.random()),
        lashes=float(random.uniform(0.45, 0.75) + 0.25 * made_up),
        brow_thickness=float(random.uniform(0.7, 1.5) * (1.15 if bearded else 0.9)),
        brow_density=float(random.uniform(0.45, 1.0)),
        age=float(age),
        freckles=float(random.uniform(0.3, 1.0)) if random.random() < 0.12 and dark < 0.5 else 0.0,
        stubble=float(random.uniform(0.1, 0.6)) if bearded else 0.0,
        moustache=float(random.uniform(0.5, 1.0)) if bearded and random.random() < 0.35 else 0.0,
        beard=float(random.uniform(0.5, 1.0)) if bearded and random.random() < 0.3 else 0.0,
        hair=style,
        headgear=headgear,
        stripes=int(random.integers(4, 13) * random.choice([-1, 0, 0, 1])),
        flip=(int(random.choice([-1, 1])), int(random.choice([-1, 1]))),
        grain=int(random.integers(1 << 30)),
    )


def sample_hair(random: np.random.Generator, bearded: bool, age: float) -> tuple[HairStyle | None, Float | None]:
    """A hair style and the colour of the headgear that replaces it, if any; no style is a bald head."""
    uniform = random.uniform
    kind = random.random()
    line = -80.0 + random.normal(0.0, 6.0) - (9.0 * age if bearded else 0.0)
    if kind < 0.05:
        cap = HairStyle(uniform(-70, -45), uniform(-30, -15), uniform(-10, 15), 0.0, 9.0, 0.0, False, 75.0, 0.0)
        return cap, muted(uniform(20, 230, 3), uniform(0.0, 0.8))
    if kind < 0.09:
        scarf = HairStyle(-66.0, uniform(140, 190), 190.0, 0.0, 13.0, 1.0, False, uniform(46, 54), 0.0)
        return scarf, muted(uniform(30, 230, 3), uniform(0.0, 0.8))
    if kind < (0.19 if bearded else 0.10):
        return None, None
    long = random.random() < (0.10 if bearded else 0.72)
    volume = uniform(5, 22)
    curl = uniform(0.3, 1.2)
    if random.random() < 0.12:
        volume, curl = uniform(25, 48), uniform(2.0, 3.5)
    fringe = random.random() < 0.22
    front = uniform(-48, -32) if fringe else line
    part = 0.0 if random.random() < 0.4 else random.normal(0.0, 9.0)
    jag = uniform(2, 6) if fringe else uniform(1, 4)
    if long:
        length = uniform(45, 200)
        opening = uniform(50, 66)
        return HairStyle(front, length * uniform(0.75, 1.0), length, part, volume, curl, not fringe, opening, jag), None
    side = uniform(-28, 12)
    back = uniform(-25, 0) if side < -8 else uniform(-15, 8)
    return HairStyle(front, side, back, part, volume, curl, not fringe, uniform(66, 76), jag), None


@dataclass(frozen=True, eq=False)
class Light:
    """Directions (2, 3) of a key and a fill light, unit vectors in camera axes; RGB strengths about 1."""

    directions: Float
    colours: Float
    ambient: Float
    gloss: float


def sample_light(random: np.random.Generator) -> Light:
    """Light of one picture: usually from above and in front, sometimes hard from a side."""
    azimuth = np.radians(random.uniform(-75, 75, 2) * (1.0, -1.0))
    height = np.radians(random.uniform([-5.0, -30.0], [65.0, 40.0]))
    towards = np.stack([np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)], axis=1)
    warmth = random.normal(0.0, 0.05, 2)[:, None] * np.array([[1.0, 0.1, -1.0]])
    tint = random.normal(0.0, 0.015, (2, 3))
    key = random.uniform(0.35, 0.85)
    strength = np.array([key, random.uniform(0.0, 0.25)])[:, None]
    ambient = np.array([1.06 - 0.72 * key]) * (1 + random.normal(0.0, 0.02, 3))
    return Light(towards, strength * (1 + warmth + tint), ambient, float(random.uniform(0.02, 0.32)))

"""What varies: who is seen (identity) and how (expression, pose, camera). Geometry only; looks are in `looks.py`.

A picture's index decides everything together with the seed, and nothing else does: pictures can be made in any order.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from acrloss.arrays import Float
from acrloss.synthetic import camera, modes, surface

PICTURES_PER_PERSON = 4
# The shortest side at which a face still has a few pixels an eye.
SMALLEST_SIZE = 32

# Millimetres by which two places on a contour must differ for the farther one to be clearly the contour.
_CONTOUR_SOFTNESS = 0.5

_TRACKED = 68 + 17 * surface.SLIDE_STEPS


def generator(seed: int, number: int, stream: int) -> np.random.Generator:
    """Independent random numbers for one picture or person (`number`) and one purpose (`stream`)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number, stream])))


def person_of(index: int) -> int:
    """The person seen in picture `index`."""
    return index // PICTURES_PER_PERSON


@dataclass(frozen=True, eq=False)
class Face:
    """Geometry of one picture.

    identity: (len(modes.IDENTITY),) standard deviations. expression: (len(modes.EXPRESSIONS),) strengths.
    landmarks: (68, 2) pixels.
    """

    identity: Float
    expression: Float
    camera: camera.Camera
    gaze: Float
    landmarks: Float


def sample_face(seed: int, index: int, size: int) -> Face:
    """The geometry of picture `index`, size pixels a side."""
    identity = np.clip(generator(seed, person_of(index), 0).standard_normal(len(modes.IDENTITY)), -2.4, 2.4)
    random = generator(seed, index, 1)
    expression = sample_expression(random)
    gaze = np.clip(random.normal(0.0, (11.0, 6.0)), -24.0, 24.0)
    yaw, pitch, roll = sample_pose(random)
    distance = float(np.exp(random.uniform(np.log(480.0), np.log(2600.0))))
    share = random.uniform(0.46, 0.68)
    shift = random.uniform(-0.5, 0.5, 2)
    # Shoulders follow the head part of the way.
    follow = random.uniform(0.1, 0.7, 3)
    body = camera.rotation(yaw * follow[0], pitch * 0.3 * follow[1], roll * 0.6 * follow[2])
    view = camera.Camera(camera.rotation(yaw, pitch, roll), body, roll, distance, 1.0, np.zeros(2))
    tracked = deform(_tracked_vertices(), *_tracked_modes(), identity, expression)
    landmarks = project_landmarks(tracked, view)
    # The face fills the drawn share of the picture and lies wholly in it, whatever its pose.
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    scale = share * size / float((high - low).max())
    room = (size - scale * (high - low)) * 0.8
    offset = (size - 1) / 2 + shift * room - scale * (low + high) / 2
    view = camera.Camera(view.head, view.body, roll, distance, scale, offset)
    return Face(identity, expression, view, gaze, landmarks * scale + offset)


def deform(
    vertices: Float, identity_modes: Float, expression_modes: Float, identity: Float, expression: Float
) -> Float:
    """Vertices (V, 3) of a person with an expression, in the head's axes and millimetres."""
    strength = expression.copy()
    # Wide-open eyes have further to close.
    eye = {name: identity[modes.IDENTITY.index(name)] for name in ("eye opening", "eye size")}
    lids = [modes.EXPRESSIONS.index(name) for name in ("blink right", "blink left", "wide eyes")]
    strength[lids] *= 1.0 + 0.16 * eye["eye opening"] + 0.09 * eye["eye size"]
    moved = vertices + np.tensordot(identity, identity_modes, 1) + np.tensordot(strength, expression_modes, 1)
    return np.asarray(moved)


def project_landmarks(tracked: Float, view: camera.Camera) -> Float:
    """Pixels (68, 2) of the tracked vertices: landmarks and slide paths in the head's axes."""
    pixels = view.see(tracked)
    paths = pixels[68:].reshape(17, surface.SLIDE_STEPS, 2)
    jaw = camera.visible_contour(paths, view.roll, _CONTOUR_SOFTNESS * view.scale)
    return np.concatenate([jaw, pixels[17:68]])


@cache
def _tracked_vertices() -> Float:
    return surface.head_mesh().vertices[:_TRACKED]


@cache
def _tracked_modes() -> tuple[Float, Float]:
    return modes.identity_modes(_tracked_vertices()), modes.expression_modes(_tracked_vertices())


def sample_pose(random: np.random.Generator) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees: mostly near frontal, with a broad tail to +-60, 25 and 30."""
    yaw = random.uniform(-60.0, 60.0) if random.random() < 0.22 else random.normal(0.0, 16.0)
    pitch = random.normal(0.0, 9.5)
    roll = random.normal(0.0, 9.0)
    return float(np.clip(yaw, -60, 60)), float(np.clip(pitch, -25, 25)), float(np.clip(roll, -30, 30))


# Strength ranges of the expressions that people are photographed with; each entry is (share of pictures, ranges).
_PRESETS: tuple[tuple[float, dict[str, tuple[float, float]]], ...] = (
    (0.26, {}),
    (0.14, {"smile": (0.2, 0.8)}),
    (0.17, {"smile": (0.5, 1.15), "upper lip up": (0.2, 0.7), "lower lip down": (0.2, 0.8), "jaw open": (0.0, 0.3)}),
    (0.13, {"jaw open": (0.05, 0.45), "smile": (-0.1, 0.3), "upper lip up": (0.0, 0.4)}),
    (0.07, {"jaw open": (0.45, 1.0), "brow up": (0.2, 1.0), "wide eyes": (0.0, 1.0)}),
    (0.06, {"brow down": (0.4, 1.0), "corner down": (0.2, 0.9)}),
    (0.05, {"corner down": (0.3, 1.0), "inner brow up": (0.3, 1.0)}),
    (0.05, {"pucker": (0.3, 1.0), "jaw open": (0.0, 0.15)}),
    (0.04, {"jaw open": (0.3, 0.9), "brow down": (0.4, 1.0), "upper lip up": (0.3, 1.0), "lower lip down": (0.2, 0.8)}),
    (0.03, {"cheek puff": (0.3, 1.0)}),
)


def sample_expression(random: np.random.Generator) -> Float:
    """Strengths (len(modes.EXPRESSIONS),) of one picture's expression."""
    strength = dict.fromkeys(modes.EXPRESSIONS, 0.0)
    shares = np.array([share for share, _ in _PRESETS])
    ranges = _PRESETS[int(random.choice(len(shares), p=shares / shares.sum()))][1]
    for name, (low, high) in ranges.items():
        value = random.uniform(low, high)
        if name in strength:
            strength[name] += value
        else:
            # One-sided expressions are common in life: the sides differ a little, and at times a lot.
            lean = random.uniform(-0.9, 0.9) if random.random() < 0.15 else random.normal(0.0, 0.1)
            strength[f"{name} right"] += value * (1 + lean)
            strength[f"{name} left"] += value * (1 - lean)
    for name in ("brow up right", "brow up left", "smile right", "smile left"):
        strength[name] += random.normal(0.0, 0.1)
    strength["jaw aside"] = random.normal(0.0, 0.12)
    lids = random.random()
    if lids < 0.06:
        closed = random.uniform(0.7, 1.0)
    elif lids < 0.3:
        closed = random.uniform(0.1, 0.5)
    else:
        closed = abs(random.normal(0.0, 0.08))
    wink = random.choice([0.0, 1.0]) if random.random() < 0.03 else 0.5
    happy = 0.15 * max(0.0, strength["smile right"] + strength["smile left"])
    strength["blink right"] = float(np.clip((closed + happy) * min(1.0, 2 * wink), 0.0, 1.0))
    strength["blink left"] = float(np.clip((closed + happy) * min(1.0, 2 - 2 * wink), 0.0, 1.0))
    return np.array([strength[name] for name in modes.EXPRESSIONS], dtype=np.float64)

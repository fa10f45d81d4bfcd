"""What hides parts of a face: glasses, face masks, hands, bars and other objects. Landmarks under them stay known."""

from dataclasses import dataclass

import cv2
import numpy as np

from acrloss.arrays import Float, Image
from acrloss.synthetic import surface
from acrloss.synthetic.camera import Camera
from acrloss.synthetic.pen import fill, stroke

_MASKS = ((120, 170, 205), (235, 235, 235), (40, 40, 44), (190, 120, 140))
_CLEAR = np.array([225.0, 230.0, 235.0])
# Round things are drawn as a dark shape with lighter ones within: (share of the width, lightness).
_ROUND = ((1.0, 0.66), (0.82, 0.88), (0.5, 1.0))


@dataclass(frozen=True, eq=False)
class Occluders:
    """What is worn or held: mask and lenses are RGB colours or None."""

    mask: Float | None
    glasses: bool
    lenses: Float | None
    hand: bool
    thing: bool


def sample(random: np.random.Generator) -> Occluders:
    """Occluders of one picture; two pictures in three have none."""
    draw = random.random(4)
    mask = np.array(_MASKS[int(random.integers(len(_MASKS)))], np.float64)
    dark = draw[1] < 0.05
    return Occluders(
        mask=mask if draw[0] < 0.04 else None,
        glasses=bool(draw[1] < 0.19),
        lenses=random.uniform(5, 50, 3) if dark else None,
        hand=bool(draw[2] < 0.06),
        thing=bool(draw[3] < 0.07),
    )


def paint(
    canvas: Image, extras: Occluders, random: np.random.Generator, head: Float, view: Camera, skin: Float
) -> None:
    """Draw what is held or worn over the picture in place.

    Face masks are part of the texture. head: (V, 3) the person's head; skin: (3,) colour of hands.
    """
    if extras.glasses:
        _glasses(canvas, extras.lenses, random, head, view)
    if extras.hand:
        _hand(canvas, random, head, view, skin)
    if extras.thing:
        _thing(canvas, random, head, view)


def _glasses(canvas: Image, lenses: Float | None, random: np.random.Generator, head: Float, view: Camera) -> None:
    frame = random.uniform(10, 90, 3) if random.random() < 0.75 else random.uniform(60, 220, 3)
    width = view.scale * random.uniform(1.0, 3.2)
    wide, high = random.uniform(20, 25), random.uniform(14, 20)
    roundness = 2 / random.uniform(2.0, 5.0)
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    rim_x, rim_y = (np.sign(c) * np.abs(c) ** roundness for c in (np.cos(angles), np.sin(angles)))
    front = float(head[27, 2]) + 4.0
    rims = []
    for indices in (surface.RIGHT_EYE, surface.LEFT_EYE):
        eye = head[list(indices)].mean(axis=0)
        x = eye[0] + rim_x * wide
        rims.append(np.stack([x, eye[1] + 3.0 + rim_y * high, front - 0.006 * x**2], axis=1))
    outlines = [view.see(rim) for rim in rims]
    if lenses is not None or random.random() < 0.3:
        layer = canvas.copy()
        fill(layer, outlines, _CLEAR if lenses is None else lenses)
        share = random.uniform(0.05, 0.25) if lenses is None else random.uniform(0.75, 1.0)
        canvas[:] = cv2.addWeighted(layer, share, canvas, 1 - share, 0)
    inner = [rims[0][np.argmax(rims[0][:, 0])], rims[1][np.argmin(rims[1][:, 0])]]
    strokes = [view.see(np.stack(inner) - np.array([0.0, 5.0, 0.0]))]
    # The temple on the side turned to the camera; the other is behind the face.
    for side, rim in ((-1.0, rims[0]), (1.0, rims[1])):
        if side * view.head[2, 0] > -0.12:
            hinge = rim[np.argmax(side * rim[:, 0])] - np.array([0.0, 6.0, 0.0])
            strokes.append(view.see(np.stack([hinge, (side * 75.0, hinge[1] + 2, 2.0)])))
    stroke(canvas, strokes, frame, width)
    stroke(canvas, outlines, frame, width, closed=True)


def _hand(canvas: Image, random: np.random.Generator, head: Float, view: Camera, skin: Float) -> None:
    """A hand that comes in from below or a side and lays its fingers on the face."""
    target = head[int(random.choice([3, 5, 8, 11, 13, 48, 54, 57, 33]))] + np.array([0.0, 0.0, 15.0])
    tip = view.see(target)
    direction = random.uniform(np.pi * 0.15, np.pi * 0.85)
    along = np.array([np.cos(direction), np.sin(direction)])
    beside = np.array([-along[1], along[0]])
    unit = view.scale
    palm = tip + along * 88 * unit
    bend = random.uniform(-14, 14)
    paths = [(np.stack([palm + along * 20 * unit, palm + along * 190 * unit]), 72.0)]
    thumb = palm + beside * (58 * random.choice([-1.0, 1.0])) * unit - along * random.uniform(5, 25) * unit
    paths.append((np.stack([palm + along * 40 * unit, thumb]), 19.0))
    spread = random.uniform(16, 23)
    for place, shorter in zip((-1.5, -0.5, 0.5, 1.5), (7.0, 0.0, 4.0, 17.0), strict=True):
        knuckle = palm + beside * place * 18 * unit
        end = tip + (beside * place * spread + along * (shorter + random.uniform(0, 10))) * unit
        middle = (knuckle + end) / 2 + beside * bend * unit * 0.4
        paths.append((np.stack([knuckle, middle, end]), 16.5))
    tone = skin * random.uniform(0.75, 1.0)
    for path, width in paths:
        for share, light in _ROUND:
            stroke(canvas, [path], tone * light, width * share * unit)
    for path, width in paths[2:]:
        # Nails.
        end, inwards = path[-1], (path[-2] - path[-1]) / max(float(np.linalg.norm(path[-2] - path[-1])), 1e-6)
        stroke(canvas, [np.stack([end, end + inwards * 4 * unit])], tone * 0.6 + 95, width * 0.45 * unit)


def _thing(canvas: Image, random: np.random.Generator, head: Float, view: Camera) -> None:
    """A bar, a disc or a box (a pole, a microphone, a cup, a phone) of one colour with a shaded side."""
    centre = view.see(head[int(random.integers(68))] + np.array([0.0, 0.0, 10.0]))
    colour = random.uniform(10, 240, 3)
    kind = int(random.integers(3))
    unit = view.scale
    angle = random.uniform(0, np.pi)
    across, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    if kind == 0:
        width = random.uniform(8, 24) * unit
        for share, light in _ROUND:
            stroke(
                canvas,
                [np.stack([centre - across * 600 * unit, centre + across * 600 * unit])],
                colour * light,
                width * share,
            )
        return
    width, height = random.uniform(14, 34, 2) * unit
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)[:, None]
    if kind == 1:
        outline = np.cos(turn) * across * width + np.sin(turn) * down * height
    else:
        corners = np.array([[-1.0, -1.5], [1, -1.5], [1, 1.5], [-1, 1.5]])
        outline = corners[:, :1] * across * width + corners[:, 1:] * down * height
    for share, light in _ROUND:
        fill(canvas, [centre + outline * share], colour * light)

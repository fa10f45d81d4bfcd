"""What is seen through the openings of the face: eyeballs, teeth and tongue, drawn as shapes at their places in 3-D."""

import cv2
import numpy as np

from acrloss.arrays import Float, Image
from acrloss.synthetic import modes, surface
from acrloss.synthetic.camera import Camera
from acrloss.synthetic.looks import Person
from acrloss.synthetic.pen import fill, stroke
from acrloss.synthetic.person import Face

_EYEBALL = 12.5
_IRIS = 6.2
_PUPIL = 2.5
_ANGLES = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
_WHITE = np.array([226.0, 219.0, 214.0])
_TOOTH = np.array([220.0, 211.0, 193.0])
_TONGUE = np.array([134.0, 66.0, 66.0])
_DARK_MOUTH = np.array([52.0, 20.0, 22.0])


def paint(size: int, face: Face, looks: Person, view: Camera, head: Float, light: Float) -> Image:
    """A picture (size, size, 3) which is right wherever an eye or the mouth is open.

    head: (V, 3) the person's head with expression; light: (3,) mean diffuse light on the face.
    """
    canvas = np.zeros((size, size, 3), np.uint8)
    brightness = np.clip(light, 0.15, 1.15)
    # Each eye: outer to inner corner along the upper lid, then back along the lower.
    for lids in ([36, 37, 38, 39, 40, 41], [45, 44, 43, 42, 47, 46]):
        _eye(canvas, face, looks, view, head[lids], brightness)
    _mouth(canvas, face, view, head, brightness)
    return canvas


def _eye(canvas: Image, face: Face, looks: Person, view: Camera, lids: Float, brightness: Float) -> None:
    middle = lids[[0, 3]].mean(axis=0) + np.array([0.0, -1.2, -7.0])
    around = surface.almond(lids, 3, 4)
    _fill_beyond(canvas, around, 1.5, view, _WHITE * brightness)
    yaw, pitch = np.radians(face.gaze)
    look = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    across = np.cross((0.0, 1.0, 0.0), look)
    across /= np.linalg.norm(across)
    down = np.cross(look, across)
    ring = np.cos(_ANGLES)[:, None] * across + np.sin(_ANGLES)[:, None] * down
    ball = _EYEBALL * (1 + 0.05 * face.identity[modes.IDENTITY.index("eye size")])
    # The iris is darkest at its rim.
    for radius, colour in (
        (_IRIS, looks.iris * 0.45),
        (_IRIS * 0.86, looks.iris),
        (_IRIS * 0.62, looks.iris * 1.25),
        (_PUPIL, np.full(3, 10.0)),
    ):
        disc = middle + look * np.sqrt(ball**2 - radius**2) + ring * radius
        fill(canvas, [view.see(disc)], colour * brightness)
    # The upper lid and its lashes throw a shadow on the eyeball.
    _shadow(canvas, surface.smooth_curve(lids[:4], 4, closed=False), view, 4.0, 0.5)
    glint = middle + look * ball + across * 1.6 - down * 1.8
    fill(canvas, [view.see(glint + ring * 0.9)], 245.0 * np.minimum(brightness + 0.2, 1.0))


def _mouth(canvas: Image, face: Face, view: Camera, head: Float, brightness: Float) -> None:
    around = surface.almond(head[list(surface.INNER_MOUTH)], 4, 3)
    _fill_beyond(canvas, around, 1.6, view, _DARK_MOUTH * brightness)
    identity_modes, expression_modes = modes.head_modes()
    # Upper teeth belong to the skull, lower teeth and tongue to the jaw.
    upper, lower = np.tensordot(face.identity, identity_modes[:, [62, 66]], 1) * (0.5, 1.0, 1.0)
    opening = modes.EXPRESSIONS.index("jaw open")
    lower = lower + face.expression[opening] * expression_modes[opening, 66]
    tongue = np.stack([15 * np.cos(_ANGLES), 75.0 + 6 * np.sin(_ANGLES), np.full(len(_ANGLES), 88.0)], axis=1)
    fill(canvas, [view.see(tongue + lower)], _TONGUE * brightness)
    x = np.linspace(-22.0, 22.0, 15)
    bow = -(x**2) / 30
    for edge, root, depth, shift, share in ((71.5, 82.0, 93.0, lower, 0.82), (71.0, 58.0, 97.0, upper, 1.0)):
        rise = np.sign(root - edge) * (x / 22) ** 2 * 1.2
        biting = view.see(np.stack([x, edge + rise, depth + bow], axis=1) + shift)
        gums = view.see(np.stack([x, np.full_like(x, root), depth - 2 + bow], axis=1) + shift)
        colour = _TOOTH * brightness * share
        fill(canvas, [np.concatenate([biting, gums[::-1]])], colour)
        stroke(canvas, list(np.stack([biting, gums], axis=1)[1:-1:2]), colour * 0.86, 1)
    # Lips throw a shadow, and the corners of the mouth lie in the dark.
    _shadow(canvas, np.concatenate([around, around[:1]]), view, 4.5, 0.45)


def _fill_beyond(canvas: Image, outline: Float, factor: float, view: Camera, colour: Float) -> None:
    """Fill an opening (K, 3), somewhat enlarged so that no gap is left at its edge."""
    centre = outline.mean(axis=0)
    fill(canvas, [view.see(centre + (outline - centre) * factor)], colour)


def _shadow(canvas: Image, edge: Float, view: Camera, width: float, strength: float) -> None:
    """Darken the picture along an edge (K, 3) in place, softly, `width` millimetres across."""
    pixels = view.see(edge)
    margin = int(width * view.scale) + 4
    x0, y0 = np.clip(pixels.min(axis=0).astype(int) - margin, 0, canvas.shape[0]).tolist()
    x1, y1 = np.clip(pixels.max(axis=0).astype(int) + margin, 0, canvas.shape[0]).tolist()
    if x1 <= x0 or y1 <= y0:
        return
    shadow = np.zeros((y1 - y0, x1 - x0), np.uint8)
    stroke(shadow, [pixels - np.array([x0, y0])], 255, width * view.scale)
    shadow = np.asarray(cv2.GaussianBlur(shadow, (0, 0), max(0.5, 0.25 * width * view.scale)), dtype=np.uint8)
    area = canvas[y0:y1, x0:x1]
    area[:] = (area * (1 - shadow[..., None] * np.float32(strength / 255))).astype(np.uint8)

"""Where on the face's texture things are painted that have the same place on every face."""

from functools import cache

import numpy as np

from acrloss.arrays import Float
from acrloss.synthetic import surface
from acrloss.synthetic.atlas import SIDE, Mask, as_mask, curve, empty, face_uv, front, landmark_places
from acrloss.synthetic.pen import fill, stroke

_Points = list[tuple[float, float]]


def _both(xy: _Points) -> list[Float]:
    """A drawing on the person's right, given in millimetres, and its mirror image."""
    return [front(xy), front(np.array(xy) * (-1, 1))]


def _lines(paths: list[Float], width: int, blur: float) -> Mask:
    canvas = empty()
    stroke(canvas, [curve(path) for path in paths], 255, width)
    return as_mask(canvas, blur)


def _areas(outlines: list[Float], blur: float) -> Mask:
    canvas = empty()
    for outline in outlines:
        fill(canvas, [outline], 255)
    return as_mask(canvas, blur)


@cache
def shades() -> dict[str, Mask]:
    """Places that are darker, lighter or redder than the skin around; made once."""
    nose_wing: _Points = [(-13.5, 34), (-17, 38), (-18, 43), (-15.5, 47), (-11, 48.5)]
    nostril: _Points = [(-11, 47), (-8, 45.8), (-4, 46.2), (-3.5, 48.6), (-8, 49.2)]
    return {
        "under lip": _areas([front([(-13, 83.5), (0, 82.5), (13, 83.5), (7, 89), (-7, 89)])], 3.5),
        "philtrum": _lines(_both([(-3.5, 53), (-4, 60.5)]), 2, 1.2),
        "nostrils": _areas(_both(nostril), 0.9),
        "nose wings": _lines(_both(nose_wing), 2, 1.8),
        "under nose": _areas([front([(-14, 47), (0, 50), (14, 47), (9, 53), (-9, 53)])], 2.2),
        "nose light": _areas([front([(-3, 0), (3, 0), (4, 34), (0, 40), (-4, 34)])], 2.5),
        "nose tip": _areas([front([(-8, 32), (8, 32), (10, 44), (-10, 44)])], 4.0),
        "blush": _areas(_both([(-58, 22), (-38, 24), (-30, 36), (-40, 46), (-56, 38)]), 9.0),
        "sockets": _areas(_both([(-50, -6), (-32, -14), (-14, -10), (-12, 4), (-20, 10), (-46, 8)]), 5.0),
        "inner corners": _areas(_both([(-19, -8), (-12, -9), (-10, 6), (-17, 5)]), 3.0),
        "under eyes": _areas(_both([(-43, 9), (-20, 9), (-18, 14), (-31, 19), (-42, 15)]), 4.0),
    }


@cache
def eyes_and_lips() -> dict[str, Mask]:
    """Lids, lashes and lips; made once."""
    outer = surface.almond(landmark_places(surface.OUTER_MOUTH), 6, 5)
    inner = surface.almond(landmark_places(surface.INNER_MOUTH), 4, 5)
    eyes = [surface.almond(landmark_places(eye), 3, 6) for eye in (surface.RIGHT_EYE, surface.LEFT_EYE)]
    return {
        "lips": _areas([outer], 1.0),
        "lower lip light": _areas([front([(-11, 74), (0, 73.5), (11, 74), (6, 77), (-6, 77)])], 2.0),
        "lip line": _lines([np.concatenate([inner, inner[:1]])], 1, 0.7),
        "mouth corners": _areas(_both([(-29.5, 67.5), (-25, 68), (-25, 70), (-29.5, 70.5)]), 1.5),
        "lids": _areas(_both([(-47, -2), (-38, -11), (-26, -11.5), (-17, -3), (-27, -4), (-37, -4)]), 2.0),
        "lid crease": _lines(_both([(-48, -2), (-39, -9), (-27, -9.8), (-17, -2)]), 1, 0.8),
        "upper lashes": _lines([eye[:19] for eye in eyes], 3, 0.8),
        "lower lashes": _lines([np.concatenate([eye[18:], eye[:1]]) for eye in eyes], 1, 0.8),
    }


@cache
def wrinkles() -> dict[str, Mask]:
    """Lines that come with age; made once."""
    crow = [path for x, y in ((-60, -7), (-62, 1), (-60, 8)) for path in _both([(-50, 1), (-55, y / 2), (x, y)])]
    forehead = [front([(-40, y + 3), (-20, y), (0, y + 2), (20, y), (40, y + 3)]) for y in (-38, -49, -60)]
    return {
        "smile folds": _lines(_both([(-18, 43), (-27, 52), (-33, 63), (-34, 73)]), 2, 2.0),
        "crow's feet": _lines(crow, 1, 0.9),
        "forehead lines": _lines(forehead, 1, 1.1),
        "frown lines": _lines(_both([(-5, -26), (-5.5, -18), (-4, -11)]), 1, 1.2),
        "under-eye crease": _lines(_both([(-41, 10), (-30, 12.5), (-19, 10)]), 1, 1.2),
    }


def _mirrored(half: _Points) -> Float:
    """Outline from the left cheek over the middle line to the right cheek; `half` is its left half, middle last."""
    return front([*half, *((-x, y) for x, y in half[-2::-1])])


@cache
def hairy() -> dict[str, Mask]:
    """Stubble, moustache, beard and scalp; made once."""
    edge = landmark_places(range(1, 16))
    # Beards go on under the jaw.
    edge[2:13] = SIDE / 2 + (edge[2:13] - SIDE / 2) * 1.28
    cheeks = _mirrored([(61, 32), (50, 48), (38, 58), (31, 52), (20, 49), (0, 52)])
    above: _Points = [(31, 66), (20, 56.5), (0, 54)]
    below: _Points = [(33, 76), (26, 66), (9, 60.5), (0, 62)]
    moustache = np.concatenate([_mirrored(above), _mirrored(below)[::-1]])
    lips = surface.almond(landmark_places(surface.OUTER_MOUTH), 6, 5)
    beard = empty()
    full = _mirrored([(62, 40), (53, 62), (40, 72), (33, 66), (30, 82), (14, 88), (0, 86)])
    fill(beard, [np.concatenate([edge, full])], 255)
    fill(beard, [lips], 0)
    scalp = empty()
    scalp[:] = 255
    hairline = _mirrored([(63, -26), (61, -50), (50, -72), (25, -82), (0, -84)])[::-1]
    temple = face_uv(surface.to_plane(np.array([(70.0, -5, 20), (73, 30, -2), (60, 70, -20)])))
    other_temple = (temple * (-1, 1) + (SIDE, 0))[::-1]
    neck = np.array([[0.8, 1.0], [0.2, 1.0]]) * SIDE
    fill(scalp, [np.concatenate([hairline, temple, neck, other_temple])], 0)
    return {
        "stubble": _areas([np.concatenate([edge, cheeks])], 4.0),
        "moustache": _areas([moustache], 1.6),
        "beard": as_mask(beard, 2.0),
        "scalp": as_mask(scalp, 4.0),
    }


@cache
def face_mask() -> tuple[Mask, Mask]:
    """A face mask with its ribbons, and the folds in it."""
    jaw = landmark_places(range(17))
    canvas = empty()
    lower = SIDE / 2 + (jaw[2:15] - SIDE / 2) * 1.06
    fill(canvas, [np.concatenate([lower, _mirrored([(58, 24), (34, 16), (0, 16)])])], 255)
    stroke(canvas, [jaw[[2, 0]], jaw[[14, 16]]], 255, 3)
    folds = [_mirrored([(52 - y / 4, y - 6), (25, y), (0, y + 1)]) for y in (40, 58, 74, 90)]
    return as_mask(canvas, 0.6), _lines(folds, 1, 0.6)


@cache
def face_mask_cover() -> Float:
    """How far a face mask covers the vertices of the head, (V,) in [0, 1]."""
    cover = np.zeros((SIDE, SIDE))
    mask = face_mask()[0]
    cover[mask.y, mask.x] = mask.cover[..., 0]
    column, row = np.rint(face_uv(surface.head_mesh().plane)).astype(int).T
    return np.asarray(cover[row, column])

"""Where on the face's texture things are painted that have the same place on every face."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from acrloss.synthetic import surface
from acrloss.synthetic.atlas import (
    SIDE,
    Mask,
    as_mask,
    both,
    curve,
    empty,
    face_uv,
    front,
    landmark_places,
)  # fmt: skip
from acrloss.synthetic.pen import fill, stroke

Float = NDArray[np.float64]


@cache
def masks() -> dict[str, Mask]:
    """Places of everything that is painted at the same place on every face; made once."""
    result: dict[str, Mask] = {}

    def from_strokes(name: str, strokes: list[Float], width: int, blur: float) -> None:
        canvas = empty()
        for stroke in strokes:
            stroke(canvas, [curve(stroke)], 255, width)
        result[name] = as_mask(canvas, blur)

    def from_areas(name: str, areas: list[Float], blur: float) -> None:
        canvas = empty()
        for area in areas:
            fill(canvas, [area], 255)
        result[name] = as_mask(canvas, blur)

    outer = surface.almond(landmark_places(surface.OUTER_MOUTH), 6, 5)
    inner = surface.almond(landmark_places(surface.INNER_MOUTH), 4, 5)
    from_areas("lips", [outer], 1.0)
    from_areas("lower lip light", [front(np.array([(-11.0, 74), (0, 73.5), (11, 74), (6, 77), (-6, 77)]))], 2.0)
    from_strokes("lip line", [np.concatenate([inner, inner[:1]])], 1, 0.7)
    from_areas("mouth corners", both([(-29.5, 67.5), (-25, 68), (-25, 70), (-29.5, 70.5)]), 1.5)
    from_areas("under lip", [front(np.array([(-13.0, 83.5), (0, 82.5), (13, 83.5), (7, 89), (-7, 89)]))], 3.5)
    from_strokes("philtrum", both([(-3.5, 53.0), (-4.0, 60.5)]), 2, 1.2)
    from_areas("nostrils", both([(-11.0, 47.0), (-8, 45.8), (-4, 46.2), (-3.5, 48.6), (-8, 49.2)]), 0.9)
    from_strokes("nose wings", both([(-13.5, 34.0), (-17, 38), (-18, 43), (-15.5, 47), (-11, 48.5)]), 2, 1.8)
    from_areas("under nose", [front(np.array([(-14.0, 47.0), (0, 50), (14, 47), (9, 53), (-9, 53)]))], 2.2)
    from_areas("nose light", [front(np.array([(-3.0, 0.0), (3, 0), (4, 34), (0, 40), (-4, 34)]))], 2.5)
    from_areas("nose tip", [front(np.array([(-8.0, 32.0), (8, 32), (10, 44), (-10, 44)]))], 4.0)
    from_areas("blush", both([(-58.0, 22), (-38, 24), (-30, 36), (-40, 46), (-56, 38)]), 9.0)
    from_areas("sockets", both([(-50.0, -6), (-32, -14), (-14, -10), (-12, 4), (-20, 10), (-46, 8)]), 5.0)
    from_areas("inner corners", both([(-19.0, -8), (-12, -9), (-10, 6), (-17, 5)]), 3.0)
    from_areas("under eyes", both([(-43.0, 9), (-20, 9), (-18, 14), (-31, 19), (-42, 15)]), 4.0)
    from_areas("lids", both([(-47.0, -2), (-38, -11), (-26, -11.5), (-17, -3), (-27, -4), (-37, -4)]), 2.0)
    from_strokes("lid crease", both([(-48.0, -2), (-39, -9.0), (-27, -9.8), (-17, -2)]), 1, 0.8)
    from_strokes("under-eye crease", both([(-41.0, 10), (-30, 12.5), (-19, 10)]), 1, 1.2)
    eyes = [surface.almond(landmark_places(e), 3, 6) for e in (surface.RIGHT_EYE, surface.LEFT_EYE)]
    from_strokes("upper lashes", [eye[:19] for eye in eyes], 3, 0.8)
    from_strokes("lower lashes", [np.concatenate([eye[18:], eye[:1]]) for eye in eyes], 1, 0.8)
    from_strokes("smile folds", both([(-18.0, 43.0), (-27, 52), (-33, 63), (-34, 73)]), 2, 2.0)
    from_strokes("crow's feet", [
        stroke for end in ((-60, -7), (-62, 1), (-60, 8)) for stroke in both([(-50, 1), (-55, end[1] / 2), end])
    ], 1, 0.9)  # fmt: skip
    from_strokes("forehead lines", [
        front(np.array([(-40.0, y + 3), (-20, y), (0, y + 2), (20, y), (40, y + 3)])) for y in (-38.0, -49.0, -60.0)
    ], 1, 1.1)  # fmt: skip
    from_strokes("frown lines", both([(-5.0, -26), (-5.5, -18), (-4, -11)]), 1, 1.2)
    jaw = landmark_places(range(17))
    chin = np.concatenate([jaw[1:16], front(np.array([
        (61.0, 32), (50, 48), (38, 58), (31, 52), (20, 49), (0, 52), (-20, 49), (-31, 52), (-38, 58), (-50, 48), (-61, 32)
    ]))])  # fmt: skip
    below = chin.copy()
    below[2:13] = SIDE / 2 + (below[2:13] - SIDE / 2) * 1.28
    from_areas("stubble", [below], 4.0)
    from_areas("moustache", [front(np.array([
        (-31.0, 66), (-20, 56.5), (0, 54), (20, 56.5), (31, 66), (33, 76), (26, 66), (9, 60.5), (0, 62), (-9, 60.5), (-26, 66),
        (-33, 76),
    ]))], 1.6)  # fmt: skip
    beard = empty()
    fill(beard, [np.concatenate([below[:15], front(np.array([
        (62.0, 40), (53, 62), (40, 72), (33, 66), (30, 82), (14, 88), (0, 86), (-14, 88), (-30, 82), (-33, 66), (-40, 72),
        (-53, 62), (-62, 40),
    ]))])], 255)  # fmt: skip
    fill(beard, [outer], 0)
    result["beard"] = as_mask(beard, 2.0)
    scalp = empty()
    scalp[:] = 255
    crown = front(
        np.array(
            [(-63.0, -26), (-61, -50), (-50, -72), (-25, -82), (0, -84), (25, -82), (50, -72), (61, -50), (63, -26)]
        )
    )
    temples = face_uv(surface.to_plane(np.array([(70.0, -5, 20), (73, 30, -2), (60, 70, -20)])))
    outline = np.concatenate(
        [crown, temples, [[SIDE * 0.8, SIDE], [SIDE * 0.2, SIDE]], (temples * (-1, 1) + (SIDE, 0))[::-1]]
    )
    fill(scalp, [outline], 0)
    result["scalp"] = as_mask(scalp, 4.0)
    return result


@cache
def mask_area() -> Mask:
    canvas = empty()
    jaw = landmark_places(range(17))
    area = np.concatenate(
        [
            SIDE / 2 + (jaw[2:15] - SIDE / 2) * 1.06,
            front(np.array([(58.0, 24), (34, 16), (0, 16), (-34, 16), (-58, 24)])),
        ]
    )
    fill(canvas, [area], 255)
    for side in (0, 16):
        stroke(canvas, [np.stack([jaw[abs(side - 2)], jaw[side]])], 255, 3)
    return as_mask(canvas, 0.6)


@cache
def mask_folds() -> Mask:
    canvas = empty()
    for y in (40.0, 58.0, 74.0, 90.0):
        stroke(
            canvas,
            [curve(front(np.array([(-52.0 + y / 4, y - 6), (-25, y), (0, y + 1), (25, y), (52 - y / 4, y - 6)])))],
            255,
            1,
        )
    return as_mask(canvas, 0.6)


@cache
def mask_cover() -> Float:
    """How far a face mask covers the vertices of the head, (V,) in [0, 1]."""
    cover = np.zeros((SIDE, SIDE))
    mask = mask_area()
    cover[mask.y, mask.x] = mask.cover[..., 0]
    column, row = np.rint(face_uv(surface.head_mesh().plane)).astype(int).T
    return np.asarray(cover[row, column])

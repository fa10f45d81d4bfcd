"""Identity and expression modes: smooth displacement fields over the average head.

Each mode is a field of the average positions in millimetres for a coefficient of one: a standard deviation for
identity, full strength for expressions (0 none, 1 full). All identity fields but the last few are symmetric.
"""

from functools import cache

import numpy as np

from acrloss.arrays import Float
from acrloss.synthetic import anatomy, surface
from acrloss.synthetic.surface import smooth_step

LIP_LINE = 69.2
EYE = np.array([-31.5, 0.0])

IDENTITY = (
    "face width", "face height", "jaw width", "chin length", "chin width", "chin forward", "cheek fullness",
    "cheekbones", "eye distance", "eye size", "eye opening", "eye tilt", "brow height", "brow arch", "brow slope",
    "brow ridge", "forehead slope", "nose width", "nose length", "nose forward", "nose bridge", "nose tip up",
    "mouth width", "mouth height", "upper lip", "lower lip", "lips forward", "nose to one side", "mouth to one side",
    "one eye higher",
)  # fmt: skip

EXPRESSIONS = (
    "jaw open", "smile right", "smile left", "corner down right", "corner down left", "pucker", "upper lip up",
    "lower lip down", "brow up right", "brow up left", "inner brow up", "brow down", "blink right", "blink left",
    "wide eyes", "jaw aside", "cheek puff",
)  # fmt: skip


def _bump(points: Float, centre: tuple[float, float], radius: tuple[float, float]) -> Float:
    """Gaussian in x and y, on the front of the head only."""
    dx, dy = ((points[:, i] - centre[i]) / radius[i] for i in range(2))
    return np.asarray(np.exp(-0.5 * (dx**2 + dy**2)) * smooth_step(points[:, 2], 0.0, 40.0))


def _field(points: Float, x: Float | float = 0.0, y: Float | float = 0.0, z: Float | float = 0.0) -> Float:
    return np.stack([np.broadcast_to(np.asarray(c, np.float64), (len(points),)) for c in (x, y, z)], axis=1)


def identity_modes(points: Float) -> Float:
    """Displacements (len(IDENTITY), V, 3) in millimetres of average positions (V, 3) per standard deviation."""
    x, y, z = points.T
    side = np.sign(x)
    right, left = _bump(points, (-31.5, 0), (17, 12)), _bump(points, (31.5, 0), (17, 12))
    eyes = right + left
    eye_x, eye_y = np.abs(x) + EYE[0], y - EYE[1]
    brows = (_bump(points, (-36, -22), (19, 8)) + _bump(points, (36, -22), (19, 8))) * smooth_step(y, -8.0, -16.0)
    outer_brow = _bump(points, (-55, -17), (10, 8)) + _bump(points, (55, -17), (10, 8))
    middle_brow = _bump(points, (-43, -23), (11, 8)) + _bump(points, (43, -23), (11, 8))
    nose = _bump(points, (0, 42), (13, 10))
    bridge = (
        np.exp(-0.5 * (x / 9) ** 2)
        * smooth_step(y, -12.0, 4.0)
        * smooth_step(y, 46.0, 34.0)
        * smooth_step(z, 60.0, 90.0)
    )
    mouth = _bump(points, (0, LIP_LINE), (26, 11))
    corners = _bump(points, (-27, LIP_LINE), (12, 11)) + _bump(points, (27, LIP_LINE), (12, 11))
    lower_face = smooth_step(y, 52.0, 112.0)
    fields = {
        "face width": _field(points, 0.05 * x),
        "face height": _field(points, y=0.05 * y),
        "jaw width": _field(points, 0.085 * x * smooth_step(y, 25.0, 85.0)),
        "chin length": _field(points, y=5.5 * lower_face, z=-1.0 * lower_face),
        "chin width": _field(points, 3.5 * np.tanh(x / 18) * _bump(points, (0, 106), (60, 13))),
        "chin forward": _field(points, z=4.0 * lower_face * smooth_step(np.abs(x), 45.0, 5.0)),
        "cheek fullness": _field(
            points,
            3.5 * side * (_bump(points, (-54, 58), (17, 20)) + _bump(points, (54, 58), (17, 20))),
            z=4.0 * (_bump(points, (-42, 52), (15, 17)) + _bump(points, (42, 52), (15, 17))),
        ),
        "cheekbones": _field(
            points,
            1.8 * side * (_bump(points, (-62, 20), (14, 14)) + _bump(points, (62, 20), (14, 14))),
            z=2.2 * (_bump(points, (-50, 22), (13, 11)) + _bump(points, (50, 22), (13, 11))),
        ),
        "eye distance": _field(points, 1.7 * side * eyes + 1.0 * side * brows),
        "eye size": _field(points, 0.075 * side * eye_x * eyes, 0.09 * eye_y * eyes),
        "eye opening": _field(points, y=0.16 * eye_y * eyes),
        "eye tilt": _field(points, y=-0.065 * eye_x * eyes),
        "brow height": _field(points, y=-2.4 * brows),
        "brow arch": _field(points, y=-1.8 * middle_brow + 0.6 * outer_brow),
        "brow slope": _field(points, y=0.09 * (np.abs(x) - 36) * brows),
        "brow ridge": _field(points, z=3.2 * brows - 1.5 * eyes * smooth_step(np.abs(eye_y), 16.0, 6.0)),
        "forehead slope": _field(points, z=5.0 * smooth_step(y, -30.0, -95.0) * smooth_step(z, 0.0, 60.0)),
        "nose width": _field(points, 2.0 * np.tanh(x / 7) * _bump(points, (0, 45), (16, 10))),
        "nose length": _field(points, y=2.6 * nose * 1.1 + 1.0 * bridge),
        "nose forward": _field(points, z=4.2 * _bump(points, (0, 40), (9, 11))),
        "nose bridge": _field(points, z=2.6 * bridge * smooth_step(y, 34.0, 18.0)),
        "nose tip up": _field(points, y=-2.4 * _bump(points, (0, 38), (9, 7)) * smooth_step(z, 105.0, 116.0)),
        "mouth width": _field(points, 3.0 * np.tanh(x / 20) * _bump(points, (0, LIP_LINE), (60, 12))),
        "mouth height": _field(points, y=2.0 * mouth),
        "upper lip": _field(points, y=-1.6 * _lip_rim(points, upper=True), z=0.8 * _lip_rim(points, upper=True)),
        "lower lip": _field(points, y=1.8 * _lip_rim(points, upper=False), z=0.8 * _lip_rim(points, upper=False)),
        "lips forward": _field(points, z=2.2 * mouth),
        "nose to one side": _field(points, 1.3 * nose),
        "mouth to one side": _field(points, 1.2 * mouth + 1.2 * lower_face, 0.8 * corners * side),
        "one eye higher": _field(points, y=0.8 * (right - left)),
    }
    return np.stack([fields[name] for name in IDENTITY])


def _lip_rim(points: Float, upper: bool) -> Float:
    """1 on the outer edge of a lip, falling to 0 at the lip line, the mouth's corners and 8 mm outside."""
    x, y, _ = points.T
    height = (LIP_LINE - y) if upper else (y - LIP_LINE)
    peak = 6.0 if upper else 10.0
    return np.asarray(
        smooth_step(height, 0.3, peak)
        * smooth_step(height, peak + 9, peak)
        * smooth_step(np.abs(x), 27.0, 9.0)
        * smooth_step(points[:, 2], 60, 80)
    )


def expression_modes(points: Float) -> Float:
    """Displacements (len(EXPRESSIONS), V, 3) in millimetres of average positions (V, 3) at full strength."""
    x, y, z = points.T
    side = np.sign(x)
    below = _below_lips(points)
    front = smooth_step(z, 10.0, 60.0)
    upper_lip = _bump(points, (0, 63), (17, 8)) * (1 - below)
    lower_lip = _bump(points, (0, 77), (17, 8)) * below
    lips = _bump(points, (0, LIP_LINE), (24, 12))
    jaw_angle = 0.30
    fields: dict[str, Float] = {
        # Rotation about the joint in front of the ears; the corners of the mouth are drawn in a little.
        "jaw open": _field(
            points,
            -0.09 * x * _bump(points, (0, LIP_LINE + 6), (40, 16)),
            jaw_angle * (z - 10) * below * front,
            -jaw_angle * (y - 10) * 0.75 * below * front,
        ),
        "pucker": _field(points, -0.38 * x * lips, 0.06 * (LIP_LINE - y) * lips, 7.0 * lips),
        "upper lip up": _field(points, y=-5.5 * upper_lip - 1.0 * _bump(points, (0, 46), (18, 7)), z=0.5 * upper_lip),
        "lower lip down": _field(points, y=6.0 * lower_lip, z=0.5 * lower_lip),
        "inner brow up": _field(points, y=-5.0 * _bump(points, (0, -21), (19, 9)) * smooth_step(y, -8.0, -15.0)),
        "brow down": _field(
            points,
            -2.5 * np.tanh(x / 8) * _bump(points, (0, -20), (24, 9)),
            6.5 * _bump(points, (0, -21), (30, 9)) * smooth_step(y, -6.0, -15.0),
            1.5 * _bump(points, (0, -18), (24, 8)),
        ),
        "jaw aside": _field(points, 7.0 * below * smooth_step(y, 55.0, 90.0) + 3.0 * lower_lip, -1.0 * below * x / 40),
        "cheek puff": _field(points, 7.0 * side * _cheeks(points), z=8.0 * _cheeks(points)),
    }
    wide = np.zeros_like(points)
    for name, sign in (("right", -1.0), ("left", 1.0)):
        here = smooth_step(sign * x, -9.0, 9.0)
        corner = _bump(points, (sign * 26, LIP_LINE - 1), (12, 9))
        fold = _bump(points, (sign * 33, 50), (12, 13))
        cheek = _bump(points, (sign * 43, 28), (16, 13))
        fields[f"smile {name}"] = _field(
            points,
            sign * (8.0 * corner + 2.0 * fold),
            (-7.0 * corner - 4.0 * fold - 3.0 * cheek) - 1.6 * upper_lip * here,
            -4.5 * corner + 3.0 * fold + 3.0 * cheek - 1.5 * lips * here,
        )
        fields[f"corner down {name}"] = _field(points, sign * 1.5 * corner, 6.5 * corner, -1.0 * corner)
        brow = _bump(points, (sign * 37, -22), (20, 9)) * smooth_step(y, -7.0, -15.0)
        fields[f"brow up {name}"] = _field(points, y=-8.0 * brow - 2.0 * _bump(points, (sign * 37, -45), (24, 16)))
        fields[f"blink {name}"] = _lid_field(points, sign, 0.90, 0.10)
        wide += _lid_field(points, sign, -0.28, -0.07)
    fields["wide eyes"] = wide
    return np.stack([fields[name] for name in EXPRESSIONS])


def _outline(indices: tuple[int, ...], corner: int) -> Float:
    """Edge of an opening of the face, as the mesh has it: (8 * len(indices), 3) points."""
    plane = surface.to_plane(anatomy.landmarks()[list(indices)])
    return surface.point_at(surface.almond(plane, corner, 8))


def _cheeks(points: Float) -> Float:
    return _bump(points, (-44, 62), (13, 13)) + _bump(points, (44, 62), (13, 13))


def _below_lips(points: Float) -> Float:
    """1 below the line of the lips, 0 above: sharp between the corners of the mouth, gradual across the cheeks."""
    x, y, _ = points.T
    curve = _outline(surface.INNER_MOUTH, 4)
    top, bottom = curve[:33], np.concatenate([curve[:1], curve[:31:-1]])
    line = (np.interp(x, top[:, 0], top[:, 1]) + np.interp(x, bottom[:, 0], bottom[:, 1])) / 2
    height = y - line
    # Along the slit the jump opens towards its middle like an ellipse; elsewhere the cheek stretches over centimetres.
    open_share = np.sqrt(np.clip(1 - (x / 23.6) ** 2, 0.0, 1.0))
    cheek = np.tanh(height / (9.0 + 0.9 * np.maximum(np.abs(x) - 24.0, 0.0)))
    return np.asarray(0.5 + 0.5 * (open_share * np.tanh(height / 0.12) + (1 - open_share) * cheek))


def _lid_field(points: Float, sign: float, upper: float, lower: float) -> Float:
    """Lids moved towards each other by shares of the gap between them; the skin around follows within millimetres."""
    # Both eyes are read off the right one's outline, the left through the mirror.
    curve = _outline(surface.RIGHT_EYE, 3)
    top, bottom = curve[:25], np.concatenate([curve[:1], curve[:23:-1]])
    x, y = -sign * points[:, 0], points[:, 1]
    upper_y, lower_y = (np.interp(x, half[:, 0], half[:, 1]) for half in (top, bottom))
    gap = np.maximum(lower_y - upper_y, 0.0)
    beside = 1.0 * smooth_step(np.abs(x + 31.5), 17.0, 13.0)
    above, under = np.maximum(upper_y - y, 0.0), np.maximum(y - lower_y, 0.0)
    is_upper = y < (upper_y + lower_y) / 2
    down = np.where(is_upper, upper * np.exp(-((above / 4.5) ** 2)), -lower * np.exp(-((under / 5.0) ** 2)))
    weight = beside * smooth_step(points[:, 2], 40.0, 60.0)
    # A closing lid slides over the eyeball, so it comes forward as it comes down.
    return _field(points, y=down * gap * weight, z=np.where(is_upper, 0.15, 0.0) * np.abs(down) * gap * weight)


@cache
def head_modes() -> tuple[Float, Float]:
    """Identity and expression modes of all vertices of `surface.head_mesh()`."""
    vertices = surface.head_mesh().vertices
    return identity_modes(vertices), expression_modes(vertices)

"""The schemes that come with the package."""

from __future__ import annotations

from collections.abc import Sequence

from acrloss.schemes.scheme import Scheme, flip_from_pairs


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


def _pairs(text: str, base: int = 0) -> tuple[tuple[int, int], ...]:
    """The pairs of a text such as "0-16 1-15"."""
    return tuple((int(a) - base, int(b) - base) for a, b in (pair.split("-") for pair in text.split()))


_IBUG68 = Scheme(
    name="ibug68",
    num_landmarks=68,
    flip=flip_from_pairs(
        68,
        [(i, 16 - i) for i in range(8)]
        + [(17 + i, 26 - i) for i in range(5)]
        + list(
            _pairs("31-35 32-34 36-45 37-44 38-43 39-42 40-47 41-46 48-54 49-53 50-52 55-59 56-58 60-64 61-63 65-67")
        ),
    ),
    interocular=(36, 45),
    interpupil=(_span(36, 41), _span(42, 47)),
    regions={
        "jaw": _span(0, 16),
        "right brow": _span(17, 21),
        "left brow": _span(22, 26),
        "nose": _span(27, 35),
        "right eye": _span(36, 41),
        "left eye": _span(42, 47),
        "mouth": _span(48, 67),
    },
    contours=(
        (_span(0, 16), False),
        (_span(17, 21), False),
        (_span(22, 26), False),
        (_span(27, 30), False),
        (_span(31, 35), False),
        (_span(36, 41), True),
        (_span(42, 47), True),
        (_span(48, 59), True),
        (_span(60, 67), True),
    ),
)

_COFW29 = Scheme(
    name="cofw29",
    num_landmarks=29,
    flip=flip_from_pairs(29, _pairs("1-2 3-4 5-7 6-8 9-10 11-12 13-15 14-16 17-18 19-20 23-24", base=1)),
    interocular=(8, 9),
    interpupil=((16,), (17,)),
    regions={
        "right brow": (0, 2, 4, 5),
        "left brow": (1, 3, 6, 7),
        "right eye": (8, 10, 12, 13, 16),
        "left eye": (9, 11, 14, 15, 17),
        "nose": (18, 19, 20, 21),
        "mouth": _span(22, 27),
        "chin": (28,),
    },
    contours=(
        ((0, 4, 2, 5), True),
        ((1, 6, 3, 7), True),
        ((8, 12, 10, 13), True),
        ((9, 14, 11, 15), True),
        ((18, 21, 19), False),
        ((20, 21), False),
        ((22, 24, 23, 27), True),
        ((22, 25, 23, 26), True),
    ),
)

_WFLW98 = Scheme(
    name="wflw98",
    num_landmarks=98,
    flip=flip_from_pairs(
        98,
        [(i, 32 - i) for i in range(16)]
        + list(
            _pairs(
                "33-46 34-45 35-44 36-43 37-42 38-50 39-49 40-48 41-47 "
                "60-72 61-71 62-70 63-69 64-68 65-75 66-74 67-73 55-59 56-58 "
                "76-82 77-81 78-80 87-83 86-84 88-92 89-91 95-93 96-97"
            )
        ),
    ),
    interocular=(60, 72),
    interpupil=((96,), (97,)),
    regions={
        "jaw": _span(0, 32),
        "right brow": _span(33, 41),
        "left brow": _span(42, 50),
        "nose": _span(51, 59),
        "right eye": (*_span(60, 67), 96),
        "left eye": (*_span(68, 75), 97),
        "mouth": _span(76, 95),
    },
    contours=(
        (_span(0, 32), False),
        (_span(33, 41), True),
        (_span(42, 50), True),
        (_span(51, 54), False),
        (_span(55, 59), False),
        (_span(60, 67), True),
        (_span(68, 75), True),
        (_span(76, 87), True),
        (_span(88, 95), True),
    ),
)

# The 19 of AFLW's 21 landmarks without the ear lobes; pairs as mmpose and HRNet print them.
_AFLW19 = Scheme(
    name="aflw19",
    num_landmarks=19,
    flip=flip_from_pairs(19, _pairs("1-6 2-5 3-4 7-12 8-11 9-10 13-15 16-18", base=1)),
    interocular=(6, 11),
    interpupil=((7,), (10,)),
    regions={
        "right brow": (0, 1, 2),
        "left brow": (3, 4, 5),
        "right eye": (6, 7, 8),
        "left eye": (9, 10, 11),
        "nose": (12, 13, 14),
        "mouth": (15, 16, 17),
        "chin": (18,),
    },
    contours=(
        ((0, 1, 2), False),
        ((3, 4, 5), False),
        ((6, 7, 8), False),
        ((9, 10, 11), False),
        ((12, 13, 14), False),
        ((15, 16, 17), False),
    ),
)

# JD-landmark and LaPa; pairs as mmpose prints them.
_LAPA106 = Scheme(
    name="lapa106",
    num_landmarks=106,
    flip=flip_from_pairs(
        106,
        [(i, 32 - i) for i in range(16)]
        + list(
            _pairs(
                "33-46 34-45 35-44 36-43 37-42 38-50 39-49 40-48 41-47 55-65 56-64 57-63 58-62 59-61 "
                "66-79 67-78 68-77 69-76 70-75 71-82 72-81 73-80 74-83 "
                "84-90 85-89 86-88 91-95 92-94 96-100 97-99 101-103 104-105"
            )
        ),
    ),
    interocular=(66, 79),
    interpupil=((104,), (105,)),
    regions={
        "jaw": _span(0, 32),
        "right brow": _span(33, 41),
        "left brow": _span(42, 50),
        "nose": _span(51, 65),
        "right eye": (*_span(66, 74), 104),
        "left eye": (*_span(75, 83), 105),
        "mouth": _span(84, 103),
    },
    contours=(
        (_span(0, 32), False),
        (_span(33, 41), True),
        (_span(42, 50), True),
        (_span(51, 54), False),
        (_span(55, 65), False),
        (_span(66, 73), True),
        ((75, 76, 77, 78, 79, 80, 81, 82), True),
        (_span(84, 95), True),
        (_span(96, 103), True),
    ),
)

# Menpo 2D's profile faces, 39 points of the visible side. Those of left and of right profiles come in the same order
# (OpenFace maps either to the 68), so that the mirror image of a left profile is a right one with the same numbers.
_MENPO39 = Scheme(
    name="menpo39",
    profile=True,
    num_landmarks=39,
    flip=_span(0, 38),
    regions={
        "jaw": _span(0, 9),
        "brow": _span(12, 15),
        "nose": _span(16, 21),
        "eye": _span(22, 26),
        "mouth": _span(27, 38),
    },
    contours=(
        (_span(0, 9), False),
        (_span(12, 15), False),
        (_span(16, 19), False),
    ),
)


def _mediapipe478() -> Scheme:
    """MediaPipe's face mesh with irises. Its canonical mesh is symmetric: 28 vertices lie on the middle line, and the
    others of 0 … 247 (the subject's right half) mirror 248 … 467 in the same order."""
    middle = {0, 1, 2, *range(4, 7), *range(8, 20), 94, 151, 152, 164, 168, 175, 195, 197, 199, 200}
    right = [m for m in range(248) if m not in middle]
    # Of either iris: centre, edge on the picture's right, top, edge on the picture's left, bottom.
    irises = _pairs("468-473 469-476 470-475 471-474 472-477")
    flip = flip_from_pairs(478, [*zip(right, range(248, 468), strict=True), *irises])
    # MediaPipe's own outlines; the left ones are the right ones mirrored.
    eye = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
    upper_brow, lower_brow = (70, 63, 105, 66, 107), (46, 53, 52, 65, 55)
    oval_half = (10, 109, 67, 103, 54, 21, 162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
    lips_half = (0, 37, 39, 40, 185, 61, 146, 91, 181, 84, 17)
    inner_lips_half = (13, 82, 81, 80, 191, 78, 95, 88, 178, 87, 14)
    nose_half = (2, 97, 98, 64, 48, 115, 220, 45, 4)

    def mirrored(points: Sequence[int]) -> tuple[int, ...]:
        return tuple(flip[m] for m in points)

    def ring(half: Sequence[int]) -> tuple[int, ...]:
        return (*half, *mirrored(half[-2:0:-1]))

    oval, lips, inner_lips, nose = ring(oval_half), ring(lips_half), ring(inner_lips_half), ring(nose_half)
    bridge = (168, 6, 197, 195, 5, 4, 1, 19, 94, 2)
    return Scheme(
        name="mediapipe478",
        num_landmarks=478,
        flip=flip,
        interocular=(33, 263),
        interpupil=((468,), (473,)),
        regions={
            "face oval": oval,
            "right brow": (*upper_brow, *lower_brow),
            "left brow": mirrored((*upper_brow, *lower_brow)),
            "nose": tuple(sorted({*nose, *bridge})),
            "right eye": eye,
            "left eye": mirrored(eye),
            "right iris": _span(468, 472),
            "left iris": _span(473, 477),
            "mouth": (*lips, *inner_lips),
        },
        contours=(
            (oval, True),
            *((points, False) for half in (upper_brow, lower_brow) for points in (half, mirrored(half))),
            (bridge, False),
            (nose, True),
            (eye, True),
            (mirrored(eye), True),
            (_span(469, 472), True),
            (_span(474, 477), True),
            (lips, True),
            (inner_lips, True),
        ),
    )


SCHEMES = {scheme.name: scheme for scheme in (_IBUG68, _COFW29, _WFLW98, _AFLW19, _LAPA106, _MENPO39, _mediapipe478())}

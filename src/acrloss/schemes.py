"""Landmark schemes: how many landmarks a face has, which of them mirror each other, and what they outline.

Indices are 0-based. "Right" and "left" are the subject's, as in the field's own names: the right eye is on
the left of the picture.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.errors import DataError
from acrloss.files import write_atomic

Landmarks = TypeVar("Landmarks")

# How far a landmark of the mirrored mean may lie from its partner, in root mean square radii of the shape.
# Right pairs stay below this for any 50 faces of 300-W; a wrong pair misses by the distance of the two.
_MIRROR_TOLERANCE = 0.15
_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Scheme:
    """One landmark layout.

    Attributes:
        name: short name, such as "ibug68".
        num_landmarks: M, the number of landmarks of a face.
        flip: permutation of 0 … M-1 and an involution: landmark m of the mirrored face is landmark flip[m].
        interocular: the outer eye corners, whose distance normalises the inter-ocular NME; None where there
            are none.
        interpupil: two groups of landmarks whose means are the pupils; None where there are none.
        regions: name -> landmarks of a part of the face (need not cover the face).
        contours: polylines for drawing, each (landmarks, closed).

    Raises:
        ValueError: a field contradicts another; the message names the scheme.
    """

    name: str
    num_landmarks: int
    flip: tuple[int, ...]
    interocular: tuple[int, int] | None = None
    interpupil: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    contours: tuple[tuple[tuple[int, ...], bool], ...] = ()

    def __post_init__(self) -> None:
        if self.num_landmarks < 1:
            raise ValueError(f"scheme {self.name}: num_landmarks must be at least 1, got {self.num_landmarks}")
        if sorted(self.flip) != list(range(self.num_landmarks)):
            raise ValueError(f"scheme {self.name}: flip must hold each of 0 … {self.num_landmarks - 1} once")
        for m, partner in enumerate(self.flip):
            if self.flip[partner] != m:
                raise ValueError(
                    f"scheme {self.name}: flip must be an involution; "
                    f"{m} goes to {partner}, that to {self.flip[partner]}"
                )
        groups: dict[str, tuple[int, ...]] = dict(self.regions)
        if self.interocular is not None:
            groups["interocular"] = self.interocular
        for i, group in enumerate(self.interpupil or ()):
            groups[f"interpupil group {i}"] = group
        for i, (points, _) in enumerate(self.contours):
            groups[f"contour {i}"] = points
        for where, points in groups.items():
            if not points:
                raise ValueError(f"scheme {self.name}: {where} is empty")
            for m in points:
                if not 0 <= m < self.num_landmarks:
                    raise ValueError(f"scheme {self.name}: {where} names landmark {m} of 0 … {self.num_landmarks - 1}")
        if self.interocular is not None and self.interocular[0] == self.interocular[1]:
            raise ValueError(f"scheme {self.name}: interocular needs two different landmarks, got {self.interocular}")

    def permute(self, landmarks: Landmarks) -> Landmarks:
        """Reorder landmarks (..., M, 2), array or tensor, of a mirrored face; x is not mirrored here."""
        shape = tuple(landmarks.shape)  # type: ignore[attr-defined]
        if len(shape) < 2 or shape[-2] != self.num_landmarks:
            raise ValueError(f"scheme {self.name}: expected landmarks (..., {self.num_landmarks}, 2), got {shape}")
        reordered: Landmarks = landmarks[..., list(self.flip), :]  # type: ignore[index]
        return reordered

    def to_dict(self) -> dict[str, Any]:
        """The scheme in plain JSON and YAML types, as a scheme file holds it (see `get_scheme`)."""
        return {
            "name": self.name,
            "num_landmarks": self.num_landmarks,
            "flip_pairs": [[m, partner] for m, partner in enumerate(self.flip) if m < partner],
            "interocular": None if self.interocular is None else list(self.interocular),
            "interpupil": None if self.interpupil is None else [list(group) for group in self.interpupil],
            "regions": {name: list(points) for name, points in self.regions.items()},
            "contours": [{"points": list(points), "closed": closed} for points, closed in self.contours],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scheme:
        """The scheme that `to_dict` described. `interocular`, `interpupil`, `regions` and `contours` may be
        missing.

        Raises:
            ValueError: a key is missing, unknown or of the wrong type; the message names the key.
        """
        known = {"name", "num_landmarks", "flip_pairs", "interocular", "interpupil", "regions", "contours"}
        for key in values:
            if key not in known:
                raise ValueError(f"unknown key {key!r}; a scheme has {', '.join(sorted(known))}")
        for key in ("name", "num_landmarks", "flip_pairs"):
            if key not in values:
                raise ValueError(f"key {key!r} is missing")
        name, count = values["name"], values["num_landmarks"]
        if not isinstance(name, str) or not name:
            raise ValueError(f"key 'name' must be a text, got {reprlib.repr(name)}")
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 100_000:
            raise ValueError(f"key 'num_landmarks' must be a whole number from 1 to 100000, got {reprlib.repr(count)}")
        interocular = _optional_indices(values, "interocular")
        if interocular is not None and len(interocular) != 2:
            raise ValueError(f"key 'interocular' must hold two landmarks, got {reprlib.repr(interocular)}")
        interpupil = values.get("interpupil")
        if interpupil is not None:
            if not isinstance(interpupil, Sequence) or isinstance(interpupil, str) or len(interpupil) != 2:
                raise ValueError(f"key 'interpupil' must hold two lists of landmarks, got {reprlib.repr(interpupil)}")
            interpupil = (_indices(interpupil[0], "interpupil"), _indices(interpupil[1], "interpupil"))
        return cls(
            name=name,
            num_landmarks=count,
            flip=_flip_from_pairs(count, _list(values["flip_pairs"], "flip_pairs")),
            interocular=None if interocular is None else (interocular[0], interocular[1]),
            interpupil=interpupil,
            regions={
                str(region): _indices(points, f"regions: {region}")
                for region, points in _mapping(values.get("regions") or {}, "regions").items()
            },
            contours=tuple(_contour(item) for item in _list(values.get("contours") or [], "contours")),
        )


def _list(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"key {key!r} must be a list, got {reprlib.repr(value)}")
    return list(value)


def _mapping(value: Any, key: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"key {key!r} must be a mapping, got {reprlib.repr(value)}")
    return value


def _indices(value: Any, key: str) -> tuple[int, ...]:
    items = _list(value, key)
    for item in items:
        if not isinstance(item, int) or isinstance(item, bool):
            raise ValueError(f"key {key!r} must hold landmark numbers, got {reprlib.repr(item)}")
    return tuple(items)


def _optional_indices(values: Mapping[str, Any], key: str) -> tuple[int, ...] | None:
    return None if values.get(key) is None else _indices(values[key], key)


def _contour(value: Any) -> tuple[tuple[int, ...], bool]:
    item = _mapping(value, "contours")
    if set(item) - {"points", "closed"} or "points" not in item or not isinstance(item.get("closed", False), bool):
        raise ValueError(f"key 'contours' must hold 'points' and perhaps 'closed: true', got {reprlib.repr(value)}")
    return _indices(item["points"], "contours"), item.get("closed", False)


def _flip_from_pairs(count: int, pairs: Sequence[Any]) -> tuple[int, ...]:
    flip = list(range(count))
    seen: set[int] = set()
    for item in pairs:
        pair = _indices(item, "flip_pairs")
        if len(pair) != 2 or not all(0 <= m < count for m in pair):
            raise ValueError(f"key 'flip_pairs' must hold pairs of landmarks 0 … {count - 1}, got {reprlib.repr(pair)}")
        if seen & set(pair):
            raise ValueError(f"key 'flip_pairs' names landmark {min(seen & set(pair))} in two pairs")
        seen.update(pair)
        flip[pair[0]], flip[pair[1]] = pair[1], pair[0]
    return tuple(flip)


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


def _pairs(text: str, base: int = 0) -> tuple[tuple[int, int], ...]:
    """The pairs of a text such as "0-16 1-15"."""
    return tuple((int(a) - base, int(b) - base) for a, b in (pair.split("-") for pair in text.split()))


_IBUG68 = Scheme(
    name="ibug68",
    num_landmarks=68,
    flip=_flip_from_pairs(
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
    flip=_flip_from_pairs(29, _pairs("1-2 3-4 5-7 6-8 9-10 11-12 13-15 14-16 17-18 19-20 23-24", base=1)),
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
    flip=_flip_from_pairs(
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
    flip=_flip_from_pairs(19, _pairs("1-6 2-5 3-4 7-12 8-11 9-10 13-15 16-18", base=1)),
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
    flip=_flip_from_pairs(
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
    flip = _flip_from_pairs(478, [*zip(right, range(248, 468), strict=True), *irises])
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


_SCHEMES = {scheme.name: scheme for scheme in (_IBUG68, _COFW29, _WFLW98, _AFLW19, _LAPA106, _MENPO39, _mediapipe478())}

# Half faces: a profile's mirror image is the other profile, so that no face can show whether the pairs are right.
_PROFILES = frozenset({"menpo39"})


def scheme_names() -> list[str]:
    """Names of the built-in schemes."""
    return list(_SCHEMES)


def get_scheme(name_or_yaml: str | Path) -> Scheme:
    """A built-in scheme by its name, or a custom one from a YAML file.

    The file holds `name`, `num_landmarks` and `flip_pairs` (0-based pairs of landmarks that swap when the
    face is mirrored; landmarks on the middle line are in no pair), and optionally `interocular`,
    `interpupil`, `regions` and `contours` (a list of `points` and `closed`).

    Raises:
        DataError: no such scheme or file, or the file is not a scheme; the message names the file and the
            key.
    """
    text = str(name_or_yaml)
    if text in _SCHEMES:
        return _SCHEMES[text]
    path = Path(text)
    if path.suffix.lower() not in {".yaml", ".yml"}:
        close = difflib.get_close_matches(text.lower(), _SCHEMES, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise DataError(f"unknown scheme {text!r}: {hint}give one of {', '.join(_SCHEMES)} or a .yaml file")
    import yaml

    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: larger than {_MAX_BYTES} bytes, so not a scheme file")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read the scheme file: {error.strerror or error}") from error
    try:
        values = yaml.safe_load(content)
    except Exception as error:  # PyYAML raises whatever odd values lead to, not YAMLError alone
        raise DataError(f"{path}: not a YAML file: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected keys name, num_landmarks and flip_pairs, got {type(values).__name__}")
    try:
        return Scheme.from_dict(values)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def save_scheme(scheme: Scheme, path: str | Path) -> Path:
    """Write a scheme as a YAML file that `get_scheme` reads."""
    import yaml

    return write_atomic(path, yaml.safe_dump(scheme.to_dict(), sort_keys=False, default_flow_style=None, width=110))


def generic_scheme(num_landmarks: int, flip: Sequence[int] | None = None, name: str = "custom") -> Scheme:
    """A scheme that knows nothing but the number of landmarks.

    Without `flip` each landmark mirrors to itself, which no real face does: train without horizontal flips
    then.
    """
    return Scheme(name, num_landmarks, tuple(range(num_landmarks)) if flip is None else tuple(flip))


def check_flip(scheme: Scheme, shapes: ArrayLike) -> None:
    """Check that a scheme's flip pairs are the mirror image of real faces.

    A face, mirrored and permuted, is laid over itself by the best rotation. Of many faces the mean of the
    most symmetric fifth is judged, as the mean of all depends on where the others look.

    Args:
        scheme: the scheme.
        shapes: a mean shape (M, 2) or faces (N, M, 2), without missing landmarks.

    Profiles ("menpo39") are not judged: the mirror image of a left one is a right one, not the face itself.

    Raises:
        DataError: a landmark lies elsewhere than its partner's mirror image; the message names the worst.
        ValueError: another shape, or not finite.
    """
    faces = np.asarray(shapes, dtype=np.float64)
    faces = faces[None] if faces.ndim == 2 else faces
    expected = (scheme.num_landmarks, 2)
    if faces.shape[1:] != expected or len(faces) == 0 or not np.isfinite(faces).all():
        raise ValueError(f"expected finite shapes {expected} ({scheme.name}), got {np.shape(shapes)}")
    if scheme.name in _PROFILES:
        return
    # As complex numbers: mirroring is -conj, a rotation is a factor of absolute value 1.
    z = faces[..., 0] + 1j * faces[..., 1]
    z -= z.mean(axis=1, keepdims=True)
    size = np.sqrt((np.abs(z) ** 2).mean(axis=1, keepdims=True))
    z = z[size[:, 0] > 0] / size[size > 0][:, None]
    if len(z) == 0:
        raise ValueError("the landmarks of every face lie on one point")
    if len(z) > 1:
        mirrored, turn = _mirror(z, scheme.flip)
        asymmetry = np.abs(mirrored - z).mean(axis=1)
        best = np.argsort(asymmetry)[: max(1, len(z) // 5)]
        # Half the turn that lays the mirror image over a face makes the face upright.
        z = (z[best] / np.sqrt(turn[best])).mean(axis=0, keepdims=True)
    residual = np.abs(_mirror(z, scheme.flip)[0] - z)[0]
    worst = [int(m) for m in np.argsort(-residual)[:5] if residual[m] > _MIRROR_TOLERANCE]
    if worst:
        named = ", ".join(f"{m} (paired with {scheme.flip[m]})" for m in worst)
        raise DataError(
            f"the flip pairs of scheme {scheme.name} do not mirror these faces, worst at landmarks {named}: "
            "the data has another landmark order, or flip_pairs are wrong"
        )


def _mirror(z: NDArray[np.complex128], flip: Sequence[int]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Faces (N, M) mirrored, permuted and turned to lie over themselves; and the turns (N, 1)."""
    mirrored = -np.conj(z)[:, list(flip)]
    turn = (z * np.conj(mirrored)).sum(axis=1, keepdims=True)
    length = np.abs(turn)
    turn = np.where(length > 0, turn / np.where(length > 0, length, 1), 1)
    return mirrored * turn, turn

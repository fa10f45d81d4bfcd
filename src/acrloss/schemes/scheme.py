"""Landmark schemes: how many landmarks a face has, which of them mirror each other, and what they outline.

Indices are 0-based. "Right" and "left" are the subject's, as in the field's own names: the right eye is on
the left of the picture.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

Landmarks = TypeVar("Landmarks")

# Each is scored, tabled and drawn: a file of a megabyte could ask for minutes of it.
_MOST_REGIONS = 1000


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
        profile: the landmarks are of half a face: its mirror image is the other profile, so that no face can show
            whether flip pairs are right.
        noun: what one of these is called in reports, such as "hand"; its plural ends in s. Where it is not given,
            "face" if the scheme has eyes or is a profile, else "object".

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
    profile: bool = False
    noun: str = ""

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

    @property
    def called(self) -> str:
        """What one of these is called: `noun`, or what follows from the landmarks."""
        eyes = self.interocular is not None or self.interpupil is not None
        return self.noun or ("face" if eyes or self.profile else "object")

    def count(self, number: int) -> str:
        """So many of them in words: "1 face", "5,200 objects"."""
        return f"{number:,} {self.called}{'' if number == 1 else 's'}"

    @property
    def has_flip_pairs(self) -> bool:
        """Whether any landmarks change places in a mirror; without, mirrored faces would have wrong landmarks."""
        return self.flip != tuple(range(self.num_landmarks))

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
            # Only where it is said, so that older versions read the files of all other schemes.
            **({"profile": True} if self.profile else {}),
            **({"noun": self.noun} if self.noun else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scheme:
        """The scheme that `to_dict` described. All but `name`, `num_landmarks` and
        `flip_pairs` may be missing.

        Raises:
            ValueError: a key is missing, unknown or of the wrong type; the message names the key.
        """
        known = {field.name for field in fields(cls)} - {"flip"} | {"flip_pairs"}
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
        profile = values.get("profile", False)
        if not isinstance(profile, bool):
            raise ValueError(f"key 'profile' must be true or false, got {reprlib.repr(profile)}")
        noun = values.get("noun", "")
        if not isinstance(noun, str) or len(noun) > 40:
            raise ValueError(f"key 'noun' must be a text of at most 40 characters, got {reprlib.repr(noun)}")
        interocular = _optional_indices(values, "interocular")
        if interocular is not None and len(interocular) != 2:
            raise ValueError(f"key 'interocular' must hold two landmarks, got {reprlib.repr(interocular)}")
        interpupil = values.get("interpupil")
        if interpupil is not None:
            if not isinstance(interpupil, Sequence) or isinstance(interpupil, str) or len(interpupil) != 2:
                raise ValueError(f"key 'interpupil' must hold two lists of landmarks, got {reprlib.repr(interpupil)}")
            interpupil = (_indices(interpupil[0], "interpupil"), _indices(interpupil[1], "interpupil"))
        regions = _mapping(values.get("regions") or {}, "regions")
        if len(regions) > _MOST_REGIONS:
            raise ValueError(f"key 'regions' must hold at most {_MOST_REGIONS} regions, got {len(regions)}")
        return cls(
            name=name,
            num_landmarks=count,
            flip=flip_from_pairs(count, _list(values["flip_pairs"], "flip_pairs")),
            interocular=None if interocular is None else (interocular[0], interocular[1]),
            interpupil=interpupil,
            regions={str(region): _indices(points, f"regions: {region}") for region, points in regions.items()},
            contours=tuple(_contour(item) for item in _list(values.get("contours") or [], "contours")),
            profile=profile,
            noun=noun,
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


def flip_from_pairs(count: int, pairs: Sequence[Any]) -> tuple[int, ...]:
    """The permutation of `count` landmarks in which the members of each pair change places.

    Raises:
        ValueError: a pair is none, or a landmark is in two of them.
    """
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

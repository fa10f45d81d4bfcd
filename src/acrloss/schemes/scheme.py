"""Landmark schemes: how many landmarks a face has, which of them mirror each other, and what they outline.

Indices are 0-based. "Right" and "left" are the subject's, as in the field's own names: the right eye is on
the left of the picture.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from acrloss.suggestions import did_you_mean

Landmarks = TypeVar("Landmarks")

# Each is scored, tabled and drawn: a file of a megabyte could ask for minutes of it.
_MOST_REGIONS = 1000

# What the keys of a scheme file hold, for messages.
_EXPECTED = {
    "name": "a text",
    "num_landmarks": "a whole number from 1 to 100000",
    "flip_pairs": "a list of pairs of landmarks, as in [[0, 1], [3, 4]], or [] for none",
    "interocular": "two landmarks, the outer eye corners, as in [0, 1]",
    "interpupil": "two lists of landmarks whose means are the pupils, as in [[0], [1]] or [[0, 1, 2], [3, 4, 5]]",
    "regions": "names with lists of landmarks, as in {eyes: [0, 1], mouth: [3, 4]}",
    "contours": "a list of lines of landmarks, as in [{points: [3, 4], closed: false}]",
    "profile": "true or false",
    "noun": "a text of at most 40 characters",
}


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
                raise ValueError(
                    f"unknown key {key!r}; a scheme has {', '.join(sorted(known))}{did_you_mean(key, known)}"
                )
        for key in ("name", "num_landmarks", "flip_pairs"):
            if key not in values:
                raise ValueError(f"key {key!r} is missing; give {_EXPECTED[key]}")
        name, count = values["name"], values["num_landmarks"]
        if not isinstance(name, str) or not name:
            raise _wrong("name", name)
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 100_000:
            raise _wrong("num_landmarks", count)
        profile = values.get("profile", False)
        if not isinstance(profile, bool):
            raise _wrong("profile", profile)
        noun = values.get("noun", "")
        if not isinstance(noun, str) or len(noun) > 40:
            raise _wrong("noun", noun)
        interocular, interpupil = values.get("interocular"), values.get("interpupil")
        if interocular is not None and (not _are_landmarks(interocular) or len(interocular) != 2):
            raise _wrong("interocular", interocular)
        if interpupil is not None and (
            not isinstance(interpupil, list | tuple) or len(interpupil) != 2 or not all(map(_are_landmarks, interpupil))
        ):
            raise _wrong("interpupil", interpupil)
        regions = values.get("regions") or {}
        if not isinstance(regions, Mapping):
            raise _wrong("regions", regions)
        for region, points in regions.items():
            if not _are_landmarks(points):
                raise _wrong("regions", {region: points})
        contours = values.get("contours") or []
        if not isinstance(contours, list | tuple):
            raise _wrong("contours", contours)
        if len(regions) > _MOST_REGIONS:
            raise ValueError(f"key 'regions' must hold at most {_MOST_REGIONS} regions, got {len(regions)}")
        return cls(
            name=name,
            num_landmarks=count,
            flip=flip_from_pairs(count, values["flip_pairs"]),
            interocular=None if interocular is None else (interocular[0], interocular[1]),
            interpupil=None if interpupil is None else (tuple(interpupil[0]), tuple(interpupil[1])),
            regions={str(region): tuple(points) for region, points in regions.items()},
            contours=tuple(map(_contour, contours)),
            profile=profile,
            noun=noun,
        )


def _wrong(key: str, value: Any) -> ValueError:
    return ValueError(f"key {key!r} must be {_EXPECTED[key]}; got {reprlib.repr(value)}")


def _are_landmarks(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(m, int) and not isinstance(m, bool) for m in value)


def _contour(value: Any) -> tuple[tuple[int, ...], bool]:
    right = isinstance(value, Mapping) and set(value) <= {"points", "closed"} and _are_landmarks(value.get("points"))
    if not right or not isinstance(value.get("closed", False), bool):
        raise _wrong("contours", value)
    return tuple(value["points"]), value.get("closed", False)


def flip_from_pairs(count: int, pairs: Any) -> tuple[int, ...]:
    """The permutation of `count` landmarks in which the members of each pair change places.

    Raises:
        ValueError: it is no list of pairs, or a landmark is in two of them.
    """
    if not isinstance(pairs, list | tuple):
        raise _wrong("flip_pairs", pairs)
    flip = list(range(count))
    seen: set[int] = set()
    for item in pairs:
        if not _are_landmarks(item) or len(item) != 2:
            raise _wrong("flip_pairs", item)
        if not all(0 <= m < count for m in item):
            raise ValueError(f"key 'flip_pairs' must hold pairs of landmarks 0 … {count - 1}, got {reprlib.repr(item)}")
        if seen & set(item):
            raise ValueError(f"key 'flip_pairs' names landmark {min(seen & set(item))} in two pairs")
        seen.update(item)
        flip[item[0]], flip[item[1]] = item[1], item[0]
    return tuple(flip)

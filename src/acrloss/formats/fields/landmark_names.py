"""Landmarks that a format tells apart by name: which name is which landmark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError

_DIGITS = re.compile(r"(\d+)")
_MAX_LANDMARKS = 10_000
# A face of a set has most of the set's landmarks; where names hardly repeat, every face would be a huge row of NaN.
_LEAST_SHARE = 0.1
_SMALL = 1_000_000


class LandmarkNames:
    """The landmark that each name of a data set means.

    Given names count in their order. Otherwise the distinct names of all faces are sorted, numbers in them by
    value: "2" before "10", as dlib sorts "02" and "10". "7" and "07" are one name.
    """

    def __init__(self, source: object, seen: Mapping[tuple[str, ...], int], given: Sequence[str] | None = None) -> None:
        """
        Args:
            source: file or folder, for messages.
            seen: each combination of names that a face has -> number of such faces.
            given: the names in the order of the landmarks, if that is known.

        Raises:
            DataError: given names repeat, or the names make no set of landmarks.
        """
        if given is None:
            names = sorted({_canonical(name) for face in seen for name in face}, key=_natural)
        else:
            if isinstance(given, str) or not all(isinstance(name, str | int) for name in given):
                raise DataError(f"names must be a list of landmark names, got {given!r}")
            names = [_canonical(str(name)) for name in given]
            if len(set(names)) != len(names):
                raise DataError("names: a landmark's name is there twice; name each once")
        faces, points = sum(seen.values()), sum(len(face) * count for face, count in seen.items())
        if len(names) > _MAX_LANDMARKS:
            raise DataError(f"{source}: {len(names)} different landmark names; at most {_MAX_LANDMARKS} make sense")
        if faces * len(names) > max(_SMALL, points / _LEAST_SHARE):
            raise DataError(
                f"{source}: {faces} faces share hardly any of {len(names)} landmark names; "
                "name a landmark the same in every face"
            )
        self.places = {name: m for m, name in enumerate(names)}
        # Most faces have the same names.
        self._arranged: dict[tuple[str, ...], NDArray[np.intp]] = {}

    def __len__(self) -> int:
        return len(self.places)

    def arrange(self, names: tuple[str, ...]) -> NDArray[np.intp]:
        """The landmark of each name of one face.

        Raises:
            ValueError: a name is there twice or unknown.
        """
        if names in self._arranged:
            return self._arranged[names]
        canonical = [_canonical(name) for name in names]
        if len(set(canonical)) != len(canonical):
            twice = next(name for i, name in enumerate(canonical) if name in canonical[:i])
            raise ValueError(f"two landmarks are named {twice!r}; if they are of two faces, give each face its group")
        unknown = next((name for name in canonical if name not in self.places), None)
        if unknown is not None:
            raise ValueError(f"unknown landmark name {unknown!r}")
        self._arranged[names] = np.array([self.places[name] for name in canonical], dtype=np.intp)
        return self._arranged[names]


def all_numbers(names: Iterable[str]) -> bool:
    return all(name.isdecimal() for name in names)


def _canonical(name: str) -> str:
    return name.lstrip("0") or "0" if name.isascii() and name.isdecimal() else name


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Digits by value (as text of a length, for they may be many), the rest by letter."""
    parts = _DIGITS.split(name)
    return [(0, len(part.lstrip("0")), part.lstrip("0")) if i % 2 else (1, 0, part) for i, part in enumerate(parts)]

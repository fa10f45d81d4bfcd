"""Numbers and texts of annotation files, which anybody may have written."""

from __future__ import annotations

import re
import reprlib

import numpy as np
from numpy.typing import NDArray

# Control characters, line separators and lone surrogates: no file is named so, and no message can show them.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LARGEST = 1e9


def numbers(values: object, what: str) -> NDArray[np.float64]:
    """A flat list of numbers, as JSON or as texts, as a vector.

    Raises:
        ValueError: not a list, or a value in it is no number between -1e9 and 1e9.
    """
    if not isinstance(values, list | tuple):
        raise ValueError(f"{what} must be a list of numbers, got {reprlib.repr(values)}")
    found = []
    for value in values:
        try:
            if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
                raise ValueError
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{what}: expected a number, got {reprlib.repr(value)}") from None
        if not -_LARGEST < number < _LARGEST:
            raise ValueError(f"{what}: coordinates must be finite, got {reprlib.repr(value)}")
        found.append(number)
    return np.array(found, dtype=np.float64)


def size_of(width: object, height: object) -> tuple[float, float] | None:
    """The width and height of an image as a file states them, as numbers or texts; None where it states none."""
    try:
        x, y = numbers([width, height], "size").tolist()
    except ValueError:
        return None
    return (x, y) if x > 0 and y > 0 else None


def text(value: object, what: str) -> str:
    """A text of one line that is not empty.

    Raises:
        ValueError: something else.
    """
    if not isinstance(value, str) or not value.strip() or _UNPRINTABLE.search(value):
        raise ValueError(f"{what} must be a text, got {reprlib.repr(value)}")
    return value


def decimals(value: float) -> str:
    """A coordinate with up to six decimals, and none where it is whole."""
    return f"{value:.6f}".rstrip("0").rstrip(".")

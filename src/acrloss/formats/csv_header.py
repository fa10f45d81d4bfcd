"""The first line of a CSV file of faces: what separates its cells, whether it names columns, and which is which."""

from __future__ import annotations

import csv
import difflib
import math
import re
from collections.abc import Sequence
from pathlib import Path

from acrloss.errors import DataError
from acrloss.images import IMAGE_SUFFIXES
from acrloss.notes import Note

VISIBLE = "visible{i}"
BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
# What programs write into a cell that has nothing to say.
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})

_SEPARATORS = (",", ";", "\t")
# Of the columns that need not be there: those of which one is enough.
_OPTIONAL = {"person_column": ("subject", "person"), "split_column": ("split",), "subsets_column": ("subsets",)}
# From this likeness on a name is one that was mistyped.
_ALIKE = 0.8


def separator_of(line: str) -> str:
    """The separator that makes most cells of a line."""
    return max(_SEPARATORS, key=lambda separator: len(next(csv.reader([line[:100_000]], delimiter=separator), [])))


def number_of(text: str, separator: str) -> float:
    """A cell as a finite number; NaN where it is empty. Where commas do not separate cells, they separate decimals.

    Raises:
        ValueError: it is something else.
    """
    text = text.strip()
    if text.lower() in MISSING:
        return math.nan
    value = float(text if separator == "," else text.replace(",", "."))
    if not -1e9 < value < 1e9 or "_" in text:
        raise ValueError
    return value


def names_for(file: Path, row: Sequence[str], separator: str, notes: list[Note]) -> list[str] | None:
    """Names for the columns of a file whose first row names none: it has an image's name, and numbers besides.

    Raises:
        DataError: the numbers are no pairs of x and y.
    """
    numeric = [_is_number(cell, separator) for cell in row]
    texts = [i for i, is_number in enumerate(numeric) if not is_number]
    if len(texts) != 1 or len(row) < 3 or Path(row[texts[0]].strip()).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    count = len(row) - 1
    if count % 2:
        raise DataError(f"{file}:1: no column has a name, and {count} numbers are no pairs x, y; name the columns")
    message = f"no column has a name: taken for the image, and x and y of {count // 2} landmarks"
    notes.append(Note("guessed", "file without names of columns", f"{file}:1", message))
    names = [f"{axis}{m}" for m in range(count // 2) for axis in "xy"]
    return [*names[: texts[0]], "image", *names[texts[0] :]]


def _is_number(cell: str, separator: str) -> bool:
    try:
        number_of(cell, separator)
    except ValueError:
        return False
    return True


def _likeness(name: str, other: str) -> float:
    """0 … 1; a number in one is like {i} in the other."""
    numbered = re.sub("[0-9]+", "{i}", name) if "{i}" in other else name
    return difflib.SequenceMatcher(None, numbered, other).ratio()


class Columns:
    """Where the columns are that the options name."""

    def __init__(self, file: Path, header: list[str]) -> None:
        self.file = file
        self.names = [name.strip() for name in header]
        self.places: dict[str, int] = {}
        self._read: set[int] = set()
        for i, name in enumerate(self.names):
            if name and name in self.places:
                raise DataError(f"{file}:1: the column {name!r} is there twice; rename one")
            self.places[name] = i

    def at(self, name: str, option: str) -> int:
        if name not in self.places:
            names = " ".join(", ".join(self.names).split())
            shown = names if len(names) <= 200 else names[:200] + " and more"
            close = difflib.get_close_matches(name, self.names, n=1, cutoff=_ALIKE)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise DataError(f"{self.file}:1: no column {name!r}; {hint}give {option}, the columns are {shown}")
        self._read.add(self.places[name])
        return self.places[name]

    def optional(self, name: str | None, option: str) -> int | None:
        if name is not None:
            return self.at(name, option)
        found = next((name for name in _OPTIONAL[option] if name in self.places), None)
        return None if found is None else self.at(found, option)

    def landmarks(self, patterns: Sequence[str]) -> list[tuple[int, int]]:
        if isinstance(patterns, str) or len(patterns) != 2 or not all("{i}" in pattern for pattern in patterns):
            raise DataError(f"landmark_columns must be two patterns such as x{{i}} and y{{i}}, got {patterns!r}")
        x, y = patterns
        self.first = 0 if x.replace("{i}", "0") in self.places else 1
        found: list[tuple[int, int]] = []
        while not found or x.replace("{i}", str(self.first + len(found))) in self.places:
            i = str(self.first + len(found))
            found.append(
                (
                    self.at(x.replace("{i}", i), "landmark_columns"),
                    self.at(y.replace("{i}", i), "landmark_columns"),
                )
            )
        last = self.first + len(found) - 1
        for pattern in patterns:
            # However the number is set off: x_68 after x67 is a landmark too.
            numbered = re.compile(re.escape(pattern).replace(r"\{i\}", r"[ _.-]?([0-9]{1,6})"))
            for name in self.names:
                if (match := numbered.fullmatch(name)) and int(match[1]) > last:
                    raise DataError(
                        f"{self.file}:1: the landmark columns stop at {pattern.replace('{i}', str(last))!r}, but there "
                        f"is {name!r}; rename the columns to count without a gap, or give landmark_columns"
                    )
        return found

    def visible(self, pattern: str | None, count: int) -> list[int] | None:
        if pattern is None:
            if VISIBLE.replace("{i}", str(self.first)) not in self.places:
                return None
            pattern = VISIBLE
        if "{i}" not in pattern:
            raise DataError(f"visible_columns must be a pattern such as v{{i}}, got {pattern!r}")
        return [self.at(pattern.replace("{i}", str(self.first + i)), "visible_columns") for i in range(count)]

    def box(self, names: Sequence[str] | None) -> list[int] | None:
        if names is None:
            if not any(name in self.places for name in BOX):
                return None
            names = BOX
        if isinstance(names, str) or len(names) != 4:
            raise DataError(f"box_columns must be four columns x0, y0, x1, y1; got {names!r}")
        return [self.at(name, "box_columns") for name in names]

    def check_unread(self, notes: list[Note]) -> None:
        """Say which columns nothing was made of.

        Raises:
            DataError: one of them is named nearly as one that would be read, and that is not there.
        """
        unread = [name for i, name in enumerate(self.names) if name and i not in self._read]
        wanted = {name: option for option, names in _OPTIONAL.items() for name in names if not self._has(names)}
        wanted |= {} if self._has(BOX) else dict.fromkeys(BOX, "box_columns")
        wanted |= {} if self._has([VISIBLE.replace("{i}", str(self.first))]) else {VISIBLE: "visible_columns"}
        for name in unread:
            alike = {meant: _likeness(name.lower(), meant) for meant in wanted}
            meant = max(alike, key=lambda meant: alike[meant], default="")
            if meant and alike[meant] >= _ALIKE:
                raise DataError(
                    f"{self.file}:1: nothing is made of the column {name!r}; did you mean {meant!r}? Rename it, "
                    f"name it by {wanted[meant]}, or remove it"
                )
        if unread:
            shown = ", ".join(unread[:20]) + (f" and {len(unread) - 20} more" if len(unread) > 20 else "")
            message = f"nothing is made of {len(unread)} columns: {' '.join(shown.split())}"
            notes.append(Note("ignored", "column of a CSV file", f"{self.file}:1", message, len(unread)))

    def _has(self, names: Sequence[str]) -> bool:
        return any(self.places.get(name) in self._read for name in names)

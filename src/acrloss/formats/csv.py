"""CSV files with one face in each row and a header line, columns mapped by options."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.files import regular_only
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.values import decimals
from acrloss.formats.fields.values import text as text_of
from acrloss.formats.format import Format
from acrloss.notes import Note

_MAX_LINE = 1_000_000
_MAX_BYTES = 2_000_000_000
_TRUE = frozenset({"1", "true", "1.0"})
_FALSE = frozenset({"0", "false", "0.0"})
_VISIBLE = "visible{i}"
_BOX = ("box_x0", "box_y0", "box_x1", "box_y1")


def recognises(path: Path) -> bool:
    """Whether this is a .csv file, or a folder with one in it."""
    if path.is_dir():
        return any(child.suffix.lower() == ".csv" for child in path.iterdir())
    return path.suffix.lower() == ".csv"


def read_faces(
    path: Path,
    notes: list[Note],
    *,
    image_column: str = "image",
    person_column: str | None = None,
    split_column: str | None = None,
    box_columns: Sequence[str] | None = None,
    landmark_columns: Sequence[str] = ("x{i}", "y{i}"),
    visible_columns: str | None = None,
    subsets_column: str | None = None,
    one_based: bool = False,
) -> Iterator[Face]:
    """The faces of a CSV file, or of the only CSV file of a folder.

    An empty landmark cell is a missing landmark; a text that is not a finite number makes the row bad.

    Args:
        path: the file or folder. Image paths in it are relative to the file.
        notes: receives a line for each bad row.
        image_column: the image's path.
        person_column: the person's name; "subject" or "person", if there is such a column, where None.
        split_column: the split; "split", if there is such a column, where None.
        box_columns: four columns x0, y0, x1, y1; box_x0, box_y0, box_x1, box_y1, if there are such, where None.
        landmark_columns: pattern of the x and of the y columns; {i} counts from 0, or from 1 if there is no
            0.
        visible_columns: pattern of columns that hold 1 or true where a landmark is visible and 0 or false
            where not; visible{i}, if there are such, where None.
        subsets_column: tags separated by ;. "subsets", if there is such a column, where None.
        one_based: the file counts the image's first pixel as 1, 1.
    """
    file = _the_file(path)
    with open(file, newline="", encoding="utf-8-sig", errors="replace", opener=regular_only) as text:
        rows = csv.reader(_lines(file, text))
        header = _next_row(file, rows)
        if header is None:
            raise DataError(f"{file}: the file is empty; the first line must name the columns")
        columns = _Columns(file, header)
        image_at = columns.at(image_column, "image_column")
        person_at = columns.optional(person_column, "person_column", ("subject", "person"))
        split_at = columns.optional(split_column, "split_column", ("split",))
        subsets_at = columns.optional(subsets_column, "subsets_column", ("subsets",))
        marks_at = columns.landmarks(landmark_columns)
        visible_at = columns.visible(visible_columns, len(marks_at))
        box_at = columns.box(box_columns)
        shift = 1.0 if one_based else 0.0
        while (row := _next_row(file, rows)) is not None:
            if not row:
                continue
            where = f"{file}:{rows.line_num}"
            try:
                if len(row) != len(columns.names):
                    raise ValueError(f"{len(row)} cells, but the header names {len(columns.names)} columns")
                image = row[image_at].strip()
                if not image:
                    raise ValueError(f"no image in column {image_column!r}")
                face = Face(
                    where,
                    str(file.parent / text_of(image, "the image's name")),
                    _points(row, columns.names, marks_at) - shift,
                )
                if visible_at is not None:
                    face.visible = np.array([_flag(row, columns.names, i) for i in visible_at])
                if box_at is not None:
                    face.box = _box([_number(row, columns.names, i) - shift for i in box_at])
            except ValueError as error:
                notes.append(unread(where, error))
                continue
            face.person = "" if person_at is None else row[person_at].strip()
            face.split = "" if split_at is None else row[split_at].strip()
            tags = () if subsets_at is None else (tag.strip() for tag in row[subsets_at].split(";"))
            face.subsets = frozenset(tag for tag in tags if tag)
            yield face


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write faces.csv: image, person, split and subsets, box, x and y, and visibility of each landmark.

    Args:
        folder: an existing folder.
        annotations: the faces.
        images: their images as the file shall name them; relative ones are relative to the folder.

    Returns:
        Nothing: all is kept.
    """
    marks = range(annotations.scheme.num_landmarks)
    header = ["image", "person", "split", "subsets", *_BOX, *(f"{axis}{m}" for m in marks for axis in "xy")]
    with (folder / "faces.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*header, *(_VISIBLE.replace("{i}", str(m)) for m in marks)])
        for i, image in enumerate(images):
            about = [image, annotations.persons[i], annotations.splits[i], ";".join(sorted(annotations.subsets[i]))]
            numbers = [*annotations.boxes[i].tolist(), *annotations.landmarks[i].ravel().tolist()]
            cells = ["" if math.isnan(v) else decimals(v) for v in numbers]
            rows.writerow(about + cells + annotations.visible[i].astype(int).tolist())
    return []


class _Columns:
    """Where the columns are that the options name."""

    def __init__(self, file: Path, header: list[str]) -> None:
        self.file = file
        self.names = [name.strip() for name in header]
        self.places: dict[str, int] = {}
        for i, name in enumerate(self.names):
            if name and name in self.places:
                raise DataError(f"{file}:1: the column {name!r} is there twice; rename one")
            self.places[name] = i

    def at(self, name: str, option: str) -> int:
        if name not in self.places:
            names = " ".join(", ".join(self.names).split())
            shown = names if len(names) <= 200 else names[:200] + " and more"
            raise DataError(f"{self.file}:1: no column {name!r}; give {option}, the columns are {shown}")
        return self.places[name]

    def optional(self, name: str | None, option: str, usual: Sequence[str]) -> int | None:
        if name is not None:
            return self.at(name, option)
        return next((self.places[name] for name in usual if name in self.places), None)

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
        return found

    def visible(self, pattern: str | None, count: int) -> list[int] | None:
        if pattern is None:
            if _VISIBLE.replace("{i}", str(self.first)) not in self.places:
                return None
            pattern = _VISIBLE
        if "{i}" not in pattern:
            raise DataError(f"visible_columns must be a pattern such as v{{i}}, got {pattern!r}")
        return [self.at(pattern.replace("{i}", str(self.first + i)), "visible_columns") for i in range(count)]

    def box(self, names: Sequence[str] | None) -> list[int] | None:
        if names is None:
            return [self.places[name] for name in _BOX] if all(name in self.places for name in _BOX) else None
        if isinstance(names, str) or len(names) != 4:
            raise DataError(f"box_columns must be four columns x0, y0, x1, y1; got {names!r}")
        return [self.at(name, "box_columns") for name in names]


def _the_file(path: Path) -> Path:
    if path.is_dir():
        found = sorted(child for child in path.iterdir() if child.suffix.lower() == ".csv")
        if len(found) != 1:
            names = ", ".join(child.name for child in found) or "none"
            raise DataError(f"{path}: expected one .csv file in the folder, found {names}; give the file itself")
        path = found[0]
    if path.stat().st_size > _MAX_BYTES:
        raise DataError(f"{path}: {path.stat().st_size} bytes; a CSV file may have at most {_MAX_BYTES}, split it")
    return path


def _lines(file: Path, text: TextIO) -> Iterator[str]:
    """The lines of a file, none of them larger than memory."""
    number = 0
    while line := text.readline(_MAX_LINE):
        number += 1
        if len(line) == _MAX_LINE:
            raise DataError(f"{file}:{number}: a line of {_MAX_LINE} characters or more; this is no CSV file of faces")
        yield line


def _next_row(file: Path, rows: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        line = getattr(rows, "line_num", 0)
        raise DataError(f"{file}:{line}: not a CSV file: {error}") from error


def _points(row: list[str], names: list[str], places: list[tuple[int, int]]) -> NDArray[np.float64]:
    points = np.array([(_number(row, names, x), _number(row, names, y)) for x, y in places])
    lonely = np.flatnonzero(np.isnan(points[:, 0]) != np.isnan(points[:, 1]))
    if len(lonely):
        raise ValueError(f"landmark {lonely[0]} has one coordinate, expected both or none")
    return points


def _box(corners: list[float]) -> tuple[float, float, float, float] | None:
    x0, y0, x1, y1 = corners
    if all(math.isnan(corner) for corner in corners):
        return None
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"a box needs x0 < x1 and y0 < y1, got {corners}")
    return x0, y0, x1, y1


def _number(row: list[str], header: list[str], i: int) -> float:
    """A cell as a finite number; NaN where it is empty."""
    text = row[i].strip()
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -1e9 < value < 1e9 or "_" in text:
        raise ValueError(f"column {header[i]!r}: expected a finite number or an empty cell, got {text[:60]!r}")
    return value


def _flag(row: list[str], header: list[str], i: int) -> bool:
    text = row[i].strip().lower()
    if text not in _TRUE and text not in _FALSE:
        raise ValueError(f"column {header[i]!r}: expected 1, 0, true or false, got {text[:60]!r}")
    return text in _TRUE


FORMAT = Format(
    title="spreadsheets, scripts of your own",
    looks_like="CSV, one face a row: `image,x0,y0,x1,y1,…`",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
)

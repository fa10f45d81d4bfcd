"""CSV files with one face in each row, columns mapped by options.

The first line names the columns; where it does not, they are the image and x and y of each landmark. Cells are
separated by commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.files import regular_only
from acrloss.formats.csv_header import BOX, MISSING, VISIBLE, Columns, names_for, number_of, separator_of
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import Box, ordered_box
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.values import decimals
from acrloss.formats.fields.values import text as text_of
from acrloss.formats.format import Format
from acrloss.notes import Note

_MAX_LINE = 1_000_000
_MAX_BYTES = 2_000_000_000
_FLAGS = {"1": 1, "true": 1, "1.0": 1, "0": 0, "false": 0, "0.0": 0, "2": 2, "2.0": 2}


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

    An empty landmark cell, or NaN, NA and the like, is a missing landmark; another text that is not a finite number
    makes the row bad. Columns that nothing is made of are named in a note.

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
            where not, or 2, 1 and 0 as in COCO; visible{i}, if there are such, where None.
        subsets_column: tags separated by ;. "subsets", if there is such a column, where None.
        one_based: the file counts the image's first pixel as 1, 1.
    """
    file = _the_file(path)
    with open(file, newline="", encoding="utf-8-sig", errors="replace", opener=regular_only) as text:
        lines = _lines(file, text)
        first = next(lines, "")
        separator = separator_of(first)
        rows = csv.reader(chain([first], lines), delimiter=separator)
        header = _next_row(file, rows)
        if not first or header is None:
            raise DataError(f"{file}: the file is empty; the first line must name the columns")
        names = names_for(file, header, separator, notes)
        # Without names the first row is a face.
        row = header if names is not None else _next_row(file, rows)
        columns = Columns(file, names if names is not None else header)
        image_at = columns.at(image_column, "image_column")
        person_at = columns.optional(person_column, "person_column")
        split_at = columns.optional(split_column, "split_column")
        subsets_at = columns.optional(subsets_column, "subsets_column")
        marks_at = columns.landmarks(landmark_columns)
        visible_at = columns.visible(visible_columns, len(marks_at))
        box_at = columns.box(box_columns)
        columns.check_unread(notes)
        shift = 1.0 if one_based else 0.0
        flagged: list[tuple[Face, NDArray[np.int8]]] = []
        for cells in _rows_from(file, row, rows):
            where = f"{file}:{rows.line_num}"
            cell = _Cells(cells, columns.names, separator)
            try:
                if len(cells) != len(columns.names):
                    raise ValueError(f"{len(cells)} cells, but the header names {len(columns.names)} columns")
                if not cells[image_at].strip():
                    raise ValueError(f"no image in column {columns.names[image_at]!r}")
                image = locate(text_of(cells[image_at].strip(), "the image's name"), [file.parent])
                face = Face(where, image, cell.points(marks_at) - shift)
                flags = None if visible_at is None else np.array([cell.flag(i) for i in visible_at], dtype=np.int8)
            except ValueError as error:
                notes.append(unread(where, error))
                continue
            if box_at is not None:
                face.box = cell.box(box_at, shift, where, notes)
            face.person = "" if person_at is None else cell.text(person_at)
            face.split = "" if split_at is None else cell.text(split_at)
            tags = () if subsets_at is None else (tag.strip() for tag in cell.text(subsets_at).split(";"))
            face.subsets = frozenset(tag for tag in tags if tag)
            if flags is None:
                yield face
            else:
                flagged.append((face, flags))
    yield from _with_flags(file, flagged, notes)


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
    header = ["image", "person", "split", "subsets", *BOX, *(f"{axis}{m}" for m in marks for axis in "xy")]
    with (folder / "faces.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*header, *(VISIBLE.replace("{i}", str(m)) for m in marks)])
        for i, image in enumerate(images):
            about = [image, annotations.persons[i], annotations.splits[i], ";".join(sorted(annotations.subsets[i]))]
            numbers = [*annotations.boxes[i].tolist(), *annotations.landmarks[i].ravel().tolist()]
            cells = ["" if math.isnan(v) else decimals(v) for v in numbers]
            rows.writerow(about + cells + annotations.visible[i].astype(int).tolist())
    return []


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


def _rows_from(file: Path, row: list[str] | None, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """A row that was read already, and all after it; those of empty lines are passed over."""
    while row is not None:
        if row:
            yield row
        row = _next_row(file, rows)


def _with_flags(file: Path, faces: list[tuple[Face, NDArray[np.int8]]], notes: list[Note]) -> Iterator[Face]:
    """Faces with what their flags mean: where there is a 2 they are COCO's, and 1 is hidden, not visible."""
    coco = any((flags == 2).any() for _, flags in faces)
    if coco:
        message = "flags of 2 are there: taken as in COCO, 2 visible, 1 hidden, 0 missing"
        notes.append(Note("guessed", "file with visibility as in COCO", str(file), message))
    for face, flags in faces:
        if coco:
            face.landmarks = np.where(flags[:, None] == 0, np.nan, face.landmarks)
        face.visible = flags == (2 if coco else 1)
        yield face


class _Cells:
    """The cells of one row."""

    def __init__(self, row: list[str], names: list[str], separator: str) -> None:
        self.row, self.names, self.separator = row, names, separator

    def text(self, i: int) -> str:
        """A text; "" for what stands for nothing."""
        text = self.row[i].strip()
        return "" if text.lower() in MISSING else text

    def number(self, i: int) -> float:
        """A finite number; NaN where the cell is empty."""
        try:
            return number_of(self.row[i], self.separator)
        except ValueError:
            text = self.row[i].strip()[:60]
            raise ValueError(
                f"column {self.names[i]!r}: expected a finite number or an empty cell, got {text!r}"
            ) from None

    def points(self, places: list[tuple[int, int]]) -> NDArray[np.float64]:
        points = np.array([(self.number(x), self.number(y)) for x, y in places])
        lonely = np.flatnonzero(np.isnan(points[:, 0]) != np.isnan(points[:, 1]))
        if len(lonely):
            raise ValueError(f"landmark {lonely[0]} has one coordinate, expected both or none")
        return points

    def flag(self, i: int) -> int:
        text = self.row[i].strip().lower()
        if text not in _FLAGS:
            raise ValueError(f"column {self.names[i]!r}: expected 1, 0, true or false, got {text[:60]!r}")
        return _FLAGS[text]

    def box(self, places: list[int], shift: float, where: str, notes: list[Note]) -> Box | None:
        try:
            corners = [self.number(i) - shift for i in places]
        except ValueError as error:
            notes.append(Note("ignored", "box that cannot be read", where, str(error)))
            return None
        return ordered_box(corners, where, notes)


FORMAT = Format(
    title="spreadsheets, scripts of your own",
    looks_like="CSV, one face a row: `image,x0,y0,x1,y1,…`",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
)

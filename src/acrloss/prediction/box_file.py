"""Boxes of faces in a CSV file, for images in which no detector finds what the network was trained on."""

from __future__ import annotations

import csv
from pathlib import Path

from acrloss.errors import DataError

_COLUMNS = ("image", "x0", "y0", "x1", "y1")
_MOST_BYTES = 1_000_000_000

Box = tuple[float, float, float, float]


class BoxFile:
    """The boxes of a CSV file with the columns image, x0, y0, x1, y1: a row a face, coordinates in pixels.

    Images are named by their path, from the current folder or from that of the file, or by their name alone.
    """

    def __init__(self, path: str | Path) -> None:
        """
        Raises:
            DataError: it cannot be read, or a row is no box.
        """
        self.path = Path(path)
        self._boxes: dict[str, list[Box]] = {}
        self._used: set[str] = set()
        try:
            if not self.path.is_file() or self.path.stat().st_size > _MOST_BYTES:
                raise DataError(f"{path}: no such file of boxes; give a CSV file with the columns {','.join(_COLUMNS)}")
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file)
                missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
                if missing:
                    raise DataError(f"{path}: no column {missing[0]!r}; its first line must have {','.join(_COLUMNS)}")
                for row in rows:
                    self._boxes.setdefault(row["image"], []).append(_box(row, f"{path}, line {rows.line_num}"))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{path}: cannot be read as CSV: {reason}") from error
        self._names = {(start / name).resolve(): name for start in (Path(), self.path.parent) for name in self._boxes}

    def __call__(self, image: str, size: tuple[int, int]) -> list[Box]:
        """The boxes of an image; none where the file has no row for it."""
        path = Path(image).resolve()
        name = self._names.get(path, path.name if path.name in self._boxes else None)
        if name is None:
            return []
        self._used.add(name)
        return self._boxes[name]

    def unused(self) -> list[str]:
        """The images that the file names and nobody asked for."""
        return [name for name in self._boxes if name not in self._used]


def _box(row: dict[str, str], where: str) -> Box:
    try:
        x0, y0, x1, y1 = (float(row[column]) for column in _COLUMNS[1:])
    except (TypeError, ValueError):
        values = ",".join(str(row[column]) for column in _COLUMNS[1:])
        raise DataError(f"{where}: a box is four numbers x0,y0,x1,y1 in pixels, not {values!r}") from None
    if not (x0 < x1 < float("inf") and y0 < y1 < float("inf") and min(x0, y0) > -float("inf")):
        raise DataError(f"{where}: a box has x0 < x1 and y0 < y1, not {x0:g},{y0:g},{x1:g},{y1:g}")
    return x0, y0, x1, y1

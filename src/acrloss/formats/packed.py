"""Folders that `acrloss data pack` wrote: faces cut out of their photographs, and packed.jsonl.

The first line of packed.jsonl describes the folder, each other line is a face:

    {"format": "acrloss packed faces", "version": 1, "faces": 1, "scheme": {…}, "official_faces": {}, …}
    {"image": "000/000000.jpg", "landmarks": [[61.25, 80.5], null, …], "hidden": [3], "box": [30.0, 41.5, 90.0, 101.25],
     "person": "", "split": "train", "subsets": [],
     "original": {"image": "…", "scale": 0.5, "shift": [-7.25, 0.75]}}

Coordinates are pixels of the packed image, the centre of whose first pixel is (0, 0); null is a missing landmark, and
`original` tells where the face came from: packed = scale · original + shift.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.files import regular_only
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import ordered_box
from acrloss.formats.format import Format
from acrloss.notes import Note
from acrloss.schemes import Scheme

INDEX = "packed.jsonl"
MAGIC = "acrloss packed faces"
VERSION = 1
_MAX_LINE = 4_000_000


def recognises(path: Path) -> bool:
    """Whether this is a packed folder, or the packed.jsonl of one."""
    return (path / INDEX).is_file() if path.is_dir() else path.name == INDEX


def own_scheme(path: Path) -> Scheme:
    """The scheme that the faces were packed with.

    Raises:
        DataError: the first line does not describe a packed folder.
    """
    file = _index(path)
    header = _header(file)
    try:
        return Scheme.from_dict(header["scheme"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{file}:1: no scheme of landmarks ({error}); pack the faces again") from None


def read_faces(path: Path, notes: list[Note]) -> Iterator[Face]:
    """The faces of a packed folder, in the order in which they were packed."""
    file = _index(path)
    header = _header(file)
    official = header.get("official_faces")
    official_faces = (
        {str(name): count for name, count in official.items() if isinstance(count, int)}
        if isinstance(official, dict)
        else {}
    )
    count = 0
    for number, line in islice(_lines(file), 1, None):
        where = f"{file}:{number}"
        count += 1
        try:
            yield _face(where, file.parent, _object(line), official_faces, notes)
        except ValueError as error:
            notes.append(unread(where, error))
    if count != header.get("faces"):
        raise DataError(f"{file}: {count} faces, but the first line says {header.get('faces')}; pack the faces again")


def _index(path: Path) -> Path:
    return path / INDEX if path.is_dir() else path


def _header(file: Path) -> dict[str, Any]:
    for _, line in _lines(file):
        try:
            header = _object(line)
        except ValueError as error:
            raise DataError(f"{file}:1: {error}; pack the faces again") from None
        if header.get("format") == MAGIC and header.get("version") == VERSION:
            return header
        found = f"{reprlib.repr(header.get('format'))} {reprlib.repr(header.get('version'))}"
        raise DataError(f"{file}:1: not {MAGIC!r} of version {VERSION} but {found}; pack the faces again")
    raise DataError(f"{file}: the file is empty; pack the faces again")


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The numbered lines of a file, none of them larger than memory."""
    number = 0
    try:
        with open(file, "rb", opener=regular_only) as content:
            while line := content.readline(_MAX_LINE):
                number += 1
                if len(line) == _MAX_LINE:
                    raise DataError(f"{file}:{number}: a line of {_MAX_LINE} bytes or more; this is no index of faces")
                yield number, line
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error


def _object(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError as error:
        raise ValueError(f"not a JSON line: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, got {reprlib.repr(values)}")
    return values


def _face(
    where: str, folder: Path, values: Mapping[str, Any], official_faces: Mapping[str, int], notes: list[Note]
) -> Face:
    image = values.get("image")
    if not isinstance(image, str) or not image or "\0" in image:
        raise ValueError(f"'image' must be a file's name, got {reprlib.repr(image)}")
    points = values.get("landmarks")
    if not isinstance(points, list) or not points:
        raise ValueError(f"'landmarks' must be a list of points, got {reprlib.repr(points)}")
    landmarks = np.array([(np.nan, np.nan) if point is None else _numbers(point, 2, "landmarks") for point in points])
    hidden = values.get("hidden", [])
    if not isinstance(hidden, list) or any(type(m) is not int or not 0 <= m < len(points) for m in hidden):
        raise ValueError(f"'hidden' must be a list of landmarks, got {reprlib.repr(hidden)}")
    visible: NDArray[np.bool_] = np.ones(len(points), np.bool_)
    visible[hidden] = False
    subsets = values.get("subsets", [])
    if not isinstance(subsets, list) or not all(isinstance(tag, str) for tag in subsets):
        raise ValueError(f"'subsets' must be a list of texts, got {reprlib.repr(subsets)}")
    box = values.get("box")
    return Face(
        where,
        str(folder / image),
        landmarks,
        visible=visible,
        person=_text(values, "person"),
        split=_text(values, "split"),
        # Last: what is noted of it is noted of a face that is there.
        box=None if box is None else ordered_box(box, where, notes),
        subsets=frozenset(subsets),
        official_faces=official_faces,
    )


def _numbers(value: Any, count: int, key: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"'{key}' must hold {count} numbers each, got {reprlib.repr(value)}")
    for number in value:
        if type(number) not in (int, float) or not -1e9 < number < 1e9:
            raise ValueError(f"'{key}' must hold finite numbers, got {reprlib.repr(number)}")
    return tuple(float(number) for number in value)


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key!r} must be a text, got {reprlib.repr(value)}")
    return value


FORMAT = Format(
    title="`acrloss data pack`",
    looks_like="a folder with `packed.jsonl`",
    recognises=recognises,
    read=read_faces,
    scheme=own_scheme,
)

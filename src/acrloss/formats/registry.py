"""The formats that can be read and written, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import aflw19, coco, cofw, cofw68, csv, cvat, imglab, labelme, packed, pts, wflw
from acrloss.formats.face import Face


class Format(Protocol):
    """A reader module."""

    def recognises(self, path: Path) -> bool: ...

    @property
    def read_faces(self) -> Callable[..., Iterator[Face]]: ...


class Writer(Protocol):
    """A format module that can write: `write_faces(folder, annotations, images)` writes the faces, whose images are to
    be named as told, and returns a line for each thing that it had to change.

    Attributes:
        CANNOT_HOLD: which of "missing landmarks", "visibility", "boxes", "persons" and "subsets" have no place at all.
    """

    CANNOT_HOLD: frozenset[str]

    @property
    def write_faces(self) -> Callable[[Path, Annotations, Sequence[str]], list[str]]: ...


FORMATS: dict[str, Format] = {
    "pts": pts,
    "csv": csv,
    "cofw": cofw,
    "cofw68": cofw68,
    "wflw": wflw,
    "aflw19": aflw19,
    "imglab": imglab,
    "coco": coco,
    "cvat": cvat,
    "labelme": labelme,
    "packed": packed,
}

# What can be written is what has write_faces.
WRITERS: dict[str, Writer] = {
    name: cast("Writer", module) for name, module in FORMATS.items() if hasattr(module, "write_faces")
}
# A file of the first format looks like one of the second, more general one, too.
_MORE_GENERAL = {"aflw19": "csv"}


def recognise(path: Path) -> str:
    """The name in `FORMATS` of the format that a file or folder looks like.

    Raises:
        DataError: it looks like none of them, or like several.
    """
    names = [name for name, module in FORMATS.items() if module.recognises(path)]
    general = {_MORE_GENERAL.get(name) for name in names}
    names = [name for name in names if name not in general]
    if len(names) == 1:
        return names[0]
    if names:
        raise DataError(f"{path}: could be {' or '.join(names)}; give format= one of them")
    raise DataError(f"{path}: no annotated faces of a known format ({', '.join(FORMATS)}) found; give another path")

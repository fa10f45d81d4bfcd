"""AFLW-19: 19 landmarks, hidden ones included, on the faces of AFLW, in the two forms that people have.

`AFLWinfo_release.mat` of the annotations' authors (Zhu, Li, Loy and Tang, CVPR 2016), MATLAB version 5, N = 24386:

    nameList N×1    the image's path below AFLW's data/flickr
    data     N×38   19 x, then 19 y
    mask_new N×19   1 where visible
    bbox     N×4    left, right, top, bottom
    ra       1×N    a permutation, from 1: the first 20000 of it are split "train", the others "test"

and the CSV files that HRNet's and many later projects use, with the columns image, scale, box size, centre x, centre y,
x0, y0, x1, … (their names are ignored):

    face_landmarks_aflw_train.csv           split "train"
    face_landmarks_aflw_test.csv            split "test"
    face_landmarks_aflw_test_frontal.csv    read only where it is given itself

Test faces are of subset "full", those with every landmark visible (or of the frontal list) also of "frontal". The
papers divide errors by the square root of the box's area: the box of the CSV is the square of that side.

Coordinates are taken as they stand; neither form names its base.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from acrloss.errors import DataError
from acrloss.files import regular_only
from acrloss.formats.containers.mat5 import is_mat5, read_mat5, table_of
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import ordered_box
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.values import numbers, text
from acrloss.formats.format import Format
from acrloss.notes import Note

_MAT = "aflwinfo_release.mat"
_CSV = re.compile(r"face_landmarks_aflw_(train|test|test_frontal)\.csv", re.IGNORECASE)
_LANDMARKS = 19
_TRAINING_FACES = 20_000
_OFFICIAL_FACES = {"train": 20_000, "test": 4386, "full": 4386}
_MAX_BYTES = 500_000_000
_MAX_LINE = 100_000


def recognises(path: Path) -> bool:
    """Whether this is one of the files, or a folder with one in it."""
    return bool(_files(path))


def read_faces(path: Path, notes: list[Note], *, image_folder: str | Path | None = None) -> Iterator[Face]:
    """The faces of a file, or of the files in a folder (the .mat file where there are both forms).

    Args:
        path: AFLWinfo_release.mat, a CSV file, or a folder.
        notes: receives a line for each bad face.
        image_folder: the folder that image paths are below; data/flickr, flickr or images beside the file, or its own
            folder, where None.
    """
    files = _files(path)
    if not files:
        raise DataError(f"{path}: no AFLWinfo_release.mat or face_landmarks_aflw_train.csv found")
    for file in files:
        here = file.parent
        folders = [here / "data" / "flickr", here / "flickr", here / "images", here]
        folders = [Path(image_folder)] if image_folder is not None else [f for f in folders if f.is_dir()]
        yield from (_read_mat if file.suffix.lower() == ".mat" else _read_csv)(file, notes, folders)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if _CSV.fullmatch(path.name) or (path.name.lower() == _MAT and is_mat5(path)) else []
    names = {child.name.lower(): child for child in path.iterdir()}
    if _MAT in names:
        return [names[_MAT]]
    return [names[f"face_landmarks_aflw_{s}.csv"] for s in ("train", "test") if f"face_landmarks_aflw_{s}.csv" in names]


def _read_mat(file: Path, notes: list[Note], folders: list[Path]) -> Iterator[Face]:
    variables = read_mat5(file, {"nameList", "data", "mask_new", "bbox", "ra"})
    names = variables.get("nameList")
    if not isinstance(names, list):
        raise DataError(f"{file}: expected a cell array nameList of image names")
    count = len(names)
    marks = table_of(file, variables, "data", (count, 2 * _LANDMARKS))
    masks = table_of(file, variables, "mask_new", (count, _LANDMARKS))
    boxes = table_of(file, variables, "bbox", (count, 4))
    order = table_of(file, variables, "ra", (1, count))[0]
    if not np.array_equal(np.sort(order), np.arange(1, count + 1)):
        raise DataError(f"{file}: ra must hold each of 1 … {count} once")
    for place, i in enumerate((order - 1).astype(np.intp).tolist()):
        where = f"{file}#{i + 1}"
        try:
            image = locate(text(names[i], "the image"), folders)
            points = numbers(marks[i].tolist(), "landmarks").reshape(2, _LANDMARKS).T
        except ValueError as error:
            notes.append(unread(where, error))
            continue
        visible = masks[i] == 1
        left, right, top, bottom = boxes[i].tolist()
        test = place >= _TRAINING_FACES
        yield Face(
            where,
            image,
            points,
            visible=visible,
            box=ordered_box([left, top, right, bottom], where, notes),
            split="test" if test else "train",
            subsets=_subsets(bool(visible.all())) if test else frozenset(),
            official_faces=_OFFICIAL_FACES,
        )


def _read_csv(file: Path, notes: list[Note], folders: list[Path]) -> Iterator[Face]:
    match = _CSV.fullmatch(file.name)
    which = match[1].lower() if match else ""
    split = which.removesuffix("_frontal")
    subsets = _subsets(which == "test_frontal") if split == "test" else frozenset()
    size = file.stat().st_size
    if size > _MAX_BYTES:
        raise DataError(f"{file}: {size} bytes; such a file may have at most {_MAX_BYTES}")
    with open(file, newline="", encoding="utf-8-sig", errors="replace", opener=regular_only) as lines:
        number = 0
        while line := lines.readline(_MAX_LINE):
            number += 1
            if len(line) == _MAX_LINE:
                raise DataError(f"{file}:{number}: a line of {_MAX_LINE} characters or more; this is no list of faces")
            # The first line names the columns.
            if number == 1 or not line.strip():
                continue
            try:
                face = _read_row(f"{file}:{number}", line, folders, notes)
            except (ValueError, csv.Error) as error:
                notes.append(unread(f"{file}:{number}", error))
                continue
            face.split, face.subsets, face.official_faces = split, subsets, _OFFICIAL_FACES
            yield face


def _read_row(where: str, line: str, folders: list[Path], notes: list[Note]) -> Face:
    row = next(csv.reader([line.rstrip("\r\n")]))
    if len(row) != 5 + 2 * _LANDMARKS:
        raise ValueError(
            f"{len(row)} cells, expected image, scale, box size, centre x and y, and {2 * _LANDMARKS} more"
        )
    _, size, x, y, *marks = numbers(row[1:], "the row").tolist()
    box = ordered_box([x - size / 2, y - size / 2, x + size / 2, y + size / 2], where, notes)
    return Face(where, locate(text(row[0], "the image"), folders), np.reshape(marks, (_LANDMARKS, 2)), box=box)


def _subsets(frontal: bool) -> frozenset[str]:
    return frozenset({"full", "frontal"}) if frontal else frozenset({"full"})


FORMAT = Format(
    title="[AFLW-19](aflw19.md)",
    looks_like="`AFLWinfo_release.mat`, or `face_landmarks_aflw_….csv`",
    recognises=recognises,
    read=read_faces,
    more_general=("csv",),
)

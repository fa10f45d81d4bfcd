"""LaPa, JD-landmark and what is laid out like them: a text file for each image, the number of landmarks and then x y.

    train/images/1_0.jpg             Training_data/AFW/picture/AFW_1.jpg
    train/landmarks/1_0.txt          Training_data/AFW/landmark/AFW_1.jpg.txt
    val/…  test/…                    Training_data/HELEN/…  IBUG/…  LFPW/…  Test_data1/…

    106                              Train/picture, landmark, rect (x0 y0 x1 y1 of a detected face)
    120.5 88                         FLL3_dataset/train/picture_mask, landmark, bbox
    121.25 93.5                      Corrected_landmark/AFW_1.jpg.txt: read instead of the file of that name
    …

The challenge's rules say that the top left corner is [0, 0]: coordinates are taken as they stand. A folder's name tells
the split (train, Training_data, Test_data1, …).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.containers.text_lines import read_lines
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import Box, ordered_box
from acrloss.formats.fields.folders import PictureFolders, image_folders, split_of, walk
from acrloss.formats.fields.values import numbers
from acrloss.formats.format import Format
from acrloss.images import IMAGE_SUFFIXES
from acrloss.notes import Note

_FOLDERS = {"landmarks", "landmark"}
_CORRECTED = "corrected_landmark"
# Folder of boxes beside that of landmarks -> what follows an image's name, and its stem, there.
_BOXES = {"rect": ".rect", "bbox": ".txt"}
_OFFICIAL_FACES = {"train": 18_168, "val": 2000, "test": 2000}
_MAX_BYTES = 1_000_000
# How many folders, and files in one, are looked at to recognise the format.
_LOOK_AT, _LOOK_INTO = 50, 3


def recognises(path: Path) -> bool:
    """Whether there is a folder landmarks, or landmark, of such text files: the path, or not far below it."""
    try:
        return path.is_dir() and any(
            _is_one(folder / name)
            for folder, names in islice(walk(path), _LOOK_AT)
            if folder.resolve().name.lower() in _FOLDERS
            for name in islice((name for name in names if name.lower().endswith(".txt")), _LOOK_INTO)
        )
    except (OSError, DataError):
        return False


def read_faces(path: Path, notes: list[Note], *, images: str | None = None) -> Iterator[Face]:
    """The faces of every folder called landmarks or landmark in a folder.

    Args:
        path: the folder.
        notes: receives a line for each face that is left out.
        images: folder of the images; where None that beside the landmarks (images, picture, …).
    """
    folders = list(walk(path)) if path.is_dir() else []
    found = [(folder, names) for folder, names in folders if folder.resolve().name.lower() in _FOLDERS]
    if not found:
        raise DataError(f"{path}: no folder called landmarks or landmark in it; give LaPa's or JD-landmark's folder")
    corrected = {
        name: folder / name for folder, names in folders if folder.name.lower() == _CORRECTED for name in names
    }
    pictures = PictureFolders()
    replaced = 0
    for folder, names in found:
        places = [Path(images)] if images is not None else image_folders(folder, path)
        split = split_of(path, folder)
        official = _OFFICIAL_FACES if (folder.parent / "labels").is_dir() else {}
        for name in names:
            if not name.lower().endswith(".txt"):
                continue
            stem = name[: -len(".txt")]
            image = _image(stem, places, pictures)
            if image is None:
                where = " or ".join(str(place) for place in places) or f"a folder images or picture beside {folder}"
                notes.append(
                    Note("left out", "without one image of its name", str(folder / name), f"no image in {where}")
                )
                continue
            file = corrected.get(name, folder / name)
            replaced += name in corrected
            try:
                landmarks = read_counted(file)
            except DataError as error:
                notes.append(unread("", error))
                continue
            box = _box(folder.parent, stem, notes)
            yield Face(str(file), image, landmarks, box=box, split=split, official_faces=official)
    if replaced:
        message = "faces have the landmarks of Corrected_landmark instead of their own"
        notes.append(
            Note("changed", "landmarks corrected by the publisher", str(path), f"{replaced} {message}", replaced)
        )


def read_counted(file: Path) -> NDArray[np.float64]:
    """The landmarks (M, 2) of a text file with M in its first line and x y in each of the next M, as they stand.

    Raises:
        DataError: not such a file, or another number of points than it says; the message names file and line.
    """
    lines = read_lines(file, _MAX_BYTES, "a file of landmarks")
    rows = [(number, line.replace(",", " ").split()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows or len(rows[0][1]) != 1 or not rows[0][1][0].isdecimal() or len(rows[0][1][0]) > 9:
        raise DataError(f"{file}:1: expected the number of landmarks, got {lines[0].strip()[:60]!r}")
    count = int(rows[0][1][0])
    if count != len(rows) - 1 or count == 0:
        raise DataError(f"{file}: the first line says {count} landmarks, but there are {len(rows) - 1}")
    landmarks = np.empty((count, 2))
    for m, (number, words) in enumerate(rows[1:]):
        try:
            if len(words) != 2:
                raise ValueError(f"expected two numbers x y, got {' '.join(words)[:60]!r}")
            landmarks[m] = numbers(words, "landmark")
        except ValueError as error:
            raise DataError(f"{file}:{number}: {error}") from None
    return landmarks


def _is_one(file: Path) -> bool:
    try:
        return len(read_counted(file)) > 0
    except DataError:
        return False


def _image(stem: str, places: list[Path], pictures: PictureFolders) -> str | None:
    """The image in the first of the folders that has one: of that name, or of that stem."""
    whole = os.path.splitext(stem)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 (pathlib is ten times slower here)
    for place in places:
        found = pictures[place].named(os.path.splitext(stem)[0] if whole else stem)  # noqa: PTH122
        if whole and stem in found:
            return str(place / stem)
        if len(found) == 1:
            return str(place / found[0])
        if found:
            return None
    return None


def _box(folder: Path, stem: str, notes: list[Note]) -> Box | None:
    for name, suffix in _BOXES.items():
        file = folder / name / f"{stem}{suffix}"
        if not file.is_file():
            continue
        try:
            words = " ".join(read_lines(file, _MAX_BYTES, "a file of a box")).replace(",", " ").split()
        except DataError as error:
            notes.append(Note("ignored", "box that cannot be read", str(file), str(error)))
            return None
        return ordered_box(words[:5], str(file), notes)
    return None


FORMAT = Format(
    title="[LaPa and JD-landmark](lapa.md)",
    looks_like="folders `landmarks` and `images` (or `landmark` and `picture`) of text files and images",
    recognises=recognises,
    read=read_faces,
)

"""COFW-68: 68 landmarks with occlusion on the 507 test faces of COFW (Ghiasi and Fowlkes), as they distribute it:

    cofw68_test_bboxes.mat           bboxes 507×4: x, y, width, height
    test_annotations/1_points.mat    Points 68×2, Occ 1×68 (1 where occluded)
    test_annotations/2_points.mat    …

Coordinates count the first pixel as 1, 1, as do the published predictions: against these annotations RCPR's, which are
whole MATLAB pixels, have a median offset of 0.1 to 0.2 px, not of 1, and only equal bases give the published errors.

There are no images in it. Face 12 is image 12 of `IsT` in COFW_test_color.mat; the option `images` names that
file. Without it a face's image is "no-image://PATH/12_points.mat", enough to score predictions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.containers.mat5 import read_mat5, table_of
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import ordered_box
from acrloss.formats.format import Format
from acrloss.images import NO_IMAGE, cofw
from acrloss.notes import Note

_NAME = re.compile(r"([0-9]{1,9})_points\.mat", re.IGNORECASE)
_FOLDER = "test_annotations"
_BOXES = "cofw68_test_bboxes.mat"
_OFFICIAL_FACES = {"test": 507}


def recognises(path: Path) -> bool:
    """Whether 1_points.mat, or another number, is in the folder or its test_annotations."""
    return path.is_dir() and bool(_files(path))


def read_faces(path: Path, notes: list[Note], *, images: str | Path | None = None) -> Iterator[Face]:
    """The faces of a folder, by their numbers.

    Args:
        path: COFW68_Data of cofw68-benchmark, the folder above it, or test_annotations.
        notes: receives a line for each bad file.
        images: COFW_test_color.mat, which holds the images; without it there are annotations only.
    """
    files = _files(path) if path.is_dir() else {}
    if not files:
        raise DataError(f"{path}: no files such as 1_points.mat in the folder or its {_FOLDER}")
    if images is not None and not Path(images).is_file():
        raise DataError(f"images: {images}: no such file; give COFW_test_color.mat")
    here = next(iter(files.values())).parent
    boxes = _boxes(next((folder / _BOXES for folder in (here, here.parent) if (folder / _BOXES).is_file()), None))
    for number, file in sorted(files.items()):
        try:
            landmarks, visible = _read_points(file)
        except DataError as error:
            notes.append(unread("", error))
            continue
        image = f"{NO_IMAGE}{file}" if images is None else f"{cofw.REFERENCE}{images}#IsT/{number}"
        box = None
        if number <= len(boxes):
            x, y, width, height = (float(value) for value in boxes[number - 1])
            box = ordered_box([x - 1, y - 1, x + width - 1, y + height - 1], str(file), notes)
        yield Face(str(file), image, landmarks, visible=visible, box=box, split="test", official_faces=_OFFICIAL_FACES)


def _files(path: Path) -> dict[int, Path]:
    """Number -> file of a folder, or else of the test_annotations in it."""
    for folder in (path, path / _FOLDER, path / "COFW68_Data" / _FOLDER):
        if folder.is_dir():
            found = {int(match[1]): child for child in folder.iterdir() if (match := _NAME.fullmatch(child.name))}
            found.pop(0, None)
            if found:
                return found
    return {}


def _read_points(file: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    variables = read_mat5(file, {"Points", "Occ"})
    points = table_of(file, variables, "Points", (68, 2))
    occluded = table_of(file, variables, "Occ", (1, 68)) if "Occ" in variables else np.zeros((1, 68))
    if not (np.abs(points) < 1e9).all():
        raise DataError(f"{file}: Points must be finite")
    return points - 1, occluded[0] == 0


def _boxes(file: Path | None) -> NDArray[np.float64]:
    if file is None:
        return np.empty((0, 4))
    variables = read_mat5(file, {"bboxes"})
    boxes = variables.get("bboxes")
    if not isinstance(boxes, np.ndarray) or boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(f"{file}: expected an array bboxes of 4 columns x, y, width, height")
    return np.where(np.abs(boxes) < 1e9, boxes, np.nan)


FORMAT = Format(
    title="[COFW-68](cofw68.md)",
    looks_like="`test_annotations/1_points.mat` …",
    recognises=recognises,
    read=read_faces,
)

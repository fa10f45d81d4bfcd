"""COFW (Caltech Occluded Faces in the Wild) in colour, 29 landmarks with occlusion, as its authors distribute it:

    COFW_train_color.mat    IsTr, bboxesTr, phisTr    1345 faces, split "train"
    COFW_test_color.mat     IsT,  bboxesT,  phisT      507 faces, split "test"

MATLAB v7.3 files, that is HDF5, where every array is transposed: `IsTr` (1, N) references to images (3, W, H) or (W, H)
uint8, `bboxesTr` (4, N) x, y, width, height, `phisTr` (87, N) 29 x, 29 y and 29 times 1 where occluded. Coordinates
count the first pixel as 1, 1.

The images stay in the file: image 12 of `IsTr`, counted from 1 as MATLAB does, is "cofw://PATH#IsTr/12".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import ordered_box
from acrloss.formats.format import Format
from acrloss.images.cofw import ARRAYS, REFERENCE, array_named, open_cofw
from acrloss.notes import Note

if TYPE_CHECKING:
    import h5py


_NAME = re.compile(r"cofw_(train|test)(_color)?\.mat", re.IGNORECASE)
_OFFICIAL_FACES = {"train": 1345, "test": 507}
_LANDMARKS = 29
_MAX_FACES = 100_000


def recognises(path: Path) -> bool:
    """Whether this is a COFW file, or a folder with one in it."""
    if path.is_dir():
        return any(_NAME.fullmatch(child.name) for child in path.iterdir())
    if path.suffix.lower() != ".mat" or not path.is_file():
        return False
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return any(name in file for name in ARRAYS)
    except Exception:  # h5py raises whatever damaged bytes lead to
        return False


def read_faces(path: Path, notes: list[Note]) -> Iterator[Face]:
    """The faces of one COFW file, or of those in a folder."""
    files = [path]
    if path.is_dir():
        files = sorted(child for child in path.iterdir() if _NAME.fullmatch(child.name))
    if not files:
        raise DataError(f"{path}: no COFW_train_color.mat or COFW_test_color.mat in the folder")
    for file in files:
        yield from _read_file(file, notes)


def _read_file(path: Path, notes: list[Note]) -> Iterator[Face]:
    with open_cofw(path) as file:
        names = [name for name in ARRAYS if name in file]
        if not names:
            raise DataError(f"{path}: holds neither IsTr nor IsT; give COFW_train_color.mat or COFW_test_color.mat")
        tables = [(name, *_tables(path, file, name)) for name in names]
    for name, phis, boxes in tables:
        for i, (phi, (x, y, width, height)) in enumerate(zip(phis.T, boxes.T, strict=True), start=1):
            where = f"{path}#{name}/{i}"
            if not (np.abs(phi[: 2 * _LANDMARKS]) < 1e9).all():
                notes.append(unread(where, "coordinates must be finite"))
                continue
            box = [float(x) - 1, float(y) - 1, float(x + width) - 1, float(y + height) - 1]
            yield Face(
                where,
                f"{REFERENCE}{path}#{name}/{i}",
                phi[: 2 * _LANDMARKS].reshape(2, _LANDMARKS).T - 1,
                visible=phi[2 * _LANDMARKS :] == 0,
                box=ordered_box(box, where, notes),
                split=ARRAYS[name][2],
                official_faces=_OFFICIAL_FACES,
            )


def _tables(path: Path, file: h5py.File, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Landmarks (87, N) and boxes (4, N) of the N images of a cell array."""
    phis_name, boxes_name, _ = ARRAYS[name]
    cells = array_named(path, file, name)
    count = cells.size or 0
    if cells.ndim != 2 or cells.dtype.kind != "O" or not 0 < count <= _MAX_FACES:
        raise DataError(f"{path}: {name} must be a cell array of 1 to {_MAX_FACES} images, not {cells.shape}")
    tables: list[NDArray[np.float64]] = []
    for table_name, rows in ((phis_name, 3 * _LANDMARKS), (boxes_name, 4)):
        table = array_named(path, file, table_name)
        if table.shape != (rows, count) or table.dtype.kind not in "fiu":
            raise DataError(
                f"{path}: {table_name} must hold {rows} numbers of each of the {count} images in {name}, "
                f"stored as ({rows}, {count}), not {table.shape} of {table.dtype}"
            )
        tables.append(np.asarray(table[()], dtype=np.float64))
    return tables[0], tables[1]


FORMAT = Format(
    title="[COFW](cofw.md)",
    looks_like="`COFW_train_color.mat`, `COFW_test_color.mat`",
    recognises=recognises,
    read=read_faces,
)

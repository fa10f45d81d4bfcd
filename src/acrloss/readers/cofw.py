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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.readers.faces import Face

if TYPE_CHECKING:
    import h5py

REFERENCE = "cofw://"

_NAME = re.compile(r"cofw_(train|test)(_color)?\.mat", re.IGNORECASE)
# Cell array of images -> landmarks, boxes, split.
_ARRAYS = {"IsTr": ("phisTr", "bboxesTr", "train"), "IsT": ("phisT", "bboxesT", "test")}
_OFFICIAL_FACES = {"train": 1345, "test": 507}
_LANDMARKS = 29
_MAX_FACES = 100_000
# A chunk is unpacked as a whole, whatever part of it is asked for.
_MAX_CHUNK_BYTES = 400_000_000
# Deflate, shuffle and checksum: all that MATLAB writes. Others would load plug-ins.
_FILTERS = frozenset({1, 2, 3})


def recognises(path: Path) -> bool:
    """Whether this is a COFW file, or a folder with one in it."""
    if path.is_dir():
        return any(_NAME.fullmatch(child.name) for child in path.iterdir())
    if path.suffix.lower() != ".mat":
        return False
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return any(name in file for name in _ARRAYS)
    except Exception:  # h5py raises whatever damaged bytes lead to
        return False


def read_faces(path: Path, skipped: list[str]) -> Iterator[Face]:
    """The faces of one COFW file, or of those in a folder."""
    files = [path]
    if path.is_dir():
        files = sorted(child for child in path.iterdir() if _NAME.fullmatch(child.name))
    if not files:
        raise DataError(f"{path}: no COFW_train_color.mat or COFW_test_color.mat in the folder")
    for file in files:
        yield from _read_file(file, skipped)


def _read_file(path: Path, skipped: list[str]) -> Iterator[Face]:
    with _opened(path) as file:
        names = [name for name in _ARRAYS if name in file]
        if not names:
            raise DataError(f"{path}: holds neither IsTr nor IsT; give COFW_train_color.mat or COFW_test_color.mat")
        tables = [(name, *_tables(path, file, name)) for name in names]
    for name, phis, boxes in tables:
        for i, (phi, (x, y, width, height)) in enumerate(zip(phis.T, boxes.T, strict=True), start=1):
            where = f"{path}#{name}/{i}"
            if not (np.abs(phi[: 2 * _LANDMARKS]) < 1e9).all():
                skipped.append(f"{where}: coordinates must be finite")
                continue
            box = (float(x) - 1, float(y) - 1, float(x + width) - 1, float(y + height) - 1)
            yield Face(
                where,
                f"{REFERENCE}{path}#{name}/{i}",
                phi[: 2 * _LANDMARKS].reshape(2, _LANDMARKS).T - 1,
                visible=phi[2 * _LANDMARKS :] == 0,
                box=box if np.abs(box).max() < 1e9 and width > 0 and height > 0 else None,
                split=_ARRAYS[name][2],
                official_faces=_OFFICIAL_FACES,
            )


def _tables(path: Path, file: h5py.File, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Landmarks (87, N) and boxes (4, N) of the N images of a cell array."""
    phis_name, boxes_name, _ = _ARRAYS[name]
    cells = _dataset(path, file, name)
    count = cells.size or 0
    if cells.ndim != 2 or cells.dtype.kind != "O" or not 0 < count <= _MAX_FACES:
        raise DataError(f"{path}: {name} must be a cell array of 1 to {_MAX_FACES} images, not {cells.shape}")
    tables: list[NDArray[np.float64]] = []
    for table_name, rows in ((phis_name, 3 * _LANDMARKS), (boxes_name, 4)):
        table = _dataset(path, file, table_name)
        if table.shape != (rows, count) or table.dtype.kind not in "fiu":
            raise DataError(
                f"{path}: {table_name} must hold {rows} numbers of each of the {count} images in {name}, "
                f"stored as ({rows}, {count}), not {table.shape} of {table.dtype}"
            )
        tables.append(np.asarray(table[()], dtype=np.float64))
    return tables[0], tables[1]


def image_size(reference: str) -> tuple[int, int]:
    """(width, height) of an image "cofw://PATH#IsTr/12"; nothing is unpacked."""
    with _image(reference) as image:
        width, height = image.shape[-2:]
        return width, height


def read_image(reference: str) -> NDArray[np.uint8]:
    """An image "cofw://PATH#IsTr/12" as (height, width, 3) RGB."""
    with _image(reference) as image:
        pixels: NDArray[np.uint8] = image[()]
    upright = pixels.T if pixels.ndim == 3 else np.repeat(pixels.T[..., None], 3, axis=2)
    return np.ascontiguousarray(upright)


@contextmanager
def _image(reference: str) -> Iterator[h5py.Dataset]:
    from acrloss.images import MAX_PIXELS

    text, _, which = reference.removeprefix(REFERENCE).rpartition("#")
    name, _, number = which.partition("/")
    if name not in _ARRAYS or not re.fullmatch(r"[0-9]{1,9}", number):
        raise DataError(f"{reference}: not an image of a COFW file, as in {REFERENCE}COFW_train_color.mat#IsTr/12")
    path = Path(text)
    with _opened(path) as file:
        cells = _dataset(path, file, name)
        if cells.ndim != 2 or cells.dtype.kind != "O" or not 0 < int(number) <= (cells.size or 0):
            raise DataError(f"{reference}: the file has no such image")
        row, column = divmod(int(number) - 1, cells.shape[1])
        target = cells[row, column]
        image = _checked(path, which, file[target] if target else None)
        # (W, H) grey or (3, W, H) colour.
        if image.ndim not in (2, 3) or image.shape[:-2] not in ((), (3,)) or image.dtype != np.uint8:
            raise DataError(
                f"{reference}: expected a grey or colour image of uint8, not {image.shape} of {image.dtype}"
            )
        width, height = image.shape[-2:]
        if not 0 < width * height <= MAX_PIXELS:
            raise DataError(f"{reference}: {width} x {height} pixels, but 1 to {MAX_PIXELS} are read")
        yield image


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file; whatever goes wrong within is a DataError that names it."""
    import h5py

    try:
        # Without locks several processes, and read-only media, can read.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # h5py raises whatever damaged bytes lead to
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{path}: cannot be read as a MATLAB v7.3 (HDF5) file, it is damaged or another version: {reason}"
        ) from error


def _dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{path}: has no array {name}")
    return _checked(path, name, file[name])


def _checked(path: Path, name: str, item: Any) -> h5py.Dataset:
    """An array that lies in this file and can be unpacked without plug-ins or unbounded memory."""
    import h5py

    if not isinstance(item, h5py.Dataset):
        raise DataError(f"{path}: {name} is not an array")
    plan = item.id.get_create_plist()
    filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
    if item.external or item.is_virtual or not filters <= _FILTERS:
        raise DataError(f"{path}: {name} is stored in another file or packed in a way that MATLAB never does")
    if item.chunks is not None and int(np.prod(item.chunks, dtype=object)) * item.dtype.itemsize > _MAX_CHUNK_BYTES:
        raise DataError(f"{path}: {name} is stored in chunks {item.chunks} that are too large to unpack")
    return item

"""Images that stay in a COFW file: a reference to one, its size and its pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.images.header import MAX_PIXELS

if TYPE_CHECKING:
    import h5py


REFERENCE = "cofw://"

# Cell array of images -> landmarks, boxes, split.
ARRAYS = {"IsTr": ("phisTr", "bboxesTr", "train"), "IsT": ("phisT", "bboxesT", "test")}

# A chunk is unpacked as a whole, whatever part of it is asked for.
_MAX_CHUNK_BYTES = 400_000_000

# Deflate, shuffle and checksum: all that MATLAB writes. Others would load plug-ins.
_FILTERS = frozenset({1, 2, 3})


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
    text, _, which = reference.removeprefix(REFERENCE).rpartition("#")
    name, _, number = which.partition("/")
    if name not in ARRAYS or not re.fullmatch(r"[0-9]{1,9}", number):
        raise DataError(f"{reference}: not an image of a COFW file, as in {REFERENCE}COFW_train_color.mat#IsTr/12")
    path = Path(text)
    with open_cofw(path) as file:
        cells = array_named(path, file, name)
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
def open_cofw(path: Path) -> Iterator[h5py.File]:
    """The file; whatever goes wrong within is a DataError that names it."""
    import h5py

    if path.exists() and not path.is_file():
        raise DataError(f"{path}: not a file; give a .mat file")
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


def array_named(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """The array of that name, once it is known to be safe to read."""
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

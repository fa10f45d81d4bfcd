"""Writing MATLAB files byte by byte, as MATLAB lays them out, so that readers are tested against the real thing."""

import struct
import zlib
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

# NumPy's and struct's sign of a byte order.
Order = Literal["<", ">"]
# NumPy type -> data type of the element, array class.
_KINDS = {"f8": (9, 6), "f4": (7, 7), "i1": (1, 8), "u1": (2, 9), "i2": (3, 10), "u2": (4, 11), "i4": (5, 12)}


def element(kind: int, data: bytes, order: Order = "<") -> bytes:
    """A data element, small where it fits in four bytes, padded to eight."""
    if 0 < len(data) <= 4 and kind not in (14, 15):
        small = len(data) << 16 | kind
        return struct.pack(order + "I", small) + data.ljust(4, b"\0")
    padding = 0 if kind == 15 else -len(data) % 8
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * padding


def matrix(name: str, value: Any, order: Order = "<", flags: int = 0) -> bytes:
    """An array element: a NumPy array, a text, or a list as a column of cells."""
    if isinstance(value, str):
        shape, array_class = (1, len(value)), 4
        body = element(4, value.encode("utf-16-le" if order == "<" else "utf-16-be"), order)
    elif isinstance(value, list):
        shape, array_class = (len(value), 1), 1
        body = b"".join(matrix("", cell, order) for cell in value)
    else:
        array = np.asarray(value)
        shape = array.shape
        kind, array_class = _KINDS[array.dtype.str[1:]]
        body = element(kind, array.astype(array.dtype.newbyteorder(order)).tobytes(order="F"), order)
    head = element(6, struct.pack(order + "II", array_class | flags, 0), order)
    head += element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    head += element(1, name.encode(), order)
    return element(14, head + body, order)


def header(order: Order = "<") -> bytes:
    text = b"MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Wed Jun 22 19:07:02 2016".ljust(124)
    return text + struct.pack(order + "H", 0x0100) + (b"IM" if order == "<" else b"MI")


def write_mat5(path: Path, order: Order = "<", compress: bool = True, **variables: Any) -> Path:
    parts = [matrix(name, value, order) for name, value in variables.items()]
    if compress:
        parts = [element(15, zlib.compress(part), order) for part in parts]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header(order) + b"".join(parts))
    return path


def write_cofw(path: Path, part: str, images: list[NDArray[np.uint8]], phis: NDArray[Any], boxes: NDArray[Any]) -> Path:
    """A COFW file: `part` "Tr" or "T", images (H, W) or (H, W, 3), phis (N, 87), boxes (N, 4)."""
    with h5py.File(path, "w", userblock_size=512) as file:
        cells = np.empty((1, len(images)), dtype=h5py.ref_dtype)
        for i, image in enumerate(images):
            stored = file.create_dataset(f"#refs#/i{i}", data=image.T, compression="gzip", chunks=True)
            stored.attrs["MATLAB_class"] = np.bytes_("uint8")
            cells[0, i] = stored.ref
        file.create_dataset(f"Is{part}", data=cells, dtype=h5py.ref_dtype).attrs["MATLAB_class"] = np.bytes_("cell")
        for name, table in (("phis", phis), ("bboxes", boxes)):
            stored = file.create_dataset(f"{name}{part}", data=table.T, compression="gzip")
            stored.attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + struct.pack("<H", 0x0200) + b"IM")
    return path

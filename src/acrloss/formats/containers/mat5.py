"""MATLAB files of version 5 to 7 (`save -v6`, `-v7`): numbers, texts and cells of these.

The layout is that of MathWorks' "MAT-File Format" (R2019b): a header of 128 bytes, then elements of a tag (type and
size) and data. Structures, objects and complex or sparse numbers are passed over. Nothing in such a file is executed,
and nothing is allocated that the file, or the bounded decompression of it, does not hold.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.files import read_limited, regular_only

Value: TypeAlias = "NDArray[np.float64] | str | list[Value]"

_MAX_BYTES = 100_000_000
_MAX_UNPACKED = 200_000_000
# Numbers become eight bytes each, cells and letters objects of a hundred; AFLW has a million numbers, 24,386 names.
_MAX_NUMBERS = 10_000_000
_MAX_CELLS = 1_000_000
_MAX_LETTERS = 100_000
_MAX_DEPTH = 4
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
# Array classes: 1 cell, 4 char, 6 double … 15 uint64.
_CELL, _CHAR, _NUMBERS = 1, 4, range(6, 16)
_COMPLEX_FLAG = 0x0800


def is_mat5(path: Path) -> bool:
    """Whether a file begins as MATLAB files of version 5 to 7 do."""
    try:
        with open(path, "rb", opener=regular_only) as file:
            return _byte_order(file.read(128)) is not None
    except (OSError, ValueError):
        return False


def read_mat5(path: Path, names: Collection[str]) -> dict[str, Value]:
    """The named variables that a file holds: arrays as float64 of their MATLAB shape, char arrays of one row as texts,
    cell arrays as lists in column order.

    Raises:
        DataError: not such a file, damaged, or too large; the message names the file.
    """
    content = read_limited(path, _MAX_BYTES, "a MATLAB file of annotations")
    order = _byte_order(content)
    if order is None:
        raise DataError(f"{path}: not a MATLAB file of version 5 to 7; save it with -v7")
    found: dict[str, Value] = {}
    budget, cells_left = _MAX_UNPACKED, [_MAX_CELLS]
    try:
        for kind, data in _elements(memoryview(content)[128:], order):
            if kind == _COMPRESSED:
                data = _unpack(data, budget)
                budget -= len(data)
                inner = next(_elements(data, order), None)
                if inner is None:
                    raise ValueError("an empty compressed variable")
                kind, data = inner
            if kind == _MATRIX:
                name, value = _matrix(data, order, names, cells_left)
                if value is not None:
                    found[name] = value
    except (ValueError, struct.error, zlib.error, OverflowError) as error:
        raise DataError(f"{path}: a damaged MATLAB file: {error}; replace it") from error
    return found


def table_of(file: Path, variables: dict[str, Value], name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """One of the variables that `read_mat5` found, an array of a known shape.

    Raises:
        DataError: it is missing, or something else.
    """
    value = variables.get(name)
    if not isinstance(value, np.ndarray) or value.shape != shape:
        found = f"of shape {value.shape}" if isinstance(value, np.ndarray) else "missing"
        raise DataError(f"{file}: expected an array {name} of shape {shape}, but it is {found}")
    return value


def _byte_order(header: bytes) -> str | None:
    if len(header) < 128 or not header.startswith(b"MATLAB 5.0"):
        return None
    return {b"IM": "<", b"MI": ">"}.get(header[126:128])


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The data elements one after another, each padded to eight bytes (but not compressed ones)."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("it ends within a tag")
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:
            # A small element: type and size share four bytes, the data follow in the other four.
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise ValueError(f"a small element of {size} bytes")
            yield kind, data[at + 4 : at + 4 + size]
            at += 8
            continue
        if size > len(data) - at - 8:
            raise ValueError(f"an element of {size} bytes where {len(data) - at - 8} are left")
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + (0 if kind == _COMPRESSED else -size % 8)


def _unpack(data: memoryview, limit: int) -> memoryview:
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(data, limit)
    if not unpacker.eof:
        raise ValueError(f"a compressed variable that is cut off or larger than {limit} bytes")
    return memoryview(unpacked)


def _matrix(
    data: memoryview, order: str, names: Collection[str] | None, cells_left: list[int], depth: int = 0
) -> tuple[str, Value | None]:
    """Name and value of an array element; None where the name is not asked for or the class is none of ours.

    `cells_left` holds how many cells the file may still have, and is counted down.
    """
    elements = _elements(data, order)
    _, flags_data = _next(elements)
    if len(flags_data) < 4:
        raise ValueError("array flags are missing")
    (flags,) = struct.unpack_from(order + "I", flags_data)
    kind = flags & 0xFF
    shape = tuple(int(n) for n in _stored(*_next(elements), order))
    if any(n < 0 for n in shape) or len(shape) > 32:
        raise ValueError(f"array dimensions {shape[:4]}")
    name = bytes(_next(elements)[1]).decode("latin-1")
    if names is not None and name not in names:
        return name, None
    # Python's integers, which do not wrap around.
    count = 1
    for n in shape:
        count *= n
    if kind == _CELL:
        # Each cell takes eight bytes at least.
        cells_left[0] -= count
        if count > len(data) // 8 or cells_left[0] < 0 or depth == _MAX_DEPTH:
            raise ValueError(f"{count} cells, {depth} deep, in {len(data)} bytes")
        cells: list[Value] = []
        for _ in range(count):
            cell_kind, cell = _next(elements)
            value = _matrix(cell, order, None, cells_left, depth + 1)[1] if cell_kind == _MATRIX and len(cell) else None
            cells.append(np.empty(0) if value is None else value)
        return name, cells
    if (kind not in _NUMBERS and kind != _CHAR) or flags & _COMPLEX_FLAG:
        return name, None
    stored_kind, stored_data = _next(elements)
    if count > (_MAX_LETTERS if kind == _CHAR else _MAX_NUMBERS):
        raise ValueError(f"an array of {count} values")
    if kind == _CHAR and stored_kind in _ENCODINGS:
        suffix = "" if stored_kind == 16 else "-le" if order == "<" else "-be"
        return name, bytes(stored_data).decode(_ENCODINGS[stored_kind] + suffix)
    values = _stored(stored_kind, stored_data, order)
    if len(values) != count:
        raise ValueError(f"{len(values)} values in an array of shape {shape}")
    if kind == _CHAR:
        return name, "".join(chr(int(value)) for value in values)
    return name, values.astype(np.float64).reshape(shape, order="F")


def _next(elements: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    element = next(elements, None)
    if element is None:
        raise ValueError("an array that ends early")
    return element


def _stored(kind: int, data: memoryview, order: str) -> NDArray[np.generic]:
    if kind not in _STORED:
        raise ValueError(f"data of type {kind}, which is not a number type")
    dtype = np.dtype(_STORED[kind]).newbyteorder("<" if order == "<" else ">")
    if len(data) % dtype.itemsize:
        raise ValueError(f"{len(data)} bytes of {dtype.itemsize}-byte numbers")
    return np.frombuffer(data, dtype=dtype)

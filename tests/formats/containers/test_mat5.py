import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats.containers.mat5 import is_mat5, read_mat5
from matlab import Order, element, header, matrix, write_mat5

TABLE = np.arange(12.0).reshape(4, 3) / 8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compress", [True, False])
def test_numbers_texts_and_cells_in_either_byte_order(order: Order, compress: bool, tmp_path: Path) -> None:
    variables = {
        "table": TABLE,
        "small": np.array([[7, 9]], np.uint8),
        "wide": np.array([[-3], [4]], np.int32),
        "name": "0/image00002.jpg",
        "cells": ["first", TABLE, "third"],
        "empty": np.empty((0, 3)),
        "other": np.zeros((2, 2)),
    }
    path = write_mat5(tmp_path / "a.mat", order, compress, **variables)
    assert is_mat5(path)
    found = read_mat5(path, {"table", "small", "wide", "name", "cells", "empty", "absent"})
    assert list(found) == ["table", "small", "wide", "name", "cells", "empty"]
    for name in ("table", "small", "wide", "empty"):
        value = found[name]
        assert isinstance(value, np.ndarray)
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value, variables[name])
    assert found["name"] == "0/image00002.jpg"
    assert isinstance(found["cells"], list)
    assert found["cells"][::2] == ["first", "third"]
    np.testing.assert_array_equal(found["cells"][1], TABLE)


def test_doubles_stored_as_bytes_and_utf8_texts(tmp_path: Path) -> None:
    """MATLAB stores numbers in the smallest type that holds them."""
    array = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", 1, 3)) + element(1, b"x")
    array = element(14, array + element(2, bytes([1, 2, 200])))
    text = element(6, struct.pack("<II", 4, 0)) + element(5, struct.pack("<ii", 1, 5)) + element(1, b"t")
    text = element(14, text + element(16, "naïve".encode()))
    (tmp_path / "a.mat").write_bytes(header() + array + text)
    found = read_mat5(tmp_path / "a.mat", {"x", "t"})
    np.testing.assert_array_equal(found["x"], [[1.0, 2.0, 200.0]])
    assert found["t"] == "naïve"


def test_complex_numbers_and_structures_are_passed_over(tmp_path: Path) -> None:
    struct_array = element(
        14, element(6, struct.pack("<II", 2, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"s")
    )
    path = tmp_path / "a.mat"
    path.write_bytes(header() + matrix("z", TABLE, flags=0x0800) + struct_array + matrix("x", TABLE))
    assert list(read_mat5(path, {"z", "s", "x"})) == ["x"]


def array_head(shape: tuple[int, ...], array_class: int = 6) -> bytes:
    dims = struct.pack(f"<{len(shape)}i", *shape)
    return element(6, struct.pack("<II", array_class, 0)) + element(5, dims) + element(1, b"x")


HOSTILE = {
    "empty": b"",
    "hdf5": b"MATLAB 7.3 MAT-file".ljust(126) + b"IM",
    "tag cut off": header() + b"\x0e\0\0",
    "element of 4 GB": header() + struct.pack("<II", 14, 0xFFFFFFF0) + b"\0" * 16,
    "10^9 by 10^9 numbers": header() + element(14, array_head((1_000_000_000, 1_000_000_000)) + element(9, b"\0" * 8)),
    "dimensions that overflow": header() + element(14, array_head((65536,) * 4) + element(9, b"")),
    "negative dimensions": header() + element(14, array_head((-1, -1)) + element(9, b"\0" * 8)),
    "10^9 cells": header() + element(14, array_head((1_000_000_000, 1), array_class=1)),
    "text of no code points": header() + element(14, array_head((1, 1), array_class=4) + element(5, b"\xff" * 4)),
    "numbers of no number type": header() + element(14, array_head((1, 1)) + element(14, b"\0" * 8)),
    "no array": header() + element(14, b""),
    "cut off zlib": header() + element(15, zlib.compress(matrix("x", TABLE))[:-9]),
    "no zlib": header() + element(15, b"not compressed at all"),
    "nothing compressed": header() + element(15, zlib.compress(b"")),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=list(HOSTILE))
def test_damaged_files_are_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mat: ") as caught:
        read_mat5(path, {"x"})
    assert "\n" not in str(caught.value)


def test_a_decompression_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acrloss.formats.containers.mat5._MAX_UNPACKED", 1_000_000)
    path = tmp_path / "a.mat"
    path.write_bytes(header() + element(15, zlib.compress(b"\0" * 50_000_000)))
    with pytest.raises(DataError, match="cut off or larger than 1000000 bytes"):
        read_mat5(path, {"x"})


def test_cells_within_cells_end(tmp_path: Path) -> None:
    value: object = TABLE
    for _ in range(50):
        value = [value]
    with pytest.raises(DataError, match="1 cells, 4 deep"):
        read_mat5(write_mat5(tmp_path / "a.mat", x=value), {"x"})


def test_missing_files(tmp_path: Path) -> None:
    assert not is_mat5(tmp_path / "none.mat")
    with pytest.raises(DataError, match=r"none\.mat: cannot be read"):
        read_mat5(tmp_path / "none.mat", {"x"})


WHOLE = header() + b"".join(
    matrix(name, value) for name, value in {"x": TABLE, "cells": ["one", TABLE, ""], "t": "text"}.items()
)


@settings(deadline=None)
@given(
    content=st.binary(max_size=300).map(lambda tail: header() + tail)
    | st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6).map(
        lambda changes: bytes(dict(changes).get(i, byte) for i, byte in enumerate(WHOLE))
    )
    | st.integers(0, len(WHOLE)).map(lambda n: WHOLE[:n])
)
def test_any_bytes_give_variables_or_one_clear_line(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.mat"
    path.write_bytes(content)
    fault = str(path)
    try:
        assert set(read_mat5(path, {"x", "cells", "t"})) <= {"x", "cells", "t"}
    except DataError as error:
        fault = str(error)
    assert fault.startswith(str(path))
    assert "\n" not in fault


def test_small_files_of_many_cells_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty cells are eight bytes that compress to nothing, and objects of a hundred each."""

    def cells(count: int, content: bytes) -> bytes:
        head = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", count, 1)) + element(1, b"x")
        return element(14, head + content * count)

    monkeypatch.setattr("acrloss.formats.containers.mat5._MAX_CELLS", 10_000)
    path = tmp_path / "a.mat"
    for content in (cells(500_000, element(14, b"")), cells(2_000, cells(1_000, element(14, b"")))):
        path.write_bytes(header() + element(15, zlib.compress(content)))
        assert path.stat().st_size < 100_000
        tracemalloc.start()
        try:
            with pytest.raises(DataError, match=r"a\.mat: a damaged MATLAB file: \d+ cells"):
                read_mat5(path, {"x"})
            assert tracemalloc.get_traced_memory()[1] < 60_000_000
        finally:
            tracemalloc.stop()


def test_arrays_that_would_grow_are_refused(tmp_path: Path) -> None:
    path = write_mat5(tmp_path / "a.mat", x=np.zeros((11_000_000, 1), np.uint8))
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="an array of 11000000 values"):
        read_mat5(path, {"x"})

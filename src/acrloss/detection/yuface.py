"""The face detector yuface (libfacedetection, BSD-3-Clause): compiled in, milliseconds a picture.

Its wheels are for x86-64 Linux and Windows with Python 3.10 and 3.11. Its own Python function keeps the 36 KiB buffer
of every call for ever, so the library beneath is called with a buffer of ours.
"""

import ctypes
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from acrloss.arrays import Float, Image
from acrloss.detection.detector import Detector, DetectorKind, ScaledDetector

# Room for its results; it writes less than a third of this.
_BUFFER = 1 << 17
# A face is so many 16-bit numbers: score in %, x, y, width, height, five points, and one that is unused.
_NUMBERS = 16


def create_yuface(smallest_face: float) -> Detector:
    """The detector for pictures of any size."""
    from threadpoolctl import ThreadpoolController

    rows_of = _library() or _package()
    # Its OpenMP loops are short: beside other work their threads spend 20 times as long waiting for each other.
    threads = ThreadpoolController()

    def find(image: Image) -> tuple[Float, Float]:
        with threads.limit(limits=1, user_api="openmp"):
            rows = rows_of(np.ascontiguousarray(image[..., ::-1]))
        corners = rows[:, 1:3]
        return np.concatenate([corners, corners + rows[:, 3:5]], axis=1), rows[:, 0] / 100

    return ScaledDetector("yuface", find, smallest_face=smallest_face)


def _library() -> Callable[[Image], Float] | None:
    """(H, W, 3) BGR to (N, 16) numbers by libfacedetection itself; None where its function is not to be had."""
    spec = importlib.util.find_spec("yuface")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    files = sorted(Path(next(iter(spec.submodule_search_locations))).glob("libfacedetection.so*"))
    if not files:
        return None
    try:
        call: Any = ctypes.CDLL(str(files[0]))["_Z14facedetect_cnnPhS_iii"]
    except (OSError, AttributeError):
        return None
    call.restype = ctypes.c_void_p
    call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int]

    def rows_of(image: Image) -> Float:
        # One a call: several threads may detect at once.
        buffer = np.zeros(_BUFFER, dtype=np.uint8)
        height, width = image.shape[:2]
        call(buffer.ctypes.data, image.ctypes.data, width, height, width * 3)
        count = int(buffer[:4].view(np.int32)[0])
        return buffer[4 : 4 + 2 * _NUMBERS * count].view(np.int16).reshape(-1, _NUMBERS).astype(np.float64)

    return rows_of


def _package() -> Callable[[Image], Float]:
    """The same by the package's Python function."""
    from yuface.yuface import detect

    def rows_of(image: Image) -> Float:
        rows = np.asarray(detect(image), dtype=np.float64)
        return rows.reshape(-1, rows.shape[-1] if rows.size else _NUMBERS)

    return rows_of


DETECTOR = DetectorKind(package="yuface", install="pip install yuface", create=create_yuface, licence="BSD-3-Clause")

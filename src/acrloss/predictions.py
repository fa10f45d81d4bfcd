"""Landmarks that somebody predicted, read from a file and laid beside the annotated faces.

| form | what it is |
|---|---|
| run folder, .npz | predictions.npz of `acrloss train` or `acrloss evaluate` |
| folder of .pts | a file for each face, in as many sub-folders as there are |
| .csv | a row for each face as `acrloss.formats.csv` reads them: image, x0, y0, x1, ... |
| .txt | the form of the COFW-68 benchmark: for each face four lines with its number, x, y and occlusion |

A prediction belongs to the face whose image has its name: the path without the ending (.jpg, .pts), or as much of its
end as the file gives. "image_0001" fits lfpw/testset/image_0001.png, and so does "testset/image_0001"; a folder that
differs does not fit. Where no name fits, folders that all names begin with are left away (a data set that was moved),
but never the last folder of a name. A name that fits two faces, or two names that fit one, are an error. Numbers of the
COFW-68 form mean the last number in the image's name.
"""

from __future__ import annotations

import itertools
import json
import os
import posixpath
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.errors import DataError
from acrloss.formats import csv
from acrloss.formats.fields.values import numbers
from acrloss.formats.pts import IMAGE_SUFFIXES, read_pts
from acrloss.schemes import Scheme

Name = tuple[str, ...]

_MAX_BYTES = 2_000_000_000
_LAST_NUMBER = re.compile(r"(\d+)\D*$", re.ASCII)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted landmarks of annotated faces.

    Attributes:
        landmarks: (N, M, 2) in pixels, in the order of the annotations; NaN for a face without any.
        occlusion: (N, M) probability that a landmark is hidden, or None where the file does not say.
        missing: the faces that have no prediction in the file, indices into the annotations.
        unused: how many predictions belong to none of the faces.
    """

    landmarks: Float
    occlusion: Float | None
    missing: NDArray[np.intp]
    unused: int


def read_predictions(path: str | Path, annotations: Annotations, *, complete: bool = True) -> Predictions:
    """The predictions of a file or folder for annotated faces.

    Args:
        path: in one of the forms that this module's docstring lists.
        annotations: the faces.
        complete: refuse a file that lacks some of the faces.

    Raises:
        DataError: the file cannot be read, has landmarks of another number, fits no face, leaves faces out
            (`complete`), or its names fit several faces.
    """
    path = Path(path)
    found = _read(path)
    count = annotations.scheme.num_landmarks
    if found.landmarks.shape[1] != count:
        raise DataError(
            f"{path}: {found.landmarks.shape[1]} landmarks a face, but {annotations.source} has {count} "
            f"({annotations.scheme.name}); predictions and annotations must be of one scheme"
        )
    rows = _match(path, found, annotations.images)
    missing = np.flatnonzero(rows < 0)
    if len(missing) == len(rows):
        raise DataError(
            f"{path}: none of its {len(found.names)} names, such as {'/'.join(found.names[0])}, "
            f"fits a face of {annotations.source}, such as {annotations.images[0]}; "
            "name predictions as the images are named"
        )
    if complete and len(missing):
        named = ", ".join(annotations.images[i] for i in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise DataError(
            f"{path}: no prediction for {len(missing)} of {len(rows)} faces: {named}{more}; "
            "add them, or choose the faces with --split"
        )
    landmarks = np.where((rows < 0)[:, None, None], np.nan, found.landmarks[rows])
    if found.truth is not None and not _same_truth(found.truth[rows[rows >= 0]], annotations.landmarks[rows >= 0]):
        raise DataError(
            f"{path}: its faces were annotated otherwise than {annotations.source}; score all predictions on the same "
            "annotations"
        )
    occlusion = None if found.occlusion is None else np.where((rows < 0)[:, None], np.nan, found.occlusion[rows])
    return Predictions(landmarks, occlusion, missing, len(found.names) - len(set(rows[rows >= 0].tolist())))


def read_scored_faces(path: str | Path) -> Annotations:
    """The annotated faces that the predictions of a run folder or .npz file were scored on.

    Raises:
        DataError: other forms, which do not hold them.
    """
    path = Path(path)
    file = path / "predictions.npz" if path.is_dir() else path
    if file.suffix.lower() != ".npz" or not file.is_file():
        raise DataError(f"{path}: holds predictions only; give the annotated faces with --data")
    arrays = _arrays(file)
    truth = _points(file, arrays, "landmarks")
    images = [str(image) for image in arrays["images"].tolist()]
    try:
        scheme = Scheme.from_dict(json.loads(str(arrays["scheme"])))
        subsets = None  # files of before subsets were kept
        if "subsets" in arrays:
            subsets = [frozenset(filter(None, str(tags).split(";"))) for tags in arrays["subsets"].tolist()]
        return Annotations.create(images, truth, scheme, visible=arrays["visible"], subsets=subsets, source=str(path))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: does not say how its faces were annotated ({error}); give --data") from error


@dataclass
class _Found:
    """The content of a file of predictions, K of them, in its own order.

    `ordered`: faces of one photograph come in the annotations' order. `truth`: the annotated landmarks, if there.
    """

    names: list[Name]
    landmarks: Float
    occlusion: Float | None = None
    truth: Float | None = None
    ordered: bool = False
    numbered: bool = False


def _read(path: Path) -> _Found:
    try:
        if path.is_dir():
            return _read_npz(path / "predictions.npz") if (path / "predictions.npz").is_file() else _read_pts(path)
        readers = {".npz": _read_npz, ".csv": _read_csv, ".txt": _read_cofw68}
        if path.suffix.lower() not in readers:
            raise DataError(f"{path}: predictions are a run folder, a folder of .pts, or a .npz, .csv or .txt file")
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: {path.stat().st_size} bytes; predictions may have at most {_MAX_BYTES}")
        return readers[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_npz(path: Path) -> _Found:
    arrays = _arrays(path)
    truth = _points(path, arrays, "landmarks") if "landmarks" in arrays else None
    names = [_name(str(image)) for image in arrays["images"].tolist()]
    return _Found(names, _points(path, arrays, "predictions"), truth=truth, ordered=True)


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of an .npz file: no pickled objects, and none larger than its bytes in the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MAX_BYTES:
                raise DataError(f"{path}: holds more than {_MAX_BYTES} bytes; these are no predictions")
            arrays = {}
            for member in archive.infolist():
                with archive.open(member) as file:
                    # NumPy allocates what a header asks for before it reads; so look at the header first.
                    version = npy.read_magic(file)
                    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    shape, _, dtype = read_header(file)
                    if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize > member.file_size:
                        raise ValueError(f"{member.filename} is no plain array")
                with archive.open(member) as file:
                    arrays[member.filename.removesuffix(".npy")] = npy.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not a predictions.npz of acrloss: {reason}; evaluate the run again") from error
    if (
        not {"images", "predictions"} <= arrays.keys()
        or arrays["images"].ndim != 1
        or arrays["images"].dtype.kind != "U"
    ):
        raise DataError(f"{path}: not a predictions.npz of acrloss: expected images (N,) and predictions (N, M, 2)")
    return arrays


def _points(path: Path, arrays: dict[str, NDArray[np.generic]], name: str) -> Float:
    values, count = arrays.get(name), len(arrays["images"])
    if values is None or values.dtype.kind != "f" or values.ndim != 3 or values.shape[::2] != (count, 2):
        shape = None if values is None else values.shape
        raise DataError(f"{path}: expected {name} of shape ({count}, M, 2), got {shape}; evaluate the run again")
    return values.astype(np.float64)


def _read_pts(path: Path) -> _Found:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() == ".pts")
    if not files:
        raise DataError(f"{path}: neither predictions.npz nor .pts files in the folder")
    return _stacked(
        path, [str(file) for file in files], [_name(file.relative_to(path).as_posix()) for file in files],
        [read_pts(file) for file in files],
    )  # fmt: skip


def _read_csv(path: Path) -> _Found:
    bad: list[str] = []
    faces = list(csv.read_faces(path, bad))
    if bad:
        raise DataError(f"{bad[0]} ({len(bad)} such rows); correct the predictions")
    # The reader gives images relative to the file's folder; their names in the file count.
    names = [_name(os.path.relpath(face.image, path.parent)) for face in faces]
    return _stacked(path, [face.where for face in faces], names, [face.landmarks for face in faces])


def _read_cofw68(path: Path) -> _Found:
    lines = path.read_text(encoding="latin-1").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    places: list[str] = []
    names: list[Name] = []
    landmarks, occlusion = [], []
    for start in range(0, len(lines), 4):
        where = f"{path}:{start + 1}"
        number = lines[start].strip()
        if not (number.isascii() and number.isdecimal() and len(number) <= 18):
            raise DataError(f"{where}: expected the number of a face, got {number[:60]!r}")
        try:
            if len(lines) < start + 4:
                raise ValueError("the file ends within a face; expected lines of x, y and occlusion")
            x, y, hidden = (
                numbers(line.split(), f"line {start + 2 + i}") for i, line in enumerate(lines[start + 1 : start + 4])
            )
            if not len(x) == len(y) == len(hidden):
                raise ValueError(f"{len(x)} values of x, {len(y)} of y and {len(hidden)} of occlusion")
            if ((hidden < 0) | (hidden > 1)).any():
                raise ValueError("occlusion must be between 0 and 1")
        except ValueError as error:
            raise DataError(f"{where}: face {number}: {error}") from None
        places.append(where)
        names.append((str(int(number)),))
        # MATLAB counts the first pixel as 1, 1.
        landmarks.append(np.stack([x, y], axis=1) - 1)
        occlusion.append(hidden)
    found = _stacked(path, places, names, landmarks)
    found.occlusion = np.stack(occlusion)
    found.numbered = True
    return found


def _stacked(path: Path, places: Sequence[str], names: list[Name], landmarks: Sequence[Float]) -> _Found:
    if not names:
        raise DataError(f"{path}: holds no predictions")
    for where, points in zip(places, landmarks, strict=True):
        if len(points) != len(landmarks[0]):
            raise DataError(f"{where}: {len(points)} landmarks, but {places[0]} has {len(landmarks[0])}; mend the file")
    return _Found(names, np.stack(landmarks))


def _name(text: str) -> Name:
    """Folders and name of a file without the ending."""
    text = text.replace("\\", "/")
    stem, suffix = posixpath.splitext(text)
    if suffix.lower() in IMAGE_SUFFIXES | {".pts", ".mat"}:
        text = stem
    return tuple(part for part in posixpath.normpath(text).split("/") if part not in ("", ".", ".."))


def _match(path: Path, found: _Found, images: Sequence[str]) -> NDArray[np.intp]:
    """(N,) the row of each face's prediction; -1 where there is none."""
    places = [_name(image if "://" in image else os.path.abspath(image)) for image in images]  # noqa: PTH100
    if found.numbered:
        last = [_LAST_NUMBER.search(place[-1]) for place in places]
        places = [(str(int(number[1])),) if number else place for number, place in zip(last, places, strict=True)]
    faces: dict[Name, list[int]] = defaultdict(list)
    for i, place in enumerate(places):
        faces[place].append(i)
    folders = zip(*(name[:-1] for name in found.names), strict=False)
    shared = len(list(itertools.takewhile(lambda folder: len(set(folder)) == 1, folders)))
    rows = np.full(len(images), -1, dtype=np.intp)
    for skip in dict.fromkeys((0, shared)):
        groups: dict[Name, list[int]] = defaultdict(list)
        for row, name in enumerate(found.names):
            # Without any folder, test faces would fit training faces of the same number.
            groups[name[min(skip, max(len(name) - 2, 0)) :]].append(row)
        taken: dict[Name, Name] = {}
        for place, members in faces.items():
            fitting = [place[-n:] for n in range(1, len(place) + 1) if place[-n:] in groups]
            if not fitting:
                continue
            name = fitting[0]
            chosen = groups[name]
            shown = "/".join(name)
            if len(fitting) > 1 or (len(chosen) > 1 and not (found.ordered and len(chosen) == len(members))):
                raise DataError(f"{path}: several predictions fit {images[members[0]]}, such as {shown}; keep one")
            if len(members) > len(chosen):
                raise DataError(f"{path}: {shown} fits {len(members)} faces of {images[members[0]]}; use another form")
            if name in taken:
                other = images[faces[taken[name]][0]]
                raise DataError(
                    f"{path}: {shown} fits both {other} and {images[members[0]]}; give names with their folders, or "
                    "choose the faces with --split"
                )
            taken[name] = place
            rows[members] = chosen
        if taken:
            break
    return rows


def _same_truth(theirs: Float, ours: Float) -> bool:
    """Whether annotated landmarks agree to a hundredth of a pixel, as far as float32 tells."""
    return bool(np.allclose(theirs, ours, rtol=1e-6, atol=0.01, equal_nan=True))

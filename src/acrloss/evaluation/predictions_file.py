"""Files of predictions in any of their forms, read within bounds and written."""

from __future__ import annotations

import io
import json
import os
import posixpath
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.errors import DataError
from acrloss.evaluation.scores import Evaluation, Role
from acrloss.files import read_limited, regular_only, write_atomic
from acrloss.formats import csv
from acrloss.formats.fields.values import numbers
from acrloss.formats.pts import read_pts
from acrloss.images import IMAGE_SUFFIXES
from acrloss.notes import Note, left_out
from acrloss.schemes import Scheme

Name = tuple[str, ...]

_MAX_BYTES = 1_000_000_000
# Of a compressed archive: 100,000 faces of 98 landmarks, predicted and true.
_MAX_UNPACKED = 200_000_000
_MAX_FACES = 1_000_000
# What is read of an archive; whatever else lies in it is left alone.
_MEMBERS = ("images", "predictions", "landmarks", "visible", "boxes", "subsets", "splits", "scheme", "role")


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
        # Older files lack what was not kept then.
        subsets, splits = None, None
        if "subsets" in arrays:
            subsets = [frozenset(filter(None, str(tags).split(";"))) for tags in arrays["subsets"].tolist()]
        if "splits" in arrays:
            splits = [str(split) for split in arrays["splits"].tolist()]
        return Annotations.create(
            images,
            truth,
            scheme,
            visible=arrays["visible"],
            boxes=arrays.get("boxes"),
            splits=splits,
            subsets=subsets,
            source=str(path),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: does not say how its faces were annotated ({error}); give --data") from error


@dataclass
class Found:
    """The content of a file of predictions, K of them, in its own order.

    `ordered`: faces of one photograph come in the annotations' order. `truth`: the annotated landmarks, if there.
    `suffixed`: a name that ends in _2, _3, … may be of another face of the photograph of the name before it.
    `role`: of the faces, see `acrloss.evaluation.scores.Role`.
    """

    names: list[Name]
    landmarks: Float
    occlusion: Float | None = None
    truth: Float | None = None
    ordered: bool = False
    numbered: bool = False
    suffixed: bool = False
    role: Role = "test"


def read_found(path: Path) -> Found:
    try:
        if path.is_dir():
            return _read_npz(path / "predictions.npz") if (path / "predictions.npz").is_file() else _read_pts(path)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; give a run folder or a file of predictions")
        readers = {".npz": _read_npz, ".csv": _read_csv, ".txt": _read_cofw68}
        if path.suffix.lower() not in readers:
            raise DataError(f"{path}: predictions are a run folder, a folder of .pts, or a .npz, .csv or .txt file")
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: {path.stat().st_size} bytes; predictions may have at most {_MAX_BYTES}")
        return readers[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_npz(path: Path) -> Found:
    arrays = _arrays(path)
    truth = _points(path, arrays, "landmarks") if "landmarks" in arrays else None
    names = [name_of(str(image)) for image in arrays["images"].tolist()]
    said = str(arrays["role"]) if "role" in arrays else ""
    role: Role = "validation" if said == "validation" else "training" if said == "training" else "test"
    return Found(names, _points(path, arrays, "predictions"), truth=truth, ordered=True, role=role)


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of an .npz file: no pickled objects, and none larger than its bytes in the file."""
    try:
        with open(path, "rb", opener=regular_only) as content, zipfile.ZipFile(content) as archive:
            members = [member for member in archive.infolist() if member.filename.removesuffix(".npy") in _MEMBERS]
            if sum(member.file_size for member in members) > _MAX_UNPACKED:
                raise DataError(f"{path}: holds more than {_MAX_UNPACKED} bytes; these are no predictions")
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    # NumPy allocates what a header asks for before it reads; so look at the header first.
                    version = npy.read_magic(file)
                    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    shape, _, dtype = read_header(file)
                    if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize > member.file_size:
                        raise ValueError(f"{member.filename} is no plain array")
                with archive.open(member) as file:
                    arrays[member.filename.removesuffix(".npy")] = npy.read_array(file, allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # a damaged archive fails in whatever way zipfile, zlib, NumPy and the parser know
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: not a predictions.npz of acrloss: {reason}; evaluate the run again") from error
    if (
        not {"images", "predictions"} <= arrays.keys()
        or arrays["images"].ndim != 1
        or arrays["images"].dtype.kind != "U"
        or len(arrays["images"]) > _MAX_FACES
    ):
        raise DataError(f"{path}: not a predictions.npz of acrloss: expected images (N,) and predictions (N, M, 2)")
    return arrays


def _points(path: Path, arrays: dict[str, NDArray[np.generic]], name: str) -> Float:
    values, count = arrays.get(name), len(arrays["images"])
    if (
        values is None
        or values.dtype not in (np.float32, np.float64)
        or values.ndim != 3
        or values.shape[::2] != (count, 2)
    ):
        shape = None if values is None else values.shape
        raise DataError(f"{path}: expected {name} of shape ({count}, M, 2), got {shape}; evaluate the run again")
    return values.astype(np.float64)


def _read_pts(path: Path) -> Found:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() == ".pts")
    if not files:
        raise DataError(f"{path}: neither predictions.npz nor .pts files in the folder")
    names = [name_of(file.relative_to(path).as_posix()) for file in files]
    found = _stacked(path, [str(file) for file in files], names, [read_pts(file) for file in files])
    found.suffixed = True
    return found


def _read_csv(path: Path) -> Found:
    notes: list[Note] = []
    faces = list(csv.read_faces(path, notes))
    if bad := left_out(notes):
        raise DataError(f"{bad[0]} ({len(bad)} such rows); correct the predictions")
    # The reader gives images relative to the file's folder; their names in the file count.
    names = [name_of(os.path.relpath(face.image, path.parent)) for face in faces]
    return _stacked(path, [face.where for face in faces], names, [face.landmarks for face in faces])


def _read_cofw68(path: Path) -> Found:
    lines = read_limited(path, _MAX_BYTES, "predictions").decode("latin-1").splitlines()
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


def _stacked(path: Path, places: Sequence[str], names: list[Name], landmarks: Sequence[Float]) -> Found:
    if not names:
        raise DataError(f"{path}: holds no predictions")
    for where, points in zip(places, landmarks, strict=True):
        if len(points) != len(landmarks[0]):
            raise DataError(f"{where}: {len(points)} landmarks, but {places[0]} has {len(landmarks[0])}; mend the file")
    return Found(names, np.stack(landmarks))


def name_of(text: str) -> Name:
    """Folders and name of a file without the ending."""
    text = text.replace("\\", "/")
    stem, suffix = posixpath.splitext(text)
    if suffix.lower() in IMAGE_SUFFIXES | {".pts", ".mat"}:
        text = stem
    return tuple(part for part in posixpath.normpath(text).split("/") if part not in ("", ".", ".."))


def write_predictions(path: Path, evaluation: Evaluation) -> Path:
    """Predictions and truth of every face, in pixels, as a NumPy archive without pickled objects."""
    buffer = io.BytesIO()
    faces = evaluation.annotations
    np.savez_compressed(
        buffer,
        images=np.array(faces.images),
        predictions=evaluation.predictions.astype(np.float32),
        landmarks=faces.landmarks.astype(np.float32),
        visible=faces.visible,
        boxes=faces.boxes.astype(np.float32),
        splits=np.array(faces.splits, dtype=str),
        subsets=np.array([";".join(sorted(tags)) for tags in faces.subsets]),
        scheme=json.dumps(faces.scheme.to_dict()),
        nme=evaluation.nme[evaluation.normalizer],
        role=evaluation.role,
    )
    return write_atomic(path, buffer.getvalue())

"""300W-LP and AFLW2000-3D: MATLAB files (version 5) beside the images, with the 68 landmarks of 300-W.

    300W_LP/AFW/AFW_134212_1_0.jpg, .mat            AFLW2000/image00002.jpg
    300W_LP/AFW/AFW_134212_1_1.jpg, .mat  …         AFLW2000/image00002.mat    pt3d_68 3×68, Pose_Para 1×7, pt2d 2×21
    300W_LP/landmarks/AFW/AFW_134212_1_0_pts.mat    pts_2d 68×2, pts_3d 68×2

300W-LP turns each photograph of 300-W step by step into a profile. The `pt2d` of the .mat beside an image is the same
for all views of a photograph and fits none of them; the landmarks of a view are those in the folder `landmarks`:
pts_2d follow the visible contour of the face, pts_3d are the projected points of the fitted 3D face. In AFLW2000-3D the
first two rows of pt3d_68 are such projected points, hidden ones included.

Coordinates are MATLAB's, which count the first pixel as 1, 1. The person of 300W-LP is the photograph, so that its
views are on one side of a split. AFLW2000-3D's faces are of subset "yaw-0-30", "yaw-30-60" or "yaw-60-90".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.containers.mat5 import is_mat5, read_mat5
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.folders import Pictures, walk
from acrloss.formats.format import Format
from acrloss.notes import Note

_VIEW = re.compile(r"((?:AFW|HELEN|IBUG|LFPW)_.+)_[0-9]{1,3}\.mat", re.IGNORECASE)
_AFLW = re.compile(r"image[0-9]{5}\.mat", re.IGNORECASE)
_OFFICIAL_VIEWS, _OFFICIAL_AFLW = {"train": 122_450}, {"test": 2000}
_LANDMARKS = 68
_LOOK_AT = 50


def recognises(path: Path) -> bool:
    """Whether a .mat file named as in one of the two sets is in the folder, or not far below it."""
    try:
        return path.is_dir() and any(
            is_mat5(folder / name) and (_VIEW.fullmatch(name) or "pt3d_68" in read_mat5(folder / name, {"pt3d_68"}))
            for folder, names in islice(walk(path), _LOOK_AT)
            for name in islice((name for name in names if _VIEW.fullmatch(name) or _AFLW.fullmatch(name)), 3)
        )
    except (OSError, DataError):
        return False


def read_faces(path: Path, notes: list[Note], *, points: Literal["2d", "3d"] = "2d") -> Iterator[Face]:
    """The faces of either set, or of both, in a folder.

    Args:
        path: 300W_LP, AFLW2000, one of their folders, or a folder above.
        notes: receives a line for each face that is left out, and one for each folder without landmarks.
        points: "2d" for landmarks on the visible contour of the face, "3d" for projected points. AFLW2000-3D has
            projected points only, which are read in either case.
    """
    found = False
    for folder, names in walk(path) if path.is_dir() else ():
        pictures = Pictures(folder, names)
        landmarks = folder.parent / "landmarks" / folder.name
        without: list[str] = []
        for name in names:
            view = _VIEW.fullmatch(name)
            if view is None and _AFLW.fullmatch(name) is None:
                continue
            found = True
            file = folder / name
            stem = os.path.splitext(name)[0]  # noqa: PTH122 (pathlib is ten times slower here)
            images = pictures.named(stem)
            if len(images) != 1:
                problem = f"several images beside it: {', '.join(images)}" if images else "no image beside it"
                notes.append(Note("left out", "without one image beside it", str(file), problem))
                continue
            if view is not None and not (landmarks / f"{stem}_pts.mat").is_file():
                without.append(name)
                continue
            try:
                if view is not None:
                    marks = _view(landmarks / f"{stem}_pts.mat", points)
                    face = Face(str(file), str(folder / images[0]), marks, person=view[1], split="train")
                    face.official_faces = _OFFICIAL_VIEWS
                else:
                    face = _aflw(file, str(folder / images[0]))
            except DataError as error:
                notes.append(unread("", error))
                continue
            yield face
        if without:
            message = (
                f"{len(without)} views without a file {landmarks / '…_pts.mat'}; the .mat beside an image has the "
                "landmarks of another view"
            )
            notes.append(Note("left out", "without landmarks of their own view", str(folder), message, len(without)))
    if not found:
        raise DataError(f"{path}: no .mat files named as in 300W-LP or AFLW2000-3D; give one of their folders")


def _view(file: Path, points: str) -> NDArray[np.float64]:
    marks = _array(file, f"pts_{points}")
    if marks.shape not in ((_LANDMARKS, 2), (_LANDMARKS, 3)):
        raise DataError(f"{file}: expected an array pts_{points} of shape (68, 2), but it is of shape {marks.shape}")
    return _pixels(file, marks[:, :2])


def _aflw(file: Path, image: str) -> Face:
    marks = _array(file, "pt3d_68")
    if marks.shape != (3, _LANDMARKS):
        raise DataError(f"{file}: expected an array pt3d_68 of shape (3, 68), but it is of shape {marks.shape}")
    face = Face(str(file), image, _pixels(file, marks[:2].T), split="test", official_faces=_OFFICIAL_AFLW)
    pose = read_mat5(file, {"Pose_Para"}).get("Pose_Para")
    # Pitch, yaw and roll in radians, then translation and scale.
    if isinstance(pose, np.ndarray) and pose.size == 7 and np.isfinite(yaw := abs(float(pose.ravel()[1]))):
        degrees = np.degrees(yaw)
        face.subsets = frozenset({"yaw-0-30" if degrees <= 30 else "yaw-30-60" if degrees <= 60 else "yaw-60-90"})
    return face


def _array(file: Path, name: str) -> NDArray[np.float64]:
    value = read_mat5(file, {name}).get(name)
    if not isinstance(value, np.ndarray):
        raise DataError(f"{file}: expected an array {name}, but it is missing")
    return value


def _pixels(file: Path, marks: NDArray[np.float64]) -> NDArray[np.float64]:
    if not (np.abs(marks) < 1e9).all():
        raise DataError(f"{file}: landmarks must be finite")
    return marks - 1


FORMAT = Format(
    title="[300W-LP and AFLW2000-3D](w300lp.md)",
    looks_like="`.mat` files beside the images, and a folder `landmarks`",
    recognises=recognises,
    read=read_faces,
)

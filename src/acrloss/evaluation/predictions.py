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
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.errors import DataError
from acrloss.evaluation.predictions_file import Found, Name, name_of, read_found

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
    found = read_found(path)
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


def _match(path: Path, found: Found, images: Sequence[str]) -> NDArray[np.intp]:
    """(N,) the row of each face's prediction; -1 where there is none."""
    places = [name_of(image if "://" in image else os.path.abspath(image)) for image in images]  # noqa: PTH100
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

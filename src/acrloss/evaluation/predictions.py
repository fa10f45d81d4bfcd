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
but never the last folder of a name. A name that fits two images, or two names that fit one, are an error. Numbers of
the COFW-68 form mean the last number in the image's name.

Several faces of one photograph are given as rows of one name, or as .pts files NAME, NAME_2, NAME_3, … (as
`acrloss predict` writes them). They are matched by how much the boxes around their landmarks overlap, unless the file
is a predictions.npz that lists these very faces. Where there are more predictions than annotated faces, one that
overlaps with none of them is of somebody else and not used; where there are fewer, the faces left over have none.
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
from acrloss.boxes import overlap, tight_box
from acrloss.errors import DataError
from acrloss.evaluation.predictions_file import Found, Name, name_of, read_found
from acrloss.evaluation.scores import Role

# From this overlap of their boxes on a prediction lies on a face; people beside each other share less.
_ON_THE_FACE = 0.2
_FURTHER_FACE = re.compile(r"(.+)_(?:[2-9]|[1-9]\d+)", re.ASCII)
_LAST_NUMBER = re.compile(r"(\d+)\D*$", re.ASCII)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted landmarks of annotated faces.

    Attributes:
        landmarks: (N, M, 2) in pixels, in the order of the annotations; NaN for a face without any.
        occlusion: (N, M) probability that a landmark is hidden, or None where the file does not say.
        missing: the faces that have no prediction in the file, indices into the annotations.
        unused: how many predictions belong to none of the faces.
        by_overlap: how many photographs have several faces or predictions, matched by their overlap.
        role: what the file says that the faces were to the training of its network.
    """

    landmarks: Float
    occlusion: Float | None
    missing: NDArray[np.intp]
    unused: int
    by_overlap: int = 0
    role: Role = "test"


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
    rows, by_overlap = _match(path, found, annotations)
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
    unused = len(found.names) - len(set(rows[rows >= 0].tolist()))
    return Predictions(landmarks, occlusion, missing, unused, by_overlap, found.role)


def _match(path: Path, found: Found, annotations: Annotations) -> tuple[NDArray[np.intp], int]:
    """(N,) the row of each face's prediction, -1 where there is none; and how many photographs took their overlap."""
    images = annotations.images
    places = [name_of(image if "://" in image else os.path.abspath(image)) for image in images]  # noqa: PTH100
    if found.numbered:
        last = [_LAST_NUMBER.search(place[-1]) for place in places]
        places = [(str(int(number[1])),) if number else place for number, place in zip(last, places, strict=True)]
    faces: dict[Name, list[int]] = defaultdict(list)
    for i, place in enumerate(places):
        faces[place].append(i)
    names = _joined(found.names, places) if found.suffixed else found.names
    folders = zip(*(name[:-1] for name in names), strict=False)
    shared = len(list(itertools.takewhile(lambda folder: len(set(folder)) == 1, folders)))
    rows, by_overlap = np.full(len(images), -1, dtype=np.intp), 0
    for skip in dict.fromkeys((0, shared)):
        groups: dict[Name, list[int]] = defaultdict(list)
        for row, name in enumerate(names):
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
            if len(fitting) > 1:
                raise DataError(f"{path}: several predictions fit {images[members[0]]}, such as {shown}; keep one")
            if name in taken:
                other = images[faces[taken[name]][0]]
                raise DataError(
                    f"{path}: {shown} fits both {other} and {images[members[0]]}; give names with their folders, or "
                    "choose the faces with --split"
                )
            taken[name] = place
            if len(chosen) == len(members) and (len(chosen) == 1 or found.ordered):
                rows[members] = chosen
                continue
            by_overlap += 1
            pairs, doubtful = _by_overlap(annotations.landmarks[members], found.landmarks[chosen])
            if doubtful:
                raise DataError(
                    f"{path}: several predictions fit {images[members[0]]}, such as {shown}: two of them lie on one "
                    "face; keep one"
                )
            for face, row in pairs:
                rows[members[face]] = chosen[row]
        if taken:
            break
    return rows, by_overlap


def _joined(names: Sequence[Name], places: Sequence[Name]) -> list[Name]:
    """The names of files, those of NAME_2, NAME_3, … as NAME where that is there and no image bears the longer name."""
    there, images = set(names), {place[-1] for place in places}
    joined = []
    for name in names:
        numbered = _FURTHER_FACE.fullmatch(name[-1])
        first = (*name[:-1], numbered[1]) if numbered else name
        joined.append(first if first in there and name[-1] not in images else name)
    return joined


def _by_overlap(truth: Float, found: Float) -> tuple[list[tuple[int, int]], bool]:
    """Which faces (F, M, 2) and predictions (R, M, 2) of one photograph belong together, and whether that is doubtful.

    Those that overlap most come first. With no more predictions than faces every prediction gets a face, however bad
    it is: by the distance of the middles where nothing overlaps. Doubtful is one left over that lies on a face, or
    on another.
    """
    theirs, ours = tight_box(found), tight_box(truth)
    # A prediction without any landmark is nobody's.
    usable = np.flatnonzero(np.isfinite(theirs).all(axis=1)).tolist()
    shared = np.stack([overlap(box, theirs) for box in ours])
    away = np.linalg.norm((ours[:, None, :2] + ours[:, None, 2:] - theirs[:, :2] - theirs[:, 2:]) / 2, axis=-1)
    candidates = [(face, row) for face in range(len(ours)) for row in usable]
    if len(usable) > len(ours):
        candidates = [pair for pair in candidates if shared[pair] > 0]
    pairs: list[tuple[int, int]] = []
    for face, row in sorted(candidates, key=lambda pair: (-shared[pair], away[pair])):
        if face not in {pair[0] for pair in pairs} and row not in {pair[1] for pair in pairs}:
            pairs.append((face, row))
    left = [row for row in usable if row not in {pair[1] for pair in pairs}]
    twice = any(overlap(theirs[row], theirs[other]) >= 0.5 for row in left for other in usable if other != row)
    return pairs, twice or bool(left and (shared[:, left] >= _ON_THE_FACE).any())


def _same_truth(theirs: Float, ours: Float) -> bool:
    """Whether annotated landmarks agree to a hundredth of a pixel, as far as float32 tells."""
    return bool(np.allclose(theirs, ours, rtol=1e-6, atol=0.01, equal_nan=True))

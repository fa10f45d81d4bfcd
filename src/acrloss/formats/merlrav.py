"""MERL-RAV: 68 landmarks with two kinds of occlusion on 19,314 faces of AFLW (Kumar et al., CVPR 2020).

    merl_rav_organized/frontal/trainset/image00002.jpg       as its script copies them together
    merl_rav_organized/frontal/trainset/image00002.pts
    merl_rav_organized/left/testset/…   lefthalf/…   right/…   righthalf/…

    merl_rav_labels/frontal/trainset/labels/image00002.pts   as it is published, with AFLW beside it
    aflw/flickr/0/image00002.jpg                             image20991_2.pts is the second face of image20991.jpg

A landmark of an ordinary .pts file is x y; here -x -y is one that an object hides, at x y, and -1 -1 one that the
face itself hides, of which nothing is known. As in other .pts files the first pixel is taken for 1, 1; the set itself
does not say.

trainset and testset are the splits. Test faces are of subset "frontal", "half-profile" (lefthalf and righthalf) or
"profile" (left and right), as the paper's table has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.folders import Pictures, walk
from acrloss.formats.format import Format
from acrloss.formats.pts import read_pts
from acrloss.notes import Note

_POSES = {
    "frontal": "frontal",
    "left": "profile",
    "right": "profile",
    "lefthalf": "half-profile",
    "righthalf": "half-profile",
}
_SPLITS = {"trainset": "train", "testset": "test"}
_OFFICIAL_FACES = {"train": 15_449, "test": 3865, "frontal": 2195, "half-profile": 601, "profile": 1069}
_NAME = re.compile(r"(image[0-9]{5})(_[0-9]{1,3})?\.pts", re.IGNORECASE)
_LOOK_AT = 100


def recognises(path: Path) -> bool:
    """Whether there are .pts files of AFLW's names in a folder such as frontal/trainset."""
    try:
        return path.is_dir() and any(
            _part(path, folder) is not None and any(_NAME.fullmatch(name) for name in names)
            for folder, names in islice(walk(path), _LOOK_AT)
        )
    except (OSError, DataError):
        return False


def read_faces(path: Path, notes: list[Note], *, images: str | None = None) -> Iterator[Face]:
    """The faces of a folder of the set.

    Args:
        path: merl_rav_organized, merl_rav_labels, one of their folders, or the folder above.
        notes: receives a line for each face that is left out.
        images: AFLW's folder of images, flickr; where None images are looked for beside the .pts files, and in
            aflw/flickr in the folder or above it.
    """
    aflw: dict[str, str] | None = None
    found = False
    for folder, names in walk(path) if path.is_dir() else ():
        part = _part(path, folder)
        files = [match for name in names if (match := _NAME.fullmatch(name))]
        if part is None or not files:
            continue
        found = True
        pictures = Pictures(folder, names).single()
        pose, split = part
        subsets = frozenset({_POSES[pose]}) if split == "test" else frozenset[str]()
        for match in files:
            where = str(folder / match[0])
            image = pictures.get(match[1] + (match[2] or "")) if images is None else None
            if image is None:
                if aflw is None:
                    aflw = _aflw(path, images)
                image = aflw.get(match[1])
            if image is None:
                message = "no image beside it, nor in AFLW's folder; give images=…/aflw/data/flickr"
                notes.append(Note("left out", "without an image", where, message))
                continue
            try:
                landmarks, visible = read_signed_pts(where)
            except DataError as error:
                notes.append(unread("", error))
                continue
            yield Face(where, image, landmarks, visible, split=split, subsets=subsets, official_faces=_OFFICIAL_FACES)
    if not found:
        raise DataError(f"{path}: no folder such as frontal/trainset with .pts files; give MERL-RAV's folder")


def read_signed_pts(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Landmarks (M, 2) as 0-based pixels, NaN where -1 -1 stands, and whether they are visible (M,).

    Raises:
        DataError: as `acrloss.formats.pts.read_pts`, or one coordinate of a landmark is negative.
    """
    values = read_pts(path) + 1
    negative = values < 0
    if (mixed := negative[:, 0] != negative[:, 1]).any():
        x, y = values[mixed][0]
        raise DataError(f"{path}: landmark {int(mixed.argmax())} at {x:g} {y:g}: both coordinates or none are negative")
    landmarks = np.abs(values) - 1
    landmarks[(values == -1).all(axis=1)] = np.nan
    return landmarks, ~negative[:, 0]


def _part(path: Path, folder: Path) -> tuple[str, str] | None:
    """Pose and split of a folder such as frontal/trainset, or frontal/trainset/labels."""
    root = path.resolve()
    parts = [
        part.lower() for part in (root.parent.parent.name, root.parent.name, root.name, *folder.relative_to(path).parts)
    ]
    if parts[-1] == "labels":
        parts.pop()
    pose, split = parts[-2:]
    return (pose, _SPLITS[split]) if pose in _POSES and split in _SPLITS else None


def _aflw(path: Path, images: str | None) -> dict[str, str]:
    """Stem -> path of AFLW's images."""
    root = path.resolve()
    above = [base / name for base in (root, *list(root.parents)[:4]) for name in ("aflw/flickr", "aflw/data/flickr")]
    folder = Path(images) if images is not None else next((place for place in above if place.is_dir()), None)
    found: dict[str, str] = {}
    for place, names in walk(folder) if folder is not None else ():
        found |= Pictures(place, names).single()
    return found


FORMAT = Format(
    title="[MERL-RAV](merlrav.md)",
    looks_like="folders such as `frontal/trainset` of images and `.pts` files with negative coordinates",
    recognises=recognises,
    read=read_faces,
    more_general=("pts",),
)

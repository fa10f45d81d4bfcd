"""Folders of images with `.pts` files of the same stem, such as 300-W.

The official 300-W folders give split and subsets by the benchmark's protocol:

| folder | split | subsets |
|---|---|---|
| afw, helen/trainset, lfpw/trainset | train | |
| helen/testset, lfpw/testset | test | full, common |
| ibug | test | full, challenging |
| 300W/01_Indoor, 300W/02_Outdoor | private | private, and indoor or outdoor |

so that split "test" is the 689 faces of the "full" set; the private test set, which papers report apart, is a
split of its own. Elsewhere a folder named train, val, test, trainset or testset (or similar) names the split, and
test/common, test/challenging, private/indoor and private/outdoor stand for the official folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.files import read_limited, write_atomic
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.folders import PictureFolders, Pictures, image_folders, walk
from acrloss.formats.fields.splits import split_of_folder
from acrloss.formats.format import Format
from acrloss.formats.negative_points import read_hidden
from acrloss.notes import Note

_MAX_BYTES = 1_000_000

_PROTOCOL: dict[tuple[str, ...], tuple[str, frozenset[str]]] = {
    ("afw",): ("train", frozenset()),
    ("helen", "trainset"): ("train", frozenset()),
    ("lfpw", "trainset"): ("train", frozenset()),
    ("helen", "testset"): ("test", frozenset({"full", "common"})),
    ("lfpw", "testset"): ("test", frozenset({"full", "common"})),
    ("ibug",): ("test", frozenset({"full", "challenging"})),
    ("01_indoor",): ("private", frozenset({"private", "indoor"})),
    ("02_outdoor",): ("private", frozenset({"private", "outdoor"})),
}
# How many faces the protocol has; what is on disk may be fewer, and then its figures are not the published ones.
OFFICIAL_FACES = {
    "train": 3148,
    "test": 689,
    "full": 689,
    "common": 554,
    "challenging": 135,
    "private": 600,
    "indoor": 300,
    "outdoor": 300,
}
# Folders that `acrloss data convert` writes for subsets which no official folder names.
_SUBSETS: dict[tuple[str, str], tuple[str, frozenset[str]]] = {
    ("test", "common"): ("test", frozenset({"full", "common"})),
    ("test", "challenging"): ("test", frozenset({"full", "challenging"})),
    ("private", "indoor"): ("private", frozenset({"private", "indoor"})),
    ("private", "outdoor"): ("private", frozenset({"private", "outdoor"})),
}


def recognises(path: Path) -> bool:
    """Whether there is a .pts file in the folder or below it."""
    try:
        return path.is_dir() and any(name.lower().endswith(".pts") for _, names in walk(path) for name in names)
    except DataError:
        return False


def read_faces(
    path: Path,
    notes: list[Note],
    *,
    images: str | None = None,
    negative: Literal["outside", "hidden"] | None = None,
) -> Iterator[Face]:
    """Every .pts file of a folder and its sub-folders with the image beside it.

    Where none is, it is looked for in a folder called images, image, imgs, … in the folder of the .pts file, beside it
    or beside one above it: for labels/train/a.pts also in images/train.

    Args:
        path: the folder.
        notes: receives a line for each face that is left out.
        images: folder of the images, laid out like that of the .pts files or all in one; where None they are looked for
            as above.
        negative: landmarks -x, -y lie outside the image, or are hidden ones at x, y and missing ones at 1, 1, as in
            MERL-RAV; where None they are hidden where that puts many of them into their faces.
    """
    if not path.is_dir():
        raise DataError(f"{path}: expected a folder of images and .pts files")
    faces = list(_every_face(path, notes, images))
    read_hidden(faces, negative, notes)
    yield from faces


def _every_face(path: Path, notes: list[Note], images: str | None) -> Iterator[Face]:
    root = path.resolve()
    pictures = PictureFolders()
    for folder, names in walk(path):
        files = [name for name in names if name.lower().endswith(".pts")]
        if not files:
            continue
        below = folder.relative_to(path)
        split, subsets, official = _protocol((root.parent.name, root.name, *below.parts))
        if images is not None:
            places = [pictures[Path(images) / below], pictures[Path(images)]]
        else:
            places = [Pictures(folder, names), *(pictures[place] for place in image_folders(folder, path))]
        used: dict[str, str] = {}
        for name in files:
            where = str(folder / name)
            stem = name[: -len(".pts")]
            place, found = next(((place, found) for place in places if (found := place.named(stem))), (places[0], []))
            if len(found) != 1:
                message = f"several images beside it: {', '.join(found)}; keep one" if found else "no image beside it"
                notes.append(Note("left out", "without one image of its name", where, message))
                continue
            image = str(place.folder / found[0])
            if image in used:
                message = f"the image {image} has two .pts files, this and {used[image]}; keep one"
                notes.append(Note("left out", "of an image with two .pts files", where, message))
                continue
            used[image] = where
            try:
                landmarks = read_pts(where)
            except DataError as error:
                notes.append(unread("", error))
                continue
            yield Face(where, image, landmarks, split=split, subsets=subsets, official_faces=official)


def read_pts(path: str | Path) -> NDArray[np.float64]:
    """The landmarks (M, 2) of a .pts file as 0-based pixels (the file counts the first pixel as 1, 1).

    `version:` and `n_points:` lines, braces, empty lines and comments (# or //) are optional; any line ending
    will do.

    Raises:
        DataError: not such a file, a point that is not two finite numbers, or another number of points than
            n_points says; the message names file and line.
    """
    file = Path(path)
    content = read_limited(file, _MAX_BYTES, "a .pts file")
    # Latin-1 takes any byte, so that a comment in an unknown encoding does no harm.
    lines = (
        content.removeprefix(b"\xef\xbb\xbf").decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    )
    values: list[float] = []
    announced: int | None = None
    for number, raw in enumerate(lines, start=1):
        line = raw.split("#", 1)[0].split("//", 1)[0].replace("{", " ")
        line, closing, _ = line.partition("}")
        words = line.replace(",", " ").split()
        if words:
            try:
                # int() and float() also take 1_0, which no other program writes or reads.
                x, y = [float(word) for word in words]
                if "_" in line:
                    raise ValueError
            except ValueError:
                key, colon, value = line.partition(":")
                if not colon or values:
                    raise DataError(f"{file}:{number}: expected two numbers x y, got {raw.strip()[:60]!r}") from None
                if key.strip().lower() == "n_points":
                    if not value.strip().isdecimal() or len(value.strip()) > 18:
                        raise DataError(
                            f"{file}:{number}: n_points must be a number, got {value.strip()[:60]!r}"
                        ) from None
                    announced = int(value)
                continue
            if not (-1e9 < x < 1e9 and -1e9 < y < 1e9):
                raise DataError(f"{file}:{number}: coordinates must be finite, got {raw.strip()[:60]!r}")
            values += (x - 1, y - 1)
        if closing:
            break
    if not values:
        raise DataError(f"{file}: no points in the file")
    landmarks = np.array(values, dtype=np.float64).reshape(-1, 2)
    if announced is not None and announced != len(landmarks):
        raise DataError(f"{file}: n_points says {announced}, but there are {len(landmarks)} points")
    return landmarks


def write_pts(path: str | Path, landmarks: ArrayLike) -> Path:
    """Write landmarks (M, 2), 0-based pixels, as a .pts file (1-based, six decimals).

    Raises:
        ValueError: another shape, or a value that is not finite (the format has no missing landmarks).
        DataError: the file cannot be written.
    """
    return write_atomic(path, pts_text(landmarks))


def pts_text(landmarks: ArrayLike) -> str:
    """What `write_pts` writes."""
    points = np.asarray(landmarks, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"expected finite landmarks (M, 2), got shape {points.shape}")
    body = "".join(f"{x:.6f} {y:.6f}\n" for x, y in (points + 1).tolist())
    return f"version: 1\nn_points: {len(points)}\n{{\n{body}}}\n"


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write a .pts file beside each image.

    Args:
        folder: an existing folder.
        annotations: faces without missing landmarks.
        images: a face's image, relative to the folder; each face has its own, in `image_folder`.

    Returns:
        A line where splits or subsets could not be kept.
    """
    lost = 0
    for i, image in enumerate(images):
        write_pts((folder / image).with_suffix(".pts"), annotations.landmarks[i])
        kept = _protocol(("", "", *Path(image).parts[:-1]))[:2]
        lost += kept != (annotations.splits[i], annotations.subsets[i])
    if not lost:
        return []
    return [f"pts folders hold 300-W's subsets and the splits train, val, test and private: {lost} faces lose theirs"]


def image_folder(split: str, subsets: frozenset[str]) -> str:
    """The folder, in that of the data set, that tells a face's split and subsets."""
    for names, meaning in _SUBSETS.items():
        if meaning == (split, subsets):
            return "/".join(names)
    return split if split and split_of_folder(split) == split else ""


def _refusal(folder: Path, annotations: Annotations) -> str:
    """Why these faces cannot be written into a folder of that name: it tells the split of all that no other tells."""
    split = _protocol((folder.parent.name, folder.name))[0]
    if not split or all(map(image_folder, annotations.splits, annotations.subsets)):
        return ""
    return f"a folder of this name means split {split!r}, which faces here are not in"


def _protocol(parts: tuple[str, ...]) -> tuple[str, frozenset[str], Mapping[str, int]]:
    """Split, subsets and official counts by folder names, innermost first; parts[0] only completes a pair of names."""
    names = [part.lower() for part in parts]
    for i in reversed(range(1, len(names))):
        for key in (tuple(names[i - 1 : i + 1]), (names[i],)):
            if key in _PROTOCOL:
                return *_PROTOCOL[key], OFFICIAL_FACES
            if key in _SUBSETS:
                return *_SUBSETS[key], {}
        if split := split_of_folder(names[i]):
            return split, frozenset(), {}
    return "", frozenset(), {}


FORMAT = Format(
    title="images with a .pts file beside each: 300-W and its relatives",
    looks_like="folders of images and `.pts` files",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
    cannot_hold=frozenset({"missing landmarks", "visibility", "boxes", "persons"}),
    images="one each",
    image_folder=image_folder,
    refuses=_refusal,
)

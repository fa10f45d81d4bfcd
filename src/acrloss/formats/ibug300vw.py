"""300-VW (300 Videos in the Wild): 68 landmarks in every frame of 114 videos.

    001/vid.avi
    001/annot/000001.pts        frames count from 1
    001/image/000001.jpg        extracted frames, in a folder called image, images, imgs, frames or extraction

Videos are not read, frames are. `ffmpeg -i vid.avi -start_number 1 -q:v 1 image/%06d.jpg` extracts them.

A video's number tells its split: 64 are the test videos of three categories (subsets "category-1" well lit,
"category-2" everyday conditions, "category-3" arbitrary conditions), 50 are for training. The person is the video, so
that none is on both sides of a split. A .pts file counts from 1, 1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from acrloss.errors import DataError
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.folders import PictureFolders, Pictures, image_folders, split_of, walk
from acrloss.formats.format import Format
from acrloss.formats.pts import read_pts
from acrloss.notes import Note

_FOLDER = "annot"
_LOOK_AT = 50
_EXTRACT = "ffmpeg -i vid.avi -start_number 1 -q:v 1 image/%06d.jpg"
# The test videos by category (Shen et al., "The First Facial Landmark Tracking in-the-Wild Challenge", 2015).
_CATEGORIES = {
    "category-1": (
        *(114, 124, 125, 126, 150, 158, 401, 402, 505, 506, 507, 508, 509, 510, 511),
        *(514, 515, 518, 519, 520, 521, 522, 524, 525, 537, 538, 540, 541, 546, 547),
        *(548,),
    ),
    "category-2": (
        *(203, 208, 211, 212, 213, 214, 218, 224, 403, 404, 405, 406, 407, 408, 409),
        *(412, 550, 551, 553),
    ),
    "category-3": (*(410, 411, 516, 517, 526, 528, 529, 530, 531, 533, 557, 558, 559, 562),),
}
_TRAINING = (
    *(1, 2, 3, 4, 7, 9, 10, 11, 13, 15, 16, 17, 18, 19, 20),
    *(22, 25, 27, 28, 29, 31, 33, 34, 35, 37, 39, 41, 43, 44, 46),
    *(47, 48, 49, 53, 57, 59, 112, 113, 115, 119, 120, 123, 138, 143, 144),
    *(160, 204, 205, 223, 225),
)


def recognises(path: Path) -> bool:
    """Whether there is a folder annot of .pts files named after frames, of a video or of a folder named as these are:
    the path, in it, or not far below it."""
    try:
        return path.is_dir() and any(
            folder.resolve().name.lower() == _FOLDER
            and any(_frame(name) is not None for name in names)
            and _is_video(folder.resolve().parent)
            for folder, names in islice(walk(path), _LOOK_AT)
        )
    except (OSError, DataError):
        return False


def read_faces(path: Path, notes: list[Note]) -> Iterator[Face]:
    """The annotated frames of every video in a folder.

    Args:
        path: the folder of all videos, or of one.
        notes: receives a line for each frame that is left out, and one for each video without frames.
    """
    pictures = PictureFolders()
    for folder, names in walk(path) if path.is_dir() else ():
        files = {frame: name for name in names if (frame := _frame(name)) is not None}
        if folder.resolve().name.lower() != _FOLDER or not files:
            continue
        video = folder.resolve().parent.name
        split, subsets = _protocol(path, folder, video)
        places = [pictures[place] for place in (*image_folders(folder, path), folder.parent)]
        frames = next((frames for place in places if (frames := _frames(place))), {})
        if not frames or (0 in frames and 0 not in files):
            problem = "the frames count from 0, the annotations from 1" if frames else "no frames beside it"
            message = f"{problem}: extract them with {_EXTRACT} in {folder.parent}"
            notes.append(Note("left out", "of a video without its frames", str(folder), message, len(files)))
            continue
        for frame, name in sorted(files.items()):
            where = str(folder / name)
            if frame not in frames:
                notes.append(Note("left out", "without its frame", where, f"no frame {frame} was extracted"))
                continue
            try:
                landmarks = read_pts(where)
            except DataError as error:
                notes.append(unread("", error))
                continue
            yield Face(where, frames[frame], landmarks, person=video, split=split, subsets=subsets)


def _frame(name: str) -> int | None:
    """The number of a frame that a .pts file is named after."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (pathlib is ten times slower here)
    return _number(stem) if suffix.lower() == ".pts" else None


def _is_video(folder: Path) -> bool:
    return re.fullmatch("[0-9]{3}", folder.name) is not None or (folder / "vid.avi").exists()


def _number(stem: str) -> int | None:
    return int(stem) if stem.isascii() and stem.isdecimal() and len(stem) <= 9 else None


def _frames(pictures: Pictures) -> dict[int, str]:
    """Number -> image of a folder of frames."""
    return {
        int(stem): path
        for stem, path in pictures.single().items()
        if stem.isascii() and stem.isdecimal() and len(stem) <= 9
    }


def _protocol(path: Path, folder: Path, video: str) -> tuple[str, frozenset[str]]:
    number = _number(video)
    for category, videos in _CATEGORIES.items():
        if number in videos:
            return "test", frozenset({category})
    if number in _TRAINING:
        return "train", frozenset()
    return split_of(path, folder), frozenset()


FORMAT = Format(
    title="[300-VW](ibug300vw.md)",
    looks_like="a folder for each video with `annot` of .pts files and the extracted frames",
    recognises=recognises,
    read=read_faces,
    more_general=("pts",),
)

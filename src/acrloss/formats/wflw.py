"""WFLW (Wider Facial Landmarks in-the-Wild), 98 landmarks, as its authors distribute it:

    WFLW_images/0--Parade/…jpg
    WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt    7500 faces, split "train"
    WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_test.txt     2500 faces, split "test"
    WFLW_annotations/list_98pt_test/list_98pt_test.txt, list_98pt_test_largepose.txt and so on

A line is a face: 98 times x y; the box x0 y0 x1 y1; 1 or 0 for pose, expression, illumination, make-up, occlusion and
blur; the image's path below WFLW_images. The lists of list_98pt_test have neither box nor attributes. The attributes
give the subsets of the test faces. Coordinates are taken as they stand: the authors name no base, and their tools and
everybody's take them as 0-based.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from acrloss.errors import DataError
from acrloss.files import regular_only
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import ordered_box
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.values import numbers, text
from acrloss.formats.format import Format
from acrloss.notes import Note

_NAME = re.compile(r"list_98pt_.*\.txt", re.IGNORECASE)
_ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
# Lists of one subset are named after it, with these words.
_LISTS = dict(zip(("largepose", "expression", "illumination", "makeup", "occlusion", "blur"), _ATTRIBUTES, strict=True))
_OFFICIAL_FACES = {
    "train": 7500,
    "test": 2500,
    "pose": 326,
    "expression": 314,
    "illumination": 698,
    "make-up": 206,
    "occlusion": 736,
    "blur": 773,
}
_COORDINATES, _BOX = 196, 4
_MAX_LINE = 100_000
_MAX_BYTES = 1_000_000_000
# How far above a list WFLW_images may lie.
_MAX_UP = 3


def recognises(path: Path) -> bool:
    """Whether this is a list_98pt_….txt, or a folder of the official layout with one in it."""
    return bool(_lists(path)) if path.is_dir() else bool(_NAME.fullmatch(path.name))


def read_faces(path: Path, notes: list[Note], *, image_folder: str | Path | None = None) -> Iterator[Face]:
    """The faces of a list, or of the lists for training and test in a folder.

    Args:
        path: WFLW's folder, WFLW_annotations, a folder of lists, or one list.
        notes: receives a line for each bad line.
        image_folder: the folder that image paths are below; WFLW_images beside the lists, or up to three folders
            above them, where None.
    """
    lists = _lists(path) if path.is_dir() else [path]
    if not lists:
        raise DataError(f"{path}: no list_98pt_rect_attr_train.txt or other WFLW list in the folder; give the file")
    for file in lists:
        folders = [Path(image_folder)] if image_folder is not None else _image_folders(path, file)
        yield from _read_list(file, notes, folders)


def _lists(path: Path) -> list[Path]:
    """The lists with attributes in a folder of the official layout, or else the list of all test faces."""
    folders = [path, path / "WFLW_annotations"]
    folders += [folder / name for folder in folders for name in ("list_98pt_rect_attr_train_test", "list_98pt_test")]
    found = {
        child.name.lower(): child
        for folder in reversed(folders)
        if folder.is_dir()
        for child in sorted(folder.iterdir())
        if _NAME.fullmatch(child.name)
    }
    for names in (("list_98pt_rect_attr_train.txt", "list_98pt_rect_attr_test.txt"), ("list_98pt_test.txt",)):
        if chosen := [found[name] for name in names if name in found]:
            return chosen
    return list(found.values()) if len(found) == 1 else []


def _image_folders(path: Path, file: Path) -> list[Path]:
    """Where the images of a list may be."""
    above = [path] if path.is_dir() else []
    above += list(file.absolute().parents)[: _MAX_UP + 1]
    found = [folder / "WFLW_images" for folder in above if (folder / "WFLW_images").is_dir()]
    if not found:
        raise DataError(f"{file}: no folder WFLW_images beside it or above it; give image_folder")
    return found


def _read_list(file: Path, notes: list[Note], folders: list[Path]) -> Iterator[Face]:
    name = file.stem.lower()
    split = "train" if "train" in name else "test" if "test" in name else ""
    listed = frozenset(tag for word, tag in _LISTS.items() if name.endswith(word))
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise DataError(f"{file}: {size} bytes; a WFLW list may have at most {_MAX_BYTES}")
        with open(file, encoding="utf-8-sig", errors="replace", opener=regular_only) as lines:
            number = 0
            while line := lines.readline(_MAX_LINE):
                number += 1
                if len(line) == _MAX_LINE:
                    raise DataError(f"{file}:{number}: a line of {_MAX_LINE} characters or more; this is no WFLW list")
                if not line.strip():
                    continue
                try:
                    face = _read_line(f"{file}:{number}", line, folders, notes)
                except ValueError as error:
                    notes.append(unread(f"{file}:{number}", error))
                    continue
                face.split = split
                face.subsets = (face.subsets | listed) if split == "test" else frozenset()
                yield face
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _read_line(where: str, line: str, folders: list[Path], notes: list[Note]) -> Face:
    words = line.split()
    extra = len(words) - _COORDINATES - 1
    if extra not in (0, _BOX, _BOX + len(_ATTRIBUTES)):
        raise ValueError(
            f"{len(words)} words, expected {_COORDINATES} coordinates, perhaps 4 of a box, 6 attributes, and an image"
        )
    marks = numbers(words[:_COORDINATES], "landmarks").reshape(-1, 2)
    face = Face(where, locate(text(words[-1], "the image"), folders), marks, official_faces=_OFFICIAL_FACES)
    if extra:
        face.box = ordered_box(words[_COORDINATES : _COORDINATES + _BOX], where, notes)
    flags = words[_COORDINATES + _BOX : -1]
    if any(flag not in ("0", "1") for flag in flags):
        raise ValueError(f"attributes must be 0 or 1, got {' '.join(flags)[:60]}")
    face.subsets = frozenset(name for name, flag in zip(_ATTRIBUTES, flags, strict=False) if flag == "1")
    return face


FORMAT = Format(
    title="[WFLW](wflw.md)",
    looks_like="`list_98pt_….txt` beside `WFLW_images`",
    recognises=recognises,
    read=read_faces,
)

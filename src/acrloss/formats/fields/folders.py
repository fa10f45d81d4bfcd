"""Folders of data sets: walking them, the images in them, and where images lie that are kept apart from annotations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from acrloss.errors import DataError
from acrloss.formats.fields.splits import split_of_folder
from acrloss.images import IMAGE_SUFFIXES

# What people call the folder of images beside one of annotations.
_IMAGE_FOLDERS = (
    *("images", "image", "imgs", "img", "pictures", "picture", "photos", "frames"),
    *("extraction", "picture_mask"),
)
# No data set has more; a path that a file names may lead anywhere.
_MAX_FOLDERS = 100_000
# How deep exports lie, in how many folders, and how many files of one are looked at before it is passed over.
_EXPORT_DEPTH, _EXPORT_FOLDERS, _EXPORT_FILES = 4, 1000, 20


def walk(path: Path, depth: int | None = None) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those below it, at most `depth` deep, with their sorted file names. Links are followed, but no
    folder twice.

    Raises:
        DataError: so many folders that it cannot be a data set.
    """
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        status = os.stat(folder)  # noqa: PTH116 (os.walk gives texts)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if len(seen) > _MAX_FOLDERS:
            raise DataError(f"{path}: more than {_MAX_FOLDERS} folders; give the data set's own folder")
        folders.sort()
        if depth is not None and len(Path(folder).relative_to(path).parts) >= depth:
            folders.clear()
        yield Path(folder), sorted(names)


def exports(path: Path, suffix: str, is_one: Callable[[Path], bool]) -> list[Path]:
    """The files of a kind: the path itself, those in it or, where none is, those in the folders below it, as of several
    exports that were each unpacked in a folder of its own.

    Args:
        path: a file or folder.
        suffix: of their names, as in ".xml".
        is_one: whether a file of that suffix is of the kind.
    """
    if not path.is_dir():
        return [path] if path.suffix.lower() == suffix and path.is_file() and is_one(path) else []
    found: list[Path] = []
    for folder, names in islice(walk(path, _EXPORT_DEPTH), _EXPORT_FOLDERS):
        files = [folder / name for name in names if name.lower().endswith(suffix) and (folder / name).is_file()]
        # Below the path thousands of files of another kind are passed over after the first few.
        if folder == path or any(map(is_one, files[:_EXPORT_FILES])):
            found += filter(is_one, files)
        if folder == path and found:
            break
    return found


class Pictures:
    """The image files of a folder, by stem."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self.folder = folder
        self._exact: dict[str, list[str]] = {}
        self._lowered: dict[str, list[str]] = {}
        for name in names:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 (pathlib is ten times slower here)
            if suffix.lower() in IMAGE_SUFFIXES:
                self._exact.setdefault(stem, []).append(name)
                self._lowered.setdefault(stem.lower(), []).append(name)

    def named(self, stem: str) -> list[str]:
        """The images of that stem, or else those whose stem differs in case only."""
        return self._exact.get(stem) or self._lowered.get(stem.lower()) or []

    def single(self) -> dict[str, str]:
        """Stem -> path of every image that is the only one of its stem."""
        return {stem: str(self.folder / names[0]) for stem, names in self._exact.items() if len(names) == 1}


def split_of(path: Path, folder: Path) -> str:
    """The split that the innermost folder, from `folder` up to `path`, is called, as in "valid", "testset" or
    "Training_data"; "" where none is."""
    names = (path.resolve().name, *folder.relative_to(path).parts)
    return next((split for name in reversed(names) if (split := split_of_folder(name))), "")


class PictureFolders:
    """The images of folders, each of which is listed once."""

    def __init__(self) -> None:
        self._known: dict[Path, Pictures] = {}

    def __getitem__(self, folder: Path) -> Pictures:
        """The images of a folder; none where there is no such folder."""
        if folder not in self._known:
            try:
                names = sorted(os.listdir(folder))  # noqa: PTH208 (pathlib is ten times slower here)
            except OSError:
                names = []
            self._known[folder] = Pictures(folder, names)
        return self._known[folder]


def image_folders(folder: Path, root: Path) -> list[Path]:
    """The folders in which images may lie that belong to a folder of annotations in `root`, nearest first.

    `annot/` has them in `image/` beside it, `labels/train/` in `images/train/`, and a folder without images in
    `images/` in it, by any of the usual names.
    """
    found = _called_images(folder)
    below: tuple[str, ...] = ()
    while True:
        found += [place for beside in _called_images(folder.parent) if (place := beside.joinpath(*below)).is_dir()]
        if folder in (root, folder.parent):
            return list(dict.fromkeys(found))
        below = (folder.name, *below)
        folder = folder.parent


def _called_images(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = {entry.name.lower(): entry.name for entry in entries if entry.is_dir()}
    except OSError:
        return []
    return [folder / names[name] for name in _IMAGE_FOLDERS if name in names]

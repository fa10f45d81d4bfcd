"""Writing annotations in any of the writable formats."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats.format import Format, Part
from acrloss.formats.registry import WRITERS
from acrloss.images import IMAGE_SUFFIXES, read_image
from acrloss.images.encode import encode_png
from acrloss.images.header import MAX_BYTES, read_bytes
from acrloss.progress_hook import Progress, no_progress
from acrloss.schemes.lookup import SCHEME_FILE, is_builtin, scheme_text

_ODD = re.compile(r"^\.+|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def write_annotations(
    annotations: Annotations,
    dest: str | Path,
    format: str,
    *,
    copy_images: bool = False,
    relative: bool = False,
    faceless: Sequence[str] = (),
    progress: Progress = no_progress,
) -> list[str]:
    """Write annotations as a folder that `acrloss.formats.read_annotations` reads.

    Landmarks and boxes come back to 1e-5 pixels. The folder appears when it is complete. A scheme that is not built in
    is written as `scheme.yaml`, where reading finds it.

    Args:
        annotations: the faces.
        dest: a new or empty folder.
        format: a name in `WRITERS`.
        copy_images: put the images into `dest`; else the files name them by absolute paths. Formats whose files name no
            image, such as pts, always have them copied. What is no file of its own (synthetic faces, images in a
            COFW file) is written as PNG.
        relative: name images that stay where they are relative to `dest`, so that both can move together.
        faceless: image files in which no face was found, for formats that list these too: a missed face can then be
            added by hand.
        progress: wraps the numbers of the faces whose images are copied, for a progress bar.

    Returns:
        One line for each thing that the format cannot hold and that was left out or changed.

    Raises:
        DataError: an unknown format, `dest` is not empty or cannot be written, an image cannot be read, or nothing is
            left to write.
    """
    its = WRITERS.get(format)
    if its is None or its.write is None:
        raise DataError(f"format {format!r} cannot be written; give one of {', '.join(WRITERS)}")
    dest = Path(os.path.abspath(dest))  # noqa: PTH100 (links stay as they are named)
    notes = [
        f"{format} cannot hold {what}, which {count} of {len(annotations)} faces have: left out"
        + (" with the faces" if what == "missing landmarks" else "")
        for what, count in _contents(annotations).items()
        if count and what in its.cannot_hold
    ]
    if "missing landmarks" in its.cannot_hold:
        annotations = annotations.select(~np.isnan(annotations.landmarks).any(axis=(1, 2)))
    if len(annotations) == 0:
        raise DataError(f"{annotations.source}: no face that {format} can hold; choose another format")
    copy_images = copy_images or its.images != "named"
    inside = next((image for image in annotations.images if "://" in image), None)
    if not copy_images and inside is not None:
        raise DataError(f"{inside} is no image file; give --copy_images true to have such images written")
    if refusal := its.refuses(dest, annotations):
        raise DataError(f"{dest}: {refusal}")
    temporary = _begin(dest)
    try:
        if copy_images:
            images = _copy_images(annotations, temporary, its, progress)
        else:
            images = [_named(image, dest, relative) for image in annotations.images]
        notes += its.write(temporary, annotations, images)
        if not is_builtin(annotations.scheme):
            (temporary / SCHEME_FILE).write_text(scheme_text(annotations.scheme), encoding="utf-8")
        if faceless and (its.add_faceless is None or copy_images):
            notes.append(f"{format} does not list images without faces: {len(faceless)} left out")
        elif faceless and its.add_faceless is not None:
            its.add_faceless(temporary, [_named(image, dest, relative) for image in faceless])
        if dest.exists():
            dest.rmdir()
        temporary.rename(dest)
    except OSError as error:
        # Not error.filename: that is in the temporary folder, or what was being copied.
        raise DataError(
            f"cannot write {dest}: {error.strerror or error}; make room or choose another folder"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return notes


def not_written(annotations: Annotations, format: str) -> list[str]:
    """A line for each face that `write_annotations` leaves out in this format: it lacks a landmark, and must not."""
    if "missing landmarks" not in WRITERS[format].cannot_hold:
        return []
    lines = []
    for face, missing in enumerate(np.isnan(annotations.landmarks[..., 0])):
        if missing.any():
            numbers = ", ".join(map(str, np.flatnonzero(missing)[:5])) + (", …" if missing.sum() > 5 else "")
            lines.append(f"{annotations.images[face]}: without landmark {numbers}, which {format} cannot leave out")
    return lines


def _named(image: str, dest: Path, relative: bool) -> str:
    """How the files in `dest` name an image that stays where it is."""
    path = os.path.abspath(image)  # noqa: PTH100 (links stay as they are named)
    try:
        return Path(os.path.relpath(path, dest)).as_posix() if relative else path
    except ValueError:  # on another drive of Windows
        return path


def _contents(annotations: Annotations) -> dict[Part, int]:
    """How many faces have what not every format can hold."""
    missing = np.isnan(annotations.landmarks[..., 0])
    return {
        "missing landmarks": int(missing.any(axis=1).sum()),
        "visibility": int((~annotations.visible & ~missing).any(axis=1).sum()),
        "boxes": int((~np.isnan(annotations.boxes[:, 0])).sum()),
        "persons": sum(1 for person in annotations.persons if person),
        "subsets": sum(1 for tags in annotations.subsets if tags),
        "splits": sum(1 for split in annotations.splits if split not in ("", "train", "val", "test")),
    }


def _begin(dest: Path) -> Path:
    """A folder beside `dest` that becomes `dest` when all is in it."""
    try:
        if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
            raise DataError(f"{dest} is not an empty folder; give another one")
        dest.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=dest.parent, prefix=f".{dest.name}."))
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
    except OSError as error:
        raise DataError(f"cannot write {dest}: {error.strerror or error}; choose another folder") from error
    return temporary


def _copy_images(annotations: Annotations, folder: Path, format: Format, progress: Progress) -> list[str]:
    """Put the images into `folder`, each once for each folder in it where the format wants it, or once for each face;
    their paths in it."""
    taken: set[str] = set()
    placed: dict[object, str] = {}
    names = []
    for i in progress(range(len(annotations)), "copying images", len(annotations)):
        reference = annotations.images[i]
        below = format.image_folder(annotations.splits[i], annotations.subsets[i])
        key = i if format.images == "one each" else (reference, below)
        if key not in placed:
            placed[key] = _copy_image(reference, folder, below, taken)
        names.append(placed[key])
    return names


def _copy_image(reference: str, folder: Path, below: str, taken: set[str]) -> str:
    kind, inside, rest = reference.rpartition("://")
    if inside:
        # "synthetic://0/12?size=96" or "cofw://PATH/NAME.mat#IsTr/12": the numbers tell images apart.
        container, _, item = rest.rpartition("#")
        stem, suffix = re.sub(r"\W+", "_", f"{Path(container).stem or kind}_{item}"), ""
    else:
        stem, suffix = Path(reference).stem, Path(reference).suffix
    # Neither hidden nor such that no line of a file can name it.
    stem = _ODD.sub("_", stem)
    name, number = stem, 2
    # Formats tell images apart by stem, and some file systems do not tell `a` from `A`.
    while f"{below}/{name}".lower() in taken:
        name, number = f"{stem}_{number}", number + 1
    taken.add(f"{below}/{name}".lower())
    (folder / below).mkdir(parents=True, exist_ok=True)
    if suffix.lower() in IMAGE_SUFFIXES:
        name = f"{below}/{name}{suffix}".removeprefix("/")
        (folder / name).write_bytes(read_bytes(reference, MAX_BYTES))
    else:
        name = f"{below}/{name}.png".removeprefix("/")
        (folder / name).write_bytes(encode_png(read_image(reference)))
    return name

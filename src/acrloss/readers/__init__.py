"""Reading annotated faces from disk.

A format is one module here with

- `recognises(path) -> bool`: a quick look whether the path is of this format, and
- `read_faces(path, skipped, **options) -> Iterator[Face]`: every face as it stands in the files. A face that
  cannot be parsed is left out, with one line (file, line, reason) added to `skipped`; a problem of the whole
  source is a DataError. Options are keyword arguments with defaults.

and a line in `FORMATS`. One that can be written has `write_faces` too, see `acrloss.convert`. Number of landmarks,
images, outliers and repeated faces are checked for all formats alike in `acrloss.readers.faces`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.progress_hook import Progress, no_progress
from acrloss.readers import aflw19, coco, cofw, cofw68, csv, cvat, imglab, labelme, packed, pts, wflw
from acrloss.readers.faces import Face, Repeated, collect
from acrloss.schemes import Scheme, generic_scheme, get_scheme


class Format(Protocol):
    """A reader module."""

    def recognises(self, path: Path) -> bool: ...

    @property
    def read_faces(self) -> Callable[..., Iterator[Face]]: ...


FORMATS: dict[str, Format] = {
    "pts": pts,
    "csv": csv,
    "cofw": cofw,
    "cofw68": cofw68,
    "wflw": wflw,
    "aflw19": aflw19,
    "imglab": imglab,
    "coco": coco,
    "cvat": cvat,
    "labelme": labelme,
    "packed": packed,
}
# What is of the first format is of the second, a more general one, too.
_MORE_GENERAL = {"aflw19": "csv"}

_SYNTHETIC = re.compile(r"synthetic(?::(\d{1,9}))?(?:@(\d{1,9}))?")
_DEFAULT_SYNTHETIC_FACES = 2000


def read_annotations(
    source: str | Path,
    format: str | None = None,
    scheme: str | Path | Scheme | None = None,
    *,
    repeated: Repeated = "last",
    progress: Progress = no_progress,
    **options: Any,
) -> Annotations:
    """Read annotated faces.

    Args:
        source: a folder or file in one of `FORMATS`, or synthetic faces: "synthetic", "synthetic:2000"
            (count) or "synthetic:2000@7" (count and seed).
        format: a name in `FORMATS`; recognised by looking where None.
        scheme: a scheme, its name or its YAML file; chosen by the number of landmarks where None. "generic" takes
            any number of landmarks and knows no flip pairs (see `acrloss.schemes.generic_scheme`).
        repeated: what to do where one face of one image is annotated more than once (the same person, or
            landmark boxes that overlap by more than half): "last" keeps the last, "keep" all, "error"
            refuses.
        progress: wraps the iterator over faces, for a progress bar.
        options: the format's own, see its `read_faces`.

    Returns:
        The usable faces. A face is left out, with file and reason in `skipped`, where its image is missing or
        has no readable header, its landmarks cannot be parsed, are too many or too few, not finite, or
        further outside the image than the image is large.

    Raises:
        DataError: nothing usable was found, the format is not recognised, or the scheme does not fit.

    Warns:
        UserWarning: the flip pairs do not mirror these faces, see `acrloss.schemes.mirror.check_flip`.
    """
    text = str(source)
    chosen: Scheme | Literal["generic"] | None
    chosen = "generic" if scheme == "generic" else get_scheme(scheme) if isinstance(scheme, str | Path) else scheme
    if text == "synthetic" or text.startswith(("synthetic:", "synthetic@")):
        return _synthetic(text, chosen)
    path = Path(source)
    try:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; give the folder of a data set, or synthetic")
        if path.is_dir() and next(path.iterdir(), None) is None:
            raise DataError(f"{path}: the folder is empty; give a folder with annotated faces")
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    name = format or recognise(path)
    if name not in FORMATS:
        raise DataError(f"unknown format {name!r}; give one of {', '.join(FORMATS)}")
    read_faces = FORMATS[name].read_faces
    known = [key for key in inspect.signature(read_faces).parameters if key not in {"path", "skipped"}]
    for key in options:
        if key not in known:
            raise DataError(f"unknown option {key!r} of format {name}; it has {', '.join(known) or 'no options'}")
    if name == "packed" and chosen is None:
        # The one format that says what its landmarks are.
        chosen = packed.own_scheme(path)
    skipped: list[str] = []
    faces: Iterable[Face] = read_faces(path, skipped, **options)
    try:
        return collect(text, progress(faces, "reading"), skipped, chosen, repeated)
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error


def recognise(path: Path) -> str:
    """The name in `FORMATS` of the format that a file or folder looks like.

    Raises:
        DataError: it looks like none of them, or like several.
    """
    names = [name for name, module in FORMATS.items() if module.recognises(path)]
    general = {_MORE_GENERAL.get(name) for name in names}
    names = [name for name in names if name not in general]
    if len(names) == 1:
        return names[0]
    if names:
        raise DataError(f"{path}: could be {' or '.join(names)}; give format= one of them")
    raise DataError(f"{path}: no annotated faces of a known format ({', '.join(FORMATS)}) found; give another path")


def _synthetic(text: str, scheme: Scheme | Literal["generic"] | None) -> Annotations:
    match = _SYNTHETIC.fullmatch(text)
    if match is None:
        raise DataError(
            f"{text!r}: expected synthetic, synthetic:COUNT or synthetic:COUNT@SEED, as in synthetic:2000@7"
        )
    from acrloss.synthetic import generate

    count = int(match[1]) if match[1] else _DEFAULT_SYNTHETIC_FACES
    if count < 1:
        raise DataError(f"{text!r}: the count must be at least 1")
    annotations = generate(count, seed=int(match[2] or 0))
    if scheme == "generic":
        return replace(annotations, scheme=generic_scheme(annotations.scheme.num_landmarks))
    if scheme is not None and scheme.num_landmarks != annotations.scheme.num_landmarks:
        raise DataError(
            f"{text}: scheme {scheme.name} has {scheme.num_landmarks} landmarks, but synthetic faces have "
            f"{annotations.scheme.num_landmarks}; use {annotations.scheme.name}"
        )
    return annotations

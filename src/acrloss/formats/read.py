"""Reading annotated faces from disk.

A format is one module here, with a `Format` that says how it is read, and a line in `acrloss.formats.registry`.
Number of landmarks, images, outliers and repeated faces are checked for all formats alike in `acrloss.formats.collect`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats.collect import Repeated, collect
from acrloss.formats.face import Face
from acrloss.formats.registry import FORMATS, recognise
from acrloss.notes import Note
from acrloss.progress_hook import Progress, no_progress
from acrloss.schemes import Scheme, get_scheme
from acrloss.schemes.lookup import scheme_beside


def read_annotations(
    source: str | Path,
    format: str | None = None,
    scheme: str | Path | Scheme | None = None,
    *,
    repeated: Repeated = "last",
    strict: bool = False,
    progress: Progress = no_progress,
    **options: Any,
) -> Annotations:
    """Read annotated faces.

    Args:
        source: a folder or file in one of `FORMATS`, or synthetic faces: "synthetic", "synthetic:2000"
            (count) or "synthetic:2000@7" (count and seed).
        format: a name in `FORMATS`; recognised by looking where None.
        scheme: a scheme, its name or its YAML file. Where None, a `scheme.yaml` beside the annotations counts if it has
            as many landmarks as they, then what the files say, then the number of landmarks. "generic" takes any number
            of landmarks and knows no flip pairs (see `acrloss.schemes.generic_scheme`).
        repeated: what to do where one face of one image is annotated more than once (landmark boxes that
            overlap by more than half, or at all where the person is the same): "last" keeps the last, "keep"
            all, "error" refuses.
        strict: refuse data of which anything is left out, ignored, changed or guessed, or whose splits nobody uses
            (`Annotations.remarks`).
        progress: wraps the iterator over faces, for a progress bar.
        options: the format's own, see its `read_faces`.

    Returns:
        The usable faces. A face is left out, with file and reason in `notes`, where its image is missing or
        has no readable header, its landmarks cannot be parsed, are too many or too few, not finite, or
        further outside the image than the image is large.

    Raises:
        DataError: nothing usable was found, the format is not recognised, the scheme does not fit, or `strict` and
            there is a remark.

    Warns:
        UserWarning: the flip pairs do not mirror these faces, see `acrloss.schemes.mirror.check_flip`.
    """
    text = str(source)
    chosen: Scheme | Literal["generic"] | None
    chosen = "generic" if scheme == "generic" else get_scheme(scheme) if isinstance(scheme, str | Path) else scheme
    if text == "synthetic" or text.startswith(("synthetic:", "synthetic@")):
        # Only here: the renderer is large, and other data does without.
        from acrloss.formats.synthetic import read_synthetic

        return read_synthetic(text, chosen)
    path = Path(source)
    if path.name in ("", ".."):
        # Where the user stands: the name tells nothing of a split, and nothing lies beside it.
        path = path.resolve()
    try:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; give the folder of a data set, or synthetic")
        if not path.is_dir() and not path.is_file():
            raise DataError(f"{path}: neither a file nor a folder; give the folder of a data set")
        if path.is_dir() and next(path.iterdir(), None) is None:
            raise DataError(f"{path}: the folder is empty; give a folder with annotated faces")
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    name = format or recognise(path)
    if name not in FORMATS:
        raise DataError(f"unknown format {name!r}; give one of {', '.join(FORMATS)}")
    its = FORMATS[name]
    its.check_options(name, options)
    beside = None
    if chosen is None:
        own = None if its.scheme is None else its.scheme(path)
        file = scheme_beside(path)
        beside = None if file is None else get_scheme(file)
        # What stands beside the files says more than they do, such as the eyes and regions of YOLO's pairs.
        chosen = beside if beside and own and beside.num_landmarks == own.num_landmarks else own
    notes: list[Note] = []
    faces: Iterable[Face] = its.read(path, notes, **options)
    try:
        annotations = collect(text, progress(faces, "reading"), notes, chosen, repeated, beside)
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error
    if strict:
        refuse_remarks(annotations)
    return annotations


def refuse_remarks(annotations: Annotations) -> None:
    """
    Raises:
        DataError: there is any of `Annotations.remarks`.
    """
    if remarks := annotations.remarks():
        raise DataError(f"{annotations.source}: {'; '.join(remarks)}; mend the data, or do not ask for strict reading")

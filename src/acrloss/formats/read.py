"""Reading annotated faces from disk.

A format is one module here with

- `recognises(path) -> bool`: a quick look whether the path is of this format, and
- `read_faces(path, skipped, **options) -> Iterator[Face]`: every face as it stands in the files. A face that
  cannot be parsed is left out, with one line (file, line, reason) added to `skipped`; a problem of the whole
  source is a DataError. Options are keyword arguments with defaults.

and a line in `acrloss.formats.registry`. One that can be written has `write_faces` too, see `acrloss.formats.write`.
Number of landmarks, images, outliers and repeated faces are checked for all formats alike in `acrloss.formats.collect`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import packed
from acrloss.formats.collect import Repeated, collect
from acrloss.formats.face import Face
from acrloss.formats.registry import FORMATS, recognise
from acrloss.progress_hook import Progress, no_progress
from acrloss.schemes import Scheme, get_scheme


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
        # Only here: the renderer is large, and other data does without.
        from acrloss.formats.synthetic import read_synthetic

        return read_synthetic(text, chosen)
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

"""What a reader yields, and the checks that every format's faces go through."""

from __future__ import annotations

import os.path
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Literal

import numpy as np

from acrloss.annotations import Annotations
from acrloss.boxes import overlap, tight_box
from acrloss.errors import DataError
from acrloss.formats.face import Face
from acrloss.formats.fields.splits import split_meant
from acrloss.formats.sentinels import drop_sentinels
from acrloss.formats.stated_size import fit_stated_size
from acrloss.images import NO_IMAGE, image_size
from acrloss.images.header import is_deep
from acrloss.images.read import read_with_depth
from acrloss.notes import Note, left_out
from acrloss.schemes import Scheme, generic_scheme, get_scheme, scheme_names
from acrloss.schemes.lookup import SCHEME_FILE
from acrloss.schemes.mirror import FACES_FOR_CHECK, check_flip

Repeated = Literal["last", "keep", "error"]

# A photograph with more annotated faces than this is a mistake in the file.
_MAX_FACES_PER_IMAGE = 1000
# Two faces of one picture whose landmark boxes overlap by more are one face that was annotated twice.
_SAME_FACE_OVERLAP = 0.5
_ENOUGH_FOR_FLIP_CHECK = 2000
# Of so many images at most the headers are looked at for values of 16 bits, and of so many the values.
_HEADERS_FOR_DEPTH, _IMAGES_FOR_DEPTH = 20, 5


def collect(
    source: str,
    faces: Iterable[Face],
    notes: list[Note],
    scheme: Scheme | Literal["generic"] | None,
    repeated: Repeated,
    beside: Scheme | None = None,
) -> Annotations:
    """Check faces and bring them into one `Annotations`.

    A bad face is left out with a note. `notes` is the list that the reader behind `faces` adds its own to. Without a
    `scheme`, that which lies `beside` the files counts if it has as many landmarks as most faces.

    Raises:
        DataError: no face is left, the scheme does not fit the data, or (repeated="error") a face is
            annotated twice.
    """
    found: list[Face] = []
    sizes: dict[str, tuple[int, int] | str | None] = {}
    for face in faces:
        found.append(face)
        if face.image not in sizes:
            sizes[face.image] = _size_or_fault(face.image)
    if not found:
        raise DataError(f"{source}: no usable face" + _first_reasons(notes))
    drop_sentinels(found, notes)
    scheme = _fitting_scheme(source, found, scheme, beside)
    kept: list[Face] = []
    for face in found:
        face.split = split_meant(face.split)
        size = sizes[face.image]
        fault = (fit_stated_size(face, size, notes) if isinstance(size, tuple) else None) or _fault(face, scheme, size)
        if fault:
            notes.append(fault)
        else:
            kept.append(face)
    if repeated != "keep":
        kept = _without_repeats(kept, notes, repeated)
    if not kept:
        raise DataError(f"{source}: no usable face" + _first_reasons(notes))
    landmarks = np.stack([face.landmarks for face in kept])
    missing = np.isnan(landmarks[..., 0] + landmarks[..., 1])
    landmarks[missing] = np.nan
    complete = landmarks[~missing.any(axis=-1)]
    if scheme.has_flip_pairs and len(complete) >= FACES_FOR_CHECK:
        try:
            check_flip(scheme, complete[:: 1 + len(complete) // _ENOUGH_FOR_FLIP_CHECK])
        except DataError as error:
            # Not refused: a set of profiles only has no symmetric face to judge by.
            warnings.warn(f"acrloss: {source}: {error}", stacklevel=3)
    _note_depth([face.image for face in kept], notes)
    nowhere = (np.nan, np.nan, np.nan, np.nan)
    return Annotations.create(
        [face.image for face in kept],
        landmarks,
        scheme,
        visible=np.stack(
            [np.ones(len(m), np.bool_) if f.visible is None else f.visible for f, m in zip(kept, missing, strict=True)]
        )
        & ~missing,
        boxes=np.array([nowhere if face.box is None else face.box for face in kept]),
        persons=[face.person for face in kept],
        splits=[face.split for face in kept],
        subsets=[face.subsets for face in kept],
        source=source,
        notes=notes,
        official_faces={name: count for face in kept for name, count in face.official_faces.items()},
    )


def _first_reasons(notes: list[Note]) -> str:
    skipped = left_out(notes)
    if not skipped:
        return ""
    more = f" (and {len(skipped) - 3} more)" if len(skipped) > 3 else ""
    return f"; {len(skipped)} skipped: " + "; ".join(skipped[:3]) + more


def _fitting_scheme(
    source: str, faces: list[Face], scheme: Scheme | Literal["generic"] | None, beside: Scheme | None
) -> Scheme:
    (count, times), *_ = Counter(len(face.landmarks) for face in faces).most_common(1)
    if scheme == "generic":
        return generic_scheme(count)
    by_count = {get_scheme(name).num_landmarks: name for name in scheme_names()}
    if scheme is None and beside is not None and beside.num_landmarks == count:
        return beside
    if scheme is None:
        if count not in by_count:
            other = f"nor {beside.name} of {beside.num_landmarks} in the {SCHEME_FILE} there " if beside else ""
            raise DataError(
                f"{source}: faces of {count} landmarks fit no built-in scheme {other}"
                f"({', '.join(f'{name} has {n}' for n, name in by_count.items())}); "
                "make one with acrloss data flip SOURCE --output scheme.yaml and give it as the scheme"
            )
        return get_scheme(by_count[count])
    # Sets such as Menpo mix faces of different counts: those of the scheme that was asked for are read.
    if all(len(face.landmarks) != scheme.num_landmarks for face in faces):
        fitting = f"; use {by_count[count]}" if count in by_count else "; give a scheme with that many"
        raise DataError(
            f"{source}: scheme {scheme.name} has {scheme.num_landmarks} landmarks, "
            f"but {times} of {len(faces)} faces have {count}{fitting}"
        )
    return scheme


def _size_or_fault(image: str) -> tuple[int, int] | str | None:
    """(width, height) of an image, what is wrong with it, or None where there are annotations only."""
    if image.startswith(NO_IMAGE):
        return None
    try:
        return image_size(image)
    except DataError as error:
        return str(error)


def _note_depth(images: list[str], notes: list[Note]) -> None:
    """Say where photographs of fewer bits lie in files of 16, by a few of them: how many bits they are is guessed."""
    unique = list(dict.fromkeys(images))
    deep = [image for image in unique[:: 1 + len(unique) // _HEADERS_FOR_DEPTH] if is_deep(image)]
    for image in deep[:_IMAGES_FOR_DEPTH]:
        try:
            _, bits = read_with_depth(image)
        except DataError:
            continue  # said when all of it is read
        if 0 < bits < 16:
            what = f"its 16-bit values end below {1 << bits} and are read as {bits} bits, as are others like it"
            notes.append(Note("guessed", f"image of {bits} bits in 16", image, what))


def _fault(face: Face, scheme: Scheme, size: tuple[int, int] | str | None) -> Note | None:
    """Why a face cannot be used, or None where it can."""
    marks = face.landmarks
    if len(marks) != scheme.num_landmarks:
        message = f"{len(marks)} landmarks, expected {scheme.num_landmarks} ({scheme.name})"
        return Note("left out", "with another number of landmarks", face.where, message)
    if np.isnan(marks).any(axis=-1).all():
        return Note("left out", "without a landmark", face.where, "every landmark is missing")
    if isinstance(size, str):
        return Note("left out", "without a readable image", face.where, size)
    if size is None:
        return None
    extent = np.nanmax(marks, axis=0) - np.nanmin(marks, axis=0)
    if (~np.isnan(marks[:, 0])).sum() > 1 and extent.max() < 1:
        message = "all landmarks lie within one pixel; multiply by the image's size if these are normalised to 0 … 1"
        return Note("left out", "within one pixel", face.where, message)
    # One image size beyond the border on either side; NaN compares as inside.
    outside = ((marks < (-size[0], -size[1])) | (marks > (2 * size[0], 2 * size[1]))).any(axis=-1)
    if outside.any():
        m = int(outside.argmax())
        message = (
            f"landmark {m} at ({marks[m, 0]:g}, {marks[m, 1]:g}) lies far outside "
            f"the {size[0]} x {size[1]} image {face.image}"
        )
        return Note("left out", "far outside the image", face.where, message)
    return None


def _without_repeats(faces: list[Face], notes: list[Note], repeated: Repeated) -> list[Face]:
    """Of several annotations of one face in one picture only the last."""
    by_image: dict[str, list[int]] = defaultdict(list)
    for i, face in enumerate(faces):
        by_image[os.path.normpath(face.image)].append(i)
    dropped: set[int] = set()
    for image, members in by_image.items():
        if len(members) == 1:
            continue
        if len(members) > _MAX_FACES_PER_IMAGE:
            raise DataError(f"{image}: {len(members)} faces of one image; at most {_MAX_FACES_PER_IMAGE} make sense")
        boxes = np.stack([tight_box(faces[i].landmarks) for i in members])
        for a, i in enumerate(members):
            for later, shared in zip(members[a + 1 :], overlap(boxes[a], boxes[a + 1 :]), strict=True):
                # Two people of one name stand apart.
                same_person = faces[i].person != "" and faces[i].person == faces[later].person
                if not shared > (0 if same_person else _SAME_FACE_OVERLAP):
                    continue
                if repeated == "error":
                    raise DataError(
                        f"{faces[i].where} and {faces[later].where} annotate the same face of {image}: "
                        "remove one, or give repeated='last' or 'keep'"
                    )
                message = f"replaced by {faces[later].where}, the same face of {image}"
                notes.append(Note("left out", "annotated again later", faces[i].where, message))
                dropped.add(i)
                break
    return [face for i, face in enumerate(faces) if i not in dropped]

"""Synthetic faces with exact landmarks (scheme ibug68): data for demo, tests and documentation without any download.

A parametric 3-D head (30 identity modes, 17 expression modes, both Gaussian or of bounded strength) with painted skin,
eyes, teeth, hair, clothes, light and occluders is seen by a perspective camera and recorded by a sensor of varied
quality. Landmarks are projected vertices of the head; those of the jaw lie on the visible contour of the face, where
annotators put them (`camera.visible_contour`). Everything about picture `index` follows from the seed and the index
alone. Four pictures in a row show one person.

Landmarks are the same to 1e-9 pixels everywhere; pixels are the same for one version of NumPy and OpenCV.
"""

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.progress_hook import Progress, no_progress
from acrloss.readers.pts import write_pts
from acrloss.schemes import get_scheme
from acrloss.synthetic.person import SMALLEST_SIZE, person_of, sample_face
from acrloss.synthetic.scene import render_scene

__all__ = ["DEFAULT_SIZE", "generate", "render", "render_reference", "write_dataset"]

DEFAULT_SIZE = 160
_LARGEST_SIZE = 2048
_REFERENCE = re.compile(r"synthetic://(\d{1,9})/(\d{1,9})(?:\?size=(\d{1,4}))?")
# Of ten persons one is for validation and one for testing; neither the first nor the last, so small sets have both.
_SPLITS = {3: "val", 7: "test"}
_JPEG_QUALITY = 95


def generate(count: int, seed: int = 0, size: int = DEFAULT_SIZE) -> Annotations:
    """Annotations of pictures 0 … count-1 of the endless set `seed`.

    Only the landmarks are computed; the images are references "synthetic://seed/index", rendered whenever they are read
    (`acrloss.images.read_image`). Persons are split 80 : 10 : 10 into "train", "val" and "test".

    Args:
        count: number of pictures, at least 1.
        seed: any integer of at least 0.
        size: side of the square pictures in pixels.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is out of its range.
    """
    _check("count", count, 1)
    _check("seed", seed, 0)
    _check("size", size, SMALLEST_SIZE, _LARGEST_SIZE)
    suffix = "" if size == DEFAULT_SIZE else f"?size={size}"
    people = [person_of(index) for index in range(count)]
    return Annotations.create(
        [f"synthetic://{seed}/{index}{suffix}" for index in range(count)],
        np.stack([sample_face(seed, index, size).landmarks for index in range(count)]),
        get_scheme("ibug68"),
        persons=[_name(person) for person in people],
        splits=[_SPLITS.get(person % 10, "train") for person in people],
        source=f"synthetic:{count}@{seed}",
    )


def render(seed: int, index: int, size: int = DEFAULT_SIZE) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """One picture and its landmarks.

    Args:
        seed: any integer of at least 0.
        index: number of the picture, at least 0.
        size: side of the square picture in pixels.

    Returns:
        (size, size, 3) RGB and (68, 2) landmarks in pixels, all of them inside the picture.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is out of its range.
    """
    _check("seed", seed, 0)
    _check("index", index, 0)
    _check("size", size, SMALLEST_SIZE, _LARGEST_SIZE)
    return render_scene(int(seed), int(index), int(size))


def render_reference(reference: str) -> NDArray[np.uint8]:
    """The picture (S, S, 3) RGB of a reference "synthetic://seed/index" or "synthetic://seed/index?size=S".

    Raises:
        DataError: not such a reference.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise DataError(
            f"{reference!r} is no synthetic picture; expected synthetic://SEED/INDEX, as in synthetic://0/12"
        )
    try:
        return render(int(match[1]), int(match[2]), int(match[3] or DEFAULT_SIZE))[0]
    except ValueError as error:
        raise DataError(f"{reference}: {error}") from error


def write_dataset(
    folder: str | Path,
    count: int,
    seed: int = 0,
    size: int = DEFAULT_SIZE,
    progress: Progress = no_progress,
) -> Path:
    """Write pictures as JPEG with `.pts` files in sub-folders train, val and test, as `acrloss.readers` reads them.

    Args:
        folder: made if it does not exist; files of the same names are replaced.
        count, seed, size: as for `generate`.
        progress: wraps the picture numbers, for a progress bar.

    Returns:
        The folder.

    Raises:
        TypeError, ValueError: as `generate`.
        DataError: the folder cannot be written.
    """
    folder = Path(folder)
    annotations = generate(count, seed, size)
    for index in progress(range(count), "drawing faces", count):
        image, landmarks = render(seed, index, size)
        stem = folder / annotations.splits[index] / f"{annotations.persons[index]}_{index:06d}"
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
        write_atomic(stem.with_suffix(".jpg"), encoded.tobytes())
        write_pts(stem.with_suffix(".pts"), landmarks)
    return folder


def _name(person: int) -> str:
    return f"person_{person:05d}"


def _check(name: str, value: int, low: int, high: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < low or (high is not None and value > high):
        expected = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {expected}, got {value}")

"""Synthetic faces as annotations, and as files."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.formats.pts import write_pts
from acrloss.images.encode import encode_jpeg
from acrloss.progress_hook import Progress, no_progress
from acrloss.schemes import Scheme, generic_scheme, get_scheme
from acrloss.synthetic import DEFAULT_SIZE, LARGEST_SIZE, check_whole, render
from acrloss.synthetic.person import SMALLEST_SIZE, person_of, sample_face

# Of ten persons one is for validation and one for testing; neither the first nor the last, so small sets have both.
_SPLITS = {3: "val", 7: "test"}
_JPEG_QUALITY = 95

_SYNTHETIC = re.compile(r"synthetic(?::(\d{1,9}))?(?:@(\d{1,9}))?")

_DEFAULT_SYNTHETIC_FACES = 2000


def read_synthetic(text: str, scheme: Scheme | Literal["generic"] | None) -> Annotations:
    """The faces that "synthetic", "synthetic:COUNT" or "synthetic:COUNT@SEED" stands for.

    Raises:
        DataError: it is another text, or the scheme has another number of landmarks.
    """
    match = _SYNTHETIC.fullmatch(text)
    if match is None:
        raise DataError(
            f"{text!r}: expected synthetic, synthetic:COUNT or synthetic:COUNT@SEED, as in synthetic:2000@7"
        )
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
    check_whole("count", count, 1)
    check_whole("seed", seed, 0)
    check_whole("size", size, SMALLEST_SIZE, LARGEST_SIZE)
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


def write_dataset(
    folder: str | Path,
    count: int,
    seed: int = 0,
    size: int = DEFAULT_SIZE,
    progress: Progress = no_progress,
    jobs: int = 1,
) -> Path:
    """Write pictures as JPEG with `.pts` files in sub-folders train, val and test, as `read_annotations` reads them.

    Args:
        folder: made if it does not exist; files of the same names are replaced.
        count, seed, size: as for `generate`.
        progress: wraps the pictures, for a progress bar.
        jobs: processes that draw. More than one are started afresh, so the caller's own script must begin its work
            under `if __name__ == "__main__":`.

    Returns:
        The folder.

    Raises:
        TypeError, ValueError: as `generate`.
        DataError: the folder cannot be written.
    """
    folder = Path(folder)
    annotations = generate(count, seed, size)
    stems = [folder / annotations.splits[index] / f"{annotations.persons[index]}_{index:06d}" for index in range(count)]
    for _ in progress(_drawn(stems, seed, size, jobs), "drawing faces", count):
        pass
    return folder


def _drawn(stems: list[Path], seed: int, size: int, jobs: int) -> Iterator[None]:
    """Draws a picture for each item that is taken."""
    draw = partial(_draw, seed=seed, size=size)
    if jobs == 1:
        yield from map(draw, range(len(stems)), stems)
        return
    # Not forked: OpenCV's threads do not survive that.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin_worker) as pool:
        yield from pool.map(draw, range(len(stems)), stems, chunksize=16)


def _begin_worker() -> None:
    """One thread each, and Ctrl-C is answered by the process that waits for them."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _draw(index: int, stem: Path, seed: int, size: int) -> None:
    image, landmarks = render(seed, index, size)
    write_atomic(stem.with_suffix(".jpg"), encode_jpeg(image, _JPEG_QUALITY))
    write_pts(stem.with_suffix(".pts"), landmarks)


def _name(person: int) -> str:
    return f"person_{person:05d}"

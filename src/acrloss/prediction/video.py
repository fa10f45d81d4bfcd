"""Faces followed through a video: each keeps its number, and its landmarks neither jitter nor lag."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from acrloss.arrays import Image
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.images import MAX_PIXELS
from acrloss.prediction.predictor import Predictor
from acrloss.prediction.tracker import Tracker
from acrloss.progress_hook import Progress, no_progress


def frames(source: str, seconds: float = 0.0) -> Iterator[tuple[float, Image]]:
    """(seconds since the start, (H, W, 3) uint8 RGB) of each frame of a video file or, for a number, of a camera.

    Args:
        source: a file, or the number of a camera.
        seconds: stop after this long; 0 goes on to the end.

    Raises:
        DataError: it cannot be opened, or has no frame that can be decoded.
    """
    capture = _open(source)
    live = source.isdecimal()
    rate = _rate(capture)
    start, count = time.monotonic(), 0
    try:
        while True:
            passed = time.monotonic() - start if live else count / rate
            if seconds and passed >= seconds:
                return
            got, frame = capture.read()
            if not got:
                break
            count += 1
            yield passed, np.ascontiguousarray(frame[..., ::-1], dtype=np.uint8)
    finally:
        capture.release()
    if not count:
        raise DataError(f"{source}: no frame could be decoded; give another video")


@dataclass(frozen=True)
class FollowedVideo:
    """What came of following the faces of a video.

    Attributes:
        drawn: the video with the faces drawn.
        table: the CSV file with their landmarks.
        faces: how many different faces there were.
        frames: how many frames.
    """

    drawn: Path
    table: Path
    faces: int
    frames: int


def predict_video(
    predictor: Predictor, source: str, folder: Path, seconds: float = 0.0, progress: Progress = no_progress
) -> FollowedVideo:
    """Follow the faces of a video and write NAME.csv, a row a face and frame, and NAME.mp4 with the faces drawn.

    Returns:
        The drawn video.

    Raises:
        DataError: the video cannot be read or the results cannot be written.
    """
    name = f"camera{source}" if source.isdecimal() else Path(source).stem
    capture = _open(source)
    rate, total = _rate(capture), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    total = min(total, round(seconds * rate)) if seconds and total > 0 else total
    tracker, text, writer = Tracker(predictor), io.StringIO(), None
    rows = csv.writer(text, lineterminator="\n")
    folder.mkdir(parents=True, exist_ok=True)
    drawn, unfinished = folder / f"{name}.mp4", folder / f".{name}.part.mp4"
    if not source.isdecimal() and drawn.resolve() == Path(source).resolve():
        raise DataError(f"{source} would be overwritten by its own result; give another --output")
    count, seen = 0, set[int]()
    try:
        for passed, frame in progress(frames(source, seconds), "following faces", total if total > 0 else None):
            faces = tracker(frame)
            header, found = faces.table()
            if count == 0:
                rows.writerow(["frame", "seconds", *header[1:]])
            rows.writerows([count, round(passed, 4), *row[1:]] for row in found)
            picture = faces.draw(frame)
            if writer is None:
                size = (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2)
                writer = cv2.VideoWriter(str(unfinished), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
                if not writer.isOpened():
                    raise DataError(f"cannot write {drawn}; choose a folder you can write to")
            writer.write(np.ascontiguousarray(picture[: size[1], : size[0], ::-1]))
            count += 1
            seen.update(faces.ids.tolist())
    except KeyboardInterrupt:
        # How a camera is stopped; what was seen so far is the result.
        if not count:
            raise
    finally:
        if writer is not None:
            writer.release()
    table = write_atomic(folder / f"{name}.csv", text.getvalue())
    unfinished.replace(drawn)
    return FollowedVideo(drawn, table, len(seen), count)


def _open(source: str) -> Any:
    if not source.isdecimal() and not Path(source).is_file():
        raise DataError(f"{source}: no such video")
    capture = cv2.VideoCapture(int(source)) if source.isdecimal() else cv2.VideoCapture(source)
    if not capture.isOpened():
        raise DataError(f"{source}: no video that can be opened; give an .mp4, .avi or .mov file, or a camera's number")
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        capture.release()
        raise DataError(
            f"{source}: {width:.0f} x {height:.0f} pixels a frame, at most {MAX_PIXELS} are read; shrink it"
        )
    return capture


def _rate(capture: Any) -> float:
    """Frames a second; 25 where the source does not say or cannot mean it."""
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if 0.1 < rate < 1000 else 25.0

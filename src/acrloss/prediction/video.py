"""Faces followed through a video: each keeps its number, and its landmarks neither jitter nor lag."""

from __future__ import annotations

import csv
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import cv2
import numpy as np

from acrloss.arrays import Image
from acrloss.errors import DataError
from acrloss.prediction.faces import UNSURE, table_header
from acrloss.prediction.inputs import is_camera, is_stream
from acrloss.prediction.predictor import Predictor
from acrloss.prediction.result_names import result_names
from acrloss.prediction.results_folder import LEFT_OUT, ResultsFolder
from acrloss.prediction.tracker import Tracker
from acrloss.prediction.video_reader import VideoReader, frames
from acrloss.progress_hook import Progress, no_progress

__all__ = ["FollowedVideo", "Tracker", "claim_videos", "frames", "predict_video"]

# VP8 in WebM: every build of OpenCV can write it, and every browser plays it; H.264 is in hardly any build.
_SUFFIX, _CODEC = ".webm", "VP80"


@dataclass(frozen=True)
class FollowedVideo:
    """What came of following the faces of a video.

    Attributes:
        drawn: the video with the faces drawn.
        table: the CSV file with their landmarks.
        faces: how many different faces there were.
        frames: how many frames.
        shortfall: one line of the frames that could not be decoded; "" where all were.
    """

    drawn: Path
    table: Path
    faces: int
    frames: int
    shortfall: str = ""


def claim_videos(sources: Sequence[str], folder: str | Path) -> list[str]:
    """A name for the results of each video, camera or stream; no two are equal.

    Raises:
        DataError: a result would replace a video, or a file that is not ours, or the folder cannot be written.
    """
    named = []
    for source in sources:
        if is_camera(source):
            named.append(Path(f"camera{source}"))
        elif is_stream(source):
            address = urlsplit(source)
            named.append(Path(PurePosixPath(address.path).stem or address.hostname or "stream"))
        else:
            named.append(Path(source))
    names = result_names(named)
    files = [source for source in sources if not is_camera(source) and not is_stream(source)]
    claims = [f"{name}{suffix}" for name in names for suffix in (_SUFFIX, ".csv")]
    ResultsFolder(folder).claim([*claims, LEFT_OUT], files)
    return names


def predict_video(
    predictor: Predictor,
    source: str,
    folder: str | Path,
    seconds: float = 0.0,
    progress: Progress = no_progress,
    *,
    name: str | None = None,
    min_confidence: float = UNSURE,
) -> FollowedVideo:
    """Follow the faces of a video; write NAME.csv, a row a face and frame, and NAME.webm with the faces drawn.

    A frame without a face has a row without one. Frames are numbered and timed as in the container; all that could be
    decoded are drawn, each for the same time.

    Args:
        predictor: finds faces and landmarks.
        source: a file, the number of a camera, or an address.
        folder: of the results.
        seconds: stop after this long; 0 goes on to the end.
        progress: wraps the frames for a progress bar.
        name: NAME, one of `claim_videos`; that of the file if not given.
        min_confidence: mean confidence below which a face is lost.

    Raises:
        DataError: the video cannot be read, or the results cannot be written or would replace what is not ours.
        ValueError: `seconds` is negative or not finite.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"a video is stopped after 0 (never) or more seconds, not after {seconds:g}")
    name = name or claim_videos([source], folder)[0]
    results, reader = ResultsFolder(folder), VideoReader(source)
    total = min(reader.announced, math.ceil(seconds * reader.rate)) if seconds else reader.announced
    tracker, count, seen = Tracker(predictor, min_confidence=min_confidence), 0, set[int]()
    with _unfinished(results) as (table, drawn), table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        header = table_header(predictor.scheme)[1:]
        rows.writerow(["frame", "seconds", *header])
        video = _Drawn(drawn, reader.rate)
        try:
            for frame in progress(reader, "following faces", total or None):
                if seconds and frame.seconds >= seconds:
                    break
                faces = tracker(frame.pixels)
                found = [row[1:] for row in faces.table()[1]] or [[""] * len(header)]
                rows.writerows([frame.number, round(frame.seconds, 4), *row] for row in found)
                video.write(faces.draw(frame.pixels))
                count += 1
                seen.update(faces.ids.tolist())
        except KeyboardInterrupt:
            # How a camera is stopped; what was seen so far is the result.
            if not count:
                raise
        finally:
            video.close()
        file.close()
        video.check(count, results.folder / f"{name}{_SUFFIX}")
        taken = results.take(f"{name}{_SUFFIX}", drawn), results.take(f"{name}.csv", table)
        results.close()
        return FollowedVideo(*taken, len(seen), count, reader.shortfall())


class _Drawn:
    """A video that is written frame by frame; the first decides its size."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, picture: Image) -> None:
        if self._writer is None:
            self._size = (max(picture.shape[1] // 2 * 2, 2), max(picture.shape[0] // 2 * 2, 2))
            code = cv2.VideoWriter.fourcc(*_CODEC)
            with _silent():
                self._writer = cv2.VideoWriter(str(self._path), cv2.CAP_FFMPEG, code, self._rate, self._size)
        width, height = self._size
        if picture.shape[0] < height or picture.shape[1] < width:  # a stream may change its size
            picture = np.asarray(cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        self._writer.write(np.ascontiguousarray(picture[:height, :width, ::-1]))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.release()

    def check(self, count: int, place: Path) -> None:
        """The encoder is silent when the disk is full: see whether all `count` frames are there."""
        capture = cv2.VideoCapture(str(self._path))
        written = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
        capture.release()
        if written < count - 1:
            raise DataError(f"cannot write {place}: the disk is full, or OpenCV cannot encode {_CODEC} there")


@contextmanager
def _silent() -> Iterator[None]:
    """OpenCV has no name for VP8 in WebM, says so on the process's standard error, and writes it all the same."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _unfinished(results: ResultsFolder) -> Iterator[tuple[Path, Path]]:
    """The places of a table and a video that are not finished, on the same disk; gone afterwards, whatever happens."""
    try:
        with tempfile.TemporaryDirectory(dir=results.folder, prefix=".unfinished-") as folder:
            yield Path(folder) / "table.csv", Path(folder) / f"drawn{_SUFFIX}"
    except OSError as error:
        raise DataError(f"cannot write into {results.folder}: {error.strerror or error}; make room there") from error

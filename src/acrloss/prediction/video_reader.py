"""Videos, cameras and streams as frames, numbered and timed as their container has them, damaged ones included."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from acrloss.arrays import Image
from acrloss.errors import DataError
from acrloss.images import MAX_PIXELS
from acrloss.prediction.inputs import is_camera, is_stream

# Where the container announces no number of frames, so many in a row that cannot be decoded are the end.
_MOST_LOST = 100

_UNKNOWN_RATE = 25.0


class Frame(NamedTuple):
    """A frame: its number in the container, seconds since the start, and its (H, W, 3) uint8 RGB pixels."""

    number: int
    seconds: float
    pixels: Image


class VideoReader:
    """The frames of a video file, a camera or a stream, in order, once.

    Attributes:
        source: what is read.
        rate: frames a second, by the container; the mean where they are not equally far apart.
        announced: how many frames the container says there are; 0 where it does not say.
        decoded: how many were.
        lost: the numbers of frames that could not be decoded, those after the last one that could be included.
    """

    def __init__(self, source: str) -> None:
        """
        Args:
            source: a file, the number of a camera, or an address (http, https, rtsp, rtmp, udp, srt).

        Raises:
            DataError: it cannot be opened, or its frames are too large.
        """
        self.source = source
        self.is_live = is_camera(source)
        self._capture = _open(source)
        self.rate = _rate(self._capture, source)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.announced = round(count) if not self.is_live and 0 < count < 1e9 else 0
        self.decoded = 0
        self.lost: list[int] = []

    def __iter__(self) -> Iterator[Frame]:
        """
        Raises:
            DataError: no frame can be decoded.
        """
        begin, number, seconds, failed, steady = time.monotonic(), -1, -1 / self.rate, 0, True
        try:
            while True:
                got, pixels = self._capture.read()
                if not got:
                    failed += 1
                    # A damaged frame is no end: there may be good ones after it.
                    at_end = number + failed + 1 >= self.announced if self.announced else failed >= _MOST_LOST
                    if self.is_live or at_end:
                        break
                    continue
                now = time.monotonic() - begin if self.is_live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if self.decoded and now <= seconds:  # some containers have no times, or none for their last frames
                    now = seconds + (1 + failed) / self.rate
                passed = (now - seconds) * self.rate
                steady &= failed > 0 or self.decoded == 0 or abs(passed - 1) < 0.1
                step = max(round(passed), 1) if failed and steady else 1 + failed
                self.lost += range(number + 1, number + step)
                number, seconds, failed = number + step, now, 0
                self.decoded += 1
                yield Frame(number, seconds, np.ascontiguousarray(pixels[..., ::-1], dtype=np.uint8))
        finally:
            self._capture.release()
        if not self.decoded:
            raise DataError(f"{self.source}: no frame could be decoded; give another video")
        # Where the number of frames is an estimate, the time tells whether the end was reached.
        if self.announced / self.rate - seconds > 1.5 / self.rate:
            self.lost += range(number + 1, self.announced)

    def shortfall(self) -> str:
        """One line of what could not be decoded; "" where all was."""
        if not self.lost:
            return ""
        count = len(self.lost)
        first = ", ".join(map(str, self.lost[:5])) + (", …" if count > 5 else "")
        return (
            f"{self.source}: {self.decoded} of {self.decoded + count} frames could be decoded; "
            f"{count} {'is' if count == 1 else 'are'} missing ({first})"
        )


def frames(source: str, seconds: float = 0.0) -> Iterator[tuple[float, Image]]:
    """(seconds since the start, (H, W, 3) uint8 RGB) of each frame of a video file, a camera or a stream.

    Frames that cannot be decoded are left out, with a warning at the end.

    Args:
        source: as for `VideoReader`.
        seconds: stop after this long; 0 goes on to the end.

    Raises:
        DataError: it cannot be opened, or has no frame that can be decoded.
    """
    reader = VideoReader(source)
    for frame in reader:
        if seconds and frame.seconds >= seconds:
            return
        yield frame.seconds, frame.pixels
    if reader.lost:
        warnings.warn(f"acrloss: {reader.shortfall()}", UserWarning, stacklevel=2)


def _open(source: str) -> Any:
    camera = is_camera(source)
    if not camera and not is_stream(source) and not Path(source).is_file():
        raise DataError(f"{source}: no such video")
    capture = cv2.VideoCapture(int(source)) if camera else cv2.VideoCapture(source)
    if not capture.isOpened():
        raise DataError(f"{source}: no video that can be opened; give an .mp4, .avi or .mov file, or a camera's number")
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        capture.release()
        raise DataError(
            f"{source}: {width:.0f} x {height:.0f} pixels a frame, at most {MAX_PIXELS} are read; shrink it"
        )
    return capture


def _rate(capture: Any, source: str) -> float:
    """Frames a second; where the container says none, or 1000 as those do that count in milliseconds, by the first two
    frames; 25 where they do not tell either."""
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    if 0.01 < rate < 1000 or not Path(source).is_file():
        return rate if 0.01 < rate < 1000 else _UNKNOWN_RATE
    other = cv2.VideoCapture(source)
    times = [other.get(cv2.CAP_PROP_POS_MSEC) for _ in range(2) if other.read()[0]]
    other.release()
    return 1000 / (times[1] - times[0]) if len(times) == 2 and times[1] > times[0] else _UNKNOWN_RATE

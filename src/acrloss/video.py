"""Faces followed through a video: each keeps its number, and its landmarks neither jitter nor lag."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.faces import Faces
from acrloss.files import write_atomic
from acrloss.images import MAX_PIXELS
from acrloss.predictor import Predictor
from acrloss.smooth import OneEuroFilter
from acrloss.terminal import notes, progress

Float = NDArray[np.float64]
Image = NDArray[np.uint8]

# Mean confidence below which a face is lost.
_LOST = 0.5
# Frames between looks for new faces.
_LOOK_EVERY = 15


class Track:
    """One face that is followed."""

    def __init__(self, number: int, box: Float, score: float) -> None:
        self.number, self.box, self.score = number, box, score
        self.landmarks: Float | None = None
        self.filter = OneEuroFilter()


class Tracker:
    """Follows the faces of a video: `tracker(frame)` for each frame in turn.

    A face is cut out around the landmarks of the frame before, so most frames need no detector. It runs on the first
    frame, whenever a face is lost or none is known, and every 15 frames for new ones.
    """

    def __init__(self, predictor: Predictor, smooth: bool = True) -> None:
        """
        Args:
            predictor: finds faces and landmarks.
            smooth: take the jitter out; without, each frame's landmarks are as the network gives them.
        """
        self._predictor, self._smooth = predictor, smooth
        self._tracks: list[Track] = []
        self._next = 0
        self._frame = self._look_at = 0

    def __call__(self, frame: Image) -> Faces:
        """The faces of the next (H, W, 3) uint8 RGB frame."""
        predictor = self._predictor
        landmarks, confidence = self._follow(frame)
        look = not self._tracks or self._frame >= self._look_at
        if look and self._find_new(frame):
            landmarks, confidence = self._follow(frame)
        for track, points in zip(self._tracks, landmarks, strict=True):
            track.landmarks = points
        shown = [t.filter(p) for t, p in zip(self._tracks, landmarks, strict=True)] if self._smooth else landmarks
        faces = Faces(
            f"frame {self._frame}",
            predictor.scheme,
            np.asarray(shown, dtype=np.float64).reshape(-1, predictor.scheme.num_landmarks, 2),
            confidence,
            np.array([_box_around(points) for points in shown], dtype=np.float64).reshape(-1, 4),
            np.array([track.score for track in self._tracks], dtype=np.float64),
            np.array([track.number for track in self._tracks], dtype=np.int64),
        )
        self._frame += 1
        return faces

    def _follow(self, frame: Image) -> tuple[Float, Float]:
        """Landmarks of the known faces in a new frame; those that are lost or follow another's face are dropped."""
        predictor = self._predictor
        marks = predictor.scheme.num_landmarks
        if not self._tracks:
            return np.empty((0, marks, 2)), np.empty((0, marks))
        landmarks, confidence = np.empty((len(self._tracks), marks, 2)), np.empty((len(self._tracks), marks))
        old = [i for i, track in enumerate(self._tracks) if track.landmarks is not None]
        new = [i for i, track in enumerate(self._tracks) if track.landmarks is None]
        if old:
            known = np.stack([track.landmarks for track in self._tracks if track.landmarks is not None])
            landmarks[old], confidence[old] = predictor.relocate(frame, known)
        if new:
            found = predictor.locate_boxes(frame, np.stack([self._tracks[i].box for i in new]))
            landmarks[new], confidence[new] = found
        height, width = frame.shape[:2]
        kept: list[int] = []
        for i in range(len(self._tracks)):
            centre = landmarks[i].mean(axis=0)
            inside = bool(np.isfinite(landmarks[i]).all()) and 0 <= centre[0] < width and 0 <= centre[1] < height
            # Without confidences a face can only leave the picture or meet another.
            sure = not float(confidence[i].mean()) < _LOST
            if inside and sure and not any(_overlap(landmarks[i], landmarks[k]) > 0.5 for k in kept):
                kept.append(i)
        if len(kept) < len(self._tracks):
            # A face was lost: perhaps it is elsewhere in this very frame.
            self._look_at = self._frame
        self._tracks = [self._tracks[i] for i in kept]
        return landmarks[kept], confidence[kept]

    def _find_new(self, frame: Image) -> bool:
        """Add a track for each detected face that is not followed yet."""
        known = [_box_around(track.landmarks) for track in self._tracks if track.landmarks is not None]
        found = self._predictor.detector(frame)
        mapped = self._predictor.map_boxes(found.boxes)
        count = len(self._tracks)
        self._look_at = self._frame + _LOOK_EVERY
        for box, score in zip(mapped, found.scores, strict=True):
            if not any(_overlap(box.reshape(2, 2), other.reshape(2, 2)) > 0.3 for other in known):
                self._tracks.append(Track(self._next, box, float(score)))
                self._next += 1
        return len(self._tracks) > count


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
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if 0.1 < rate < 1000 else 25.0
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


def predict_video(predictor: Predictor, source: str, folder: Path, seconds: float = 0.0) -> Path:
    """Follow the faces of a video and write NAME.csv, a row a face and frame, and NAME.mp4 with the faces drawn.

    Returns:
        The drawn video.

    Raises:
        DataError: the video cannot be read or the results cannot be written.
    """
    name = f"camera{source}" if source.isdecimal() else Path(source).stem
    capture = _open(source)
    rate, total = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    rate = rate if 0.1 < rate < 1000 else 25.0
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
            header, table = faces.table()
            if count == 0:
                rows.writerow(["frame", "seconds", *header[1:]])
            rows.writerows([count, round(passed, 4), *row[1:]] for row in table)
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
    write_atomic(folder / f"{name}.csv", text.getvalue())
    unfinished.replace(drawn)
    notes.print(f"{len(seen)} faces in {count} frames; landmarks in {folder / f'{name}.csv'}", soft_wrap=True)
    return drawn


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


def _box_around(points: Float) -> Float:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _overlap(first: Float, second: Float) -> float:
    """Intersection over union of the boxes around two sets of points."""
    a, b = _box_around(first), _box_around(second)
    extent = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    common = float(extent.prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - common
    return common / union if union > 0 else 0.0

"""Faces followed through a video: each keeps its number, and its landmarks neither jitter nor lag."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from acrloss.arrays import Float, Image
from acrloss.boxes import overlap, tight_box
from acrloss.errors import DataError
from acrloss.faces import Faces
from acrloss.files import write_atomic
from acrloss.images import MAX_PIXELS
from acrloss.predictor import Predictor
from acrloss.smooth import OneEuroFilter
from acrloss.terminal import notes, progress

# Mean confidence below which a face is lost.
_LOST = 0.5
# Frames between looks for new faces.
_LOOK_EVERY = 15


@dataclass
class Track:
    """One face that is followed: its number, the detector's score, and what the last frame showed of it."""

    number: int
    score: float
    landmarks: Float
    confidence: Float
    filter: OneEuroFilter = field(default_factory=OneEuroFilter)


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
        self._next = self._frame = self._look_at = 0

    def __call__(self, frame: Image) -> Faces:
        """The faces of the next (H, W, 3) uint8 RGB frame."""
        lost = self._follow(frame)
        if lost or not self._tracks or self._frame >= self._look_at:
            self._find_new(frame)
        scheme, tracks = self._predictor.scheme, self._tracks
        shown = [track.filter(track.landmarks) if self._smooth else track.landmarks for track in tracks]
        landmarks = np.array(shown, dtype=np.float64).reshape(len(tracks), scheme.num_landmarks, 2)
        faces = Faces(
            f"frame {self._frame}",
            scheme,
            landmarks,
            np.array([track.confidence for track in tracks]).reshape(landmarks.shape[:2]),
            np.concatenate([landmarks.min(axis=1), landmarks.max(axis=1)], axis=1),
            np.array([track.score for track in tracks], dtype=np.float64),
            np.array([track.number for track in tracks], dtype=np.int64),
        )
        self._frame += 1
        return faces

    def _follow(self, frame: Image) -> bool:
        """Find the known faces in a new frame; whether any was lost, or met another and was dropped."""
        if not self._tracks:
            return False
        found = self._predictor.relocate(frame, np.stack([track.landmarks for track in self._tracks]))
        kept: list[Track] = []
        for track, landmarks, confidence in zip(self._tracks, *found, strict=True):
            track.landmarks, track.confidence = landmarks, confidence
            if _is_face(landmarks, confidence, frame) and not _is_among(landmarks, kept, 0.5):
                kept.append(track)
        lost = len(kept) < len(self._tracks)
        self._tracks = kept
        return lost

    def _find_new(self, frame: Image) -> None:
        """Follow each detected face that is not followed yet."""
        self._look_at = self._frame + _LOOK_EVERY
        detected = self._predictor.detector(frame)
        boxes = self._predictor.map_boxes(detected.boxes)
        # The box alone tells most of them apart, before the network has looked.
        new = [i for i, box in enumerate(boxes) if not _is_among(box.reshape(2, 2), self._tracks, 0.3)]
        if not new:
            return
        found = self._predictor.locate_boxes(frame, boxes[new])
        for score, landmarks, confidence in zip(detected.scores[new], *found, strict=True):
            if _is_face(landmarks, confidence, frame) and not _is_among(landmarks, self._tracks, 0.5):
                self._tracks.append(Track(self._next, float(score), landmarks, confidence))
                self._next += 1


def _is_face(landmarks: Float, confidence: Float, frame: Image) -> bool:
    """Whether the network takes it for a face, whose middle is in the picture; it may know no confidence."""
    x, y = landmarks.mean(axis=0)
    height, width = frame.shape[:2]
    return bool(0 <= x < width and 0 <= y < height) and not float(confidence.mean()) < _LOST


def _is_among(points: Float, tracks: list[Track], most: float) -> bool:
    """Whether the box around points overlaps that of a track's landmarks by more than `most` of their union."""
    return any(overlap(tight_box(points), tight_box(track.landmarks)) > most for track in tracks)


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


def predict_video(predictor: Predictor, source: str, folder: Path, seconds: float = 0.0) -> Path:
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


def _rate(capture: Any) -> float:
    """Frames a second; 25 where the source does not say or cannot mean it."""
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if 0.1 < rate < 1000 else 25.0

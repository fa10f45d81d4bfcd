"""The same face from frame to frame: found anew now and then, followed in between, smoothed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from acrloss.arrays import Float, Image
from acrloss.boxes import overlap, tight_box
from acrloss.prediction.faces import Faces
from acrloss.prediction.one_euro import OneEuroFilter
from acrloss.prediction.predictor import Predictor

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

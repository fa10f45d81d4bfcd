"""The same face from frame to frame: found anew now and then, followed in between, smoothed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from acrloss.arrays import Float, Image
from acrloss.boxes import overlap, tight_box
from acrloss.prediction.faces import UNSURE, Faces
from acrloss.prediction.one_euro import OneEuroFilter
from acrloss.prediction.predictor import Predictor
from acrloss.prediction.scene_cut import Scene, scene_of

# Frames between looks for new faces.
_LOOK_EVERY = 15

# So many frames a face may be gone, and a scene interrupted, and still be the same.
_REMEMBERED = 15


@dataclass
class Track:
    """One face that is followed: its number, its scene, the detector's score, and what the last frame showed of it."""

    number: int
    scene: int
    score: float
    landmarks: Float
    confidence: Float
    gone: int = 0
    filter: OneEuroFilter = field(default_factory=OneEuroFilter)


class Tracker:
    """Follows the faces of a video: `tracker(frame)` for each frame in turn.

    A face is cut out around the landmarks of the frame before, so most frames need no detector. It runs on the first
    frame, while a face is gone or none is known, and every 15 frames for new ones. A face that comes back to its place
    within 15 frames keeps its number; after a scene cut all faces are new ones.
    """

    def __init__(self, predictor: Predictor, smooth: bool = True, min_confidence: float = UNSURE) -> None:
        """
        Args:
            predictor: finds faces and landmarks.
            smooth: take the jitter out; without, each frame's landmarks are as the network gives them.
            min_confidence: mean confidence below which a face is lost.
        """
        self._predictor, self._smooth, self._least = predictor, smooth, min_confidence
        self._tracks: list[Track] = []
        self._next = self._frame = self._look_at = 0
        # The scenes of the last frames, the newest last: number, what it looks like, and when it was seen.
        self._scenes: list[tuple[int, Scene, int]] = []
        self._scene = 0

    def __call__(self, frame: Image) -> Faces:
        """The faces of the next (H, W, 3) uint8 RGB frame."""
        cut = self._watch(frame)
        self._follow(frame)
        gone = any(track.gone for track in self._tracks)
        here = self._shown()
        if cut or gone or not here or self._frame >= self._look_at:
            self._find_new(frame)
        scheme, tracks = self._predictor.scheme, self._shown()
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

    def _shown(self) -> list[Track]:
        """The faces that this frame shows."""
        return [track for track in self._tracks if not track.gone]

    def _watch(self, frame: Image) -> bool:
        """Know which scene a frame is of; whether it is another one than that of the frame before."""
        now, before = scene_of(frame), self._scene
        recent = [one for one in self._scenes if self._frame - one[2] <= _REMEMBERED]
        # A frame of black, or a flash, interrupts a scene and does not end it.
        same = [number for number, scene, _ in reversed(recent) if not now.is_other_than(scene)]
        self._scene = same[0] if same else max((number for number, *_ in self._scenes), default=-1) + 1
        self._scenes = [one for one in recent if one[0] != self._scene] + [(self._scene, now, self._frame)]
        return self._frame > 0 and self._scene != before

    def _follow(self, frame: Image) -> None:
        """Find the known faces in a new frame; those that meet another one are dropped, and those long gone."""
        here = [track for track in self._tracks if track.scene == self._scene]
        kept: list[Track] = []
        if here:
            found = self._predictor.relocate(frame, np.stack([track.landmarks for track in here]))
            # Those that were there a frame ago come first: none of them gives way to one that comes back.
            for track, landmarks, confidence in sorted(zip(here, *found, strict=True), key=lambda one: one[0].gone):
                if not self._is_face(landmarks, confidence, frame):
                    track.gone += 1
                    kept.append(track)
                elif not _is_among(landmarks, [other for other in kept if not other.gone], 0.5):
                    # What it showed while it was gone is not known, so the filter begins anew.
                    track.filter = track.filter if not track.gone else OneEuroFilter()
                    track.landmarks, track.confidence, track.gone = landmarks, confidence, 0
                    kept.append(track)
        for track in self._tracks:
            if track.scene != self._scene:
                track.gone += 1
                kept.append(track)
        self._tracks = sorted((t for t in kept if t.gone <= _REMEMBERED), key=lambda track: track.number)

    def _find_new(self, frame: Image) -> None:
        """Follow each detected face that is not followed yet."""
        self._look_at = self._frame + _LOOK_EVERY
        detected = self._predictor.detector(frame)
        boxes = self._predictor.map_boxes(detected)
        # The box alone tells most of them apart, before the network has looked.
        new = [i for i, box in enumerate(boxes) if not _is_among(box.reshape(2, 2), self._shown(), 0.3)]
        if not new:
            return
        found = self._predictor.locate_boxes(frame, boxes[new], detected.turns[new])
        for score, landmarks, confidence in zip(detected.scores[new], *found, strict=True):
            if not self._is_face(landmarks, confidence, frame) or _is_among(landmarks, self._shown(), 0.5):
                continue
            gone = [track for track in self._tracks if track.gone and track.scene == self._scene]
            back = [track for track in gone if _is_among(landmarks, [track], 0.3)]
            if back:
                track = back[0]
                track.score, track.landmarks, track.confidence = float(score), landmarks, confidence
                track.gone, track.filter = 0, OneEuroFilter()
            else:
                self._tracks.append(Track(self._next, self._scene, float(score), landmarks, confidence))
                self._next += 1

    def _is_face(self, landmarks: Float, confidence: Float, frame: Image) -> bool:
        """Whether the network takes it for a face, whose middle is in the picture; it may know no confidence."""
        x, y = landmarks.mean(axis=0)
        height, width = frame.shape[:2]
        return bool(0 <= x < width and 0 <= y < height) and not float(confidence.mean()) < self._least


def _is_among(points: Float, tracks: list[Track], most: float) -> bool:
    """Whether the box around points overlaps that of a track's landmarks by more than `most` of their union."""
    return any(overlap(tight_box(points), tight_box(track.landmarks)) > most for track in tracks)

"""Faces followed through real video files."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_predictor import BrightSpot, box_around, paint

from acrloss.detection.detector import Detections
from acrloss.errors import DataError
from acrloss.prediction.predictor import Predictor
from acrloss.prediction.tracker import Tracker
from acrloss.prediction.video import FollowedVideo, frames, predict_video


class Painted:
    """Knows the truth of the frame that is shown."""

    name = "painted"

    def __init__(self) -> None:
        self.boxes: list[np.ndarray] = []
        self.calls = 0

    def __call__(self, image: np.ndarray) -> Detections:
        self.calls += 1
        return Detections(np.array(self.boxes).reshape(-1, 4), np.full(len(self.boxes), 0.8))


class Lit:
    """Boxes all that is lit."""

    name = "lit"

    def __call__(self, image: np.ndarray) -> Detections:
        y, x = np.nonzero(image.max(axis=2) > 100)
        return Detections(np.array([[x.min(), y.min(), x.max(), y.max()]], dtype=np.float64), np.ones(1))


class Sure(BrightSpot):
    """Is sure where there is light."""

    def locate_crops(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points, _ = super().locate_crops(crops)
        lit = crops.reshape(len(crops), -1, 3).max(axis=1) > 100
        return points, lit.astype(np.float64)


def test_a_moving_face_keeps_its_number_without_a_detector() -> None:
    detector = Painted()
    tracker = Tracker(Predictor(Sure(), detector=detector), smooth=False)
    for t in range(14):
        image, points = paint((100 + 8 * t, 150), 80, angle=3 * t)
        detector.boxes = [box_around(points)]
        faces = tracker(image)
        assert faces.ids.tolist() == [0]
        assert faces.landmarks[0] == pytest.approx(points, abs=4), t
        assert faces.image == f"frame {t}"
    assert detector.calls == 1


def test_a_lost_face_is_dropped_and_found_again_under_a_new_number() -> None:
    detector = Painted()
    tracker = Tracker(Predictor(Sure(), detector=detector))
    image, points = paint((100, 150), 80)
    detector.boxes = [box_around(points)]
    assert tracker(image).ids.tolist() == [0]
    detector.boxes = []
    empty = tracker(np.zeros_like(image))
    assert len(empty) == 0
    assert empty.landmarks.shape == (0, 3, 2)
    assert empty.table()[1] == []
    image, points = paint((300, 100), 80)
    detector.boxes = [box_around(points)]
    assert tracker(image).ids.tolist() == [1]
    assert detector.calls == 3


def test_new_faces_join_and_none_is_followed_twice() -> None:
    detector = Painted()
    tracker = Tracker(Predictor(Sure(), detector=detector))
    one, first = paint((100, 150), 80)
    both, second = paint((300, 150), 80, canvas=one.copy())
    detector.boxes = [box_around(first)]
    seen = []
    for t in range(20):
        if t == 5:
            detector.boxes = [box_around(first), box_around(second)]
        seen.append(tracker(one if t < 5 else both).ids.tolist())
    assert seen[0] == [0]
    assert seen[-1] == [0, 1], "the look every fifteen frames finds it"
    assert max(map(len, seen)) == 2


def test_what_is_no_face_gets_no_number_and_costs_no_more_looks() -> None:
    detector = Painted()
    tracker = Tracker(Predictor(Sure(), detector=detector))
    image, points = paint((100, 150), 80)
    # Beside the face something dark that the detector takes for one.
    detector.boxes = [box_around(points), np.array([300.0, 100, 340, 140])]
    for _ in range(14):
        assert tracker(image).ids.tolist() == [0]
    assert detector.calls == 1


def write_video(path: Path, count: int = 12) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (400, 300))
    assert writer.isOpened()
    for t in range(count):
        writer.write(np.ascontiguousarray(paint((120 + 5 * t, 150), 80)[0][..., ::-1]))
    writer.release()


def test_a_video_gives_rows_and_a_drawn_video(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4")
    predictor = Predictor(Sure(), detector=Lit())
    seen: list[tuple[str, int | None]] = []

    def watch(items: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        seen.append((what, total))
        return items

    followed = predict_video(predictor, str(tmp_path / "clip.mp4"), tmp_path / "out", progress=watch)
    drawn = tmp_path / "out" / "clip.mp4"
    assert followed == FollowedVideo(drawn, tmp_path / "out" / "clip.csv", faces=1, frames=12)
    assert seen == [("following faces", 12)]
    assert sorted(path.name for path in drawn.parent.iterdir()) == ["clip.csv", "clip.mp4"]
    rows = list(csv.DictReader((tmp_path / "out" / "clip.csv").open()))
    assert [row["frame"] for row in rows] == [str(i) for i in range(12)]
    assert float(rows[5]["seconds"]) == pytest.approx(0.5)
    assert {row["face"] for row in rows} == {"0"}
    moved = float(rows[-1]["px0"]) - float(rows[0]["px0"])
    assert moved == pytest.approx(55, abs=6)
    pictures = list(frames(str(drawn)))
    assert len(pictures) == 12
    assert pictures[0][1].shape == (300, 400, 3)


def test_a_video_can_be_cut_short_and_never_overwrites_itself(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4")
    assert len(list(frames(str(tmp_path / "clip.mp4"), seconds=0.5))) == 5
    before = (tmp_path / "clip.mp4").read_bytes()
    with pytest.raises(DataError, match="would be overwritten"):
        predict_video(Predictor(Sure(), detector=Lit()), str(tmp_path / "clip.mp4"), tmp_path)
    assert (tmp_path / "clip.mp4").read_bytes() == before


def test_what_is_no_video_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for source, message in (
        ("none.mp4", "no such video"),
        ("text.mp4", "no video that can be opened"),
        ("99", "camera"),
    ):
        path = source if source.isdecimal() else str(tmp_path / source)
        with pytest.raises(DataError, match=message):
            list(frames(path))

"""Faces followed through real video files."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_predictor import BrightSpot, box_around, paint

from acrloss.detection.detector import Detections
from acrloss.errors import DataError
from acrloss.prediction.inputs import is_video, videos_among
from acrloss.prediction.passed_over import PassedOver
from acrloss.prediction.predictor import Predictor
from acrloss.prediction.tracker import Tracker
from acrloss.prediction.video import FollowedVideo, frames, predict_video
from acrloss.prediction.video_reader import VideoReader


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
    drawn = tmp_path / "out" / "clip.webm"
    assert followed == FollowedVideo(drawn, tmp_path / "out" / "clip.csv", faces=1, frames=12)
    assert seen == [("following faces", 12)]
    assert sorted(path.name for path in drawn.parent.iterdir()) == ["acrloss-results.sha256", "clip.csv", "clip.webm"]
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
    assert predict_video(Predictor(Sure(), detector=Lit()), str(tmp_path / "clip.mp4"), tmp_path).frames == 12
    assert (tmp_path / "clip.mp4").read_bytes() == before
    (tmp_path / "clip.mp4").rename(tmp_path / "other.webm")
    with pytest.raises(DataError, match=r"other\.webm would be replaced by its own result"):
        predict_video(Predictor(Sure(), detector=Lit()), str(tmp_path / "other.webm"), tmp_path)
    assert (tmp_path / "other.webm").read_bytes() == before


def numbered_video(path: Path, count: int, rate: float = 25.0, codec: str = "mp4v") -> None:
    """Frame k is of a grey that rises with k on the left, red in the middle and blue on the right."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (320, 240))
    assert writer.isOpened()
    for k in range(count):
        frame = np.full((240, 320, 3), 20 + 200 * k // count, np.uint8)
        frame[:, 110:210] = (0, 0, 255)
        frame[:, 210:] = (255, 0, 0)
        writer.write(frame)
    writer.release()


def with_times(path: Path, steps: list[tuple[int, int]]) -> None:
    """Give the frames of an .mp4 file that OpenCV wrote other durations: (frames, ticks) as in its "stts" atom."""
    # An edit list would end the film where it ended before.
    data = bytearray(path.read_bytes().replace(b"edts", b"free"))
    moov = data.find(b"moov") - 4
    assert moov > data.find(b"mdat"), "offsets of the pictures stay as they are"
    at = data.find(b"stts") - 4
    old = int.from_bytes(data[at : at + 4], "big")
    body = b"stts" + bytes(4) + len(steps).to_bytes(4, "big")
    body += b"".join(count.to_bytes(4, "big") + ticks.to_bytes(4, "big") for count, ticks in steps)
    new = (len(body) + 4).to_bytes(4, "big") + body
    data[at : at + old] = new
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        start = data.find(name) - 4
        size = int.from_bytes(data[start : start + 4], "big") + len(new) - old
        data[start : start + 4] = size.to_bytes(4, "big")
    path.write_bytes(data)


def test_frames_are_rgb_and_timed_by_the_container(tmp_path: Path) -> None:
    numbered_video(tmp_path / "a.mp4", 40)
    found = list(VideoReader(str(tmp_path / "a.mp4")))
    assert [frame.number for frame in found] == list(range(40))
    assert [frame.seconds for frame in found] == pytest.approx(np.arange(40) / 25)
    greys = np.array([frame.pixels[:, 20:90].mean() for frame in found])
    assert greys == pytest.approx(20 + 5 * np.arange(40), abs=4)
    assert np.diff(greys) == pytest.approx(5, abs=2)
    assert found[0].pixels[120, 160] == pytest.approx([255, 0, 0], abs=12)
    assert found[0].pixels[120, 280] == pytest.approx([0, 0, 255], abs=12)


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    numbered_video(tmp_path / "a.mp4", 60, rate=30)
    ticks = 30 * 512 // 30
    with_times(tmp_path / "a.mp4", [(30, ticks), (30, 10 * ticks)])
    reader = VideoReader(str(tmp_path / "a.mp4"))
    found = list(reader)
    expected = [k / 30 if k <= 30 else 1 + (k - 30) / 3 for k in range(60)]
    assert [frame.seconds for frame in found] == pytest.approx(expected, abs=1e-3)
    assert [frame.number for frame in found] == list(range(60))
    assert reader.lost == []


@pytest.mark.parametrize("rate", [1000, 240, 7.5, 0.5])
def test_any_frame_rate_is_taken_at_its_word(rate: float, tmp_path: Path) -> None:
    numbered_video(tmp_path / "a.mp4", 20, rate)
    reader = VideoReader(str(tmp_path / "a.mp4"))
    assert reader.rate == pytest.approx(rate)
    assert [frame.seconds for frame in reader] == pytest.approx(np.arange(20) / rate, abs=1e-3)


@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_a_damaged_video_is_read_to_its_end(place: str, tmp_path: Path) -> None:
    numbered_video(tmp_path / "a.mp4", 100)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    begin, end = data.find(b"mdat") + 4, data.find(b"moov") - 4
    at = {"start": begin, "middle": (begin + end) // 2, "end": end - 1200}[place]
    data[at : at + 1000] = bytes(1000)
    (tmp_path / "a.mp4").write_bytes(data)
    reader = VideoReader(str(tmp_path / "a.mp4"))
    found = list(reader)
    assert 60 < len(found) < 100
    assert sorted([frame.number for frame in found] + reader.lost) == list(range(100))
    # Numbers are the container's: times follow from them.
    assert [frame.seconds for frame in found] == pytest.approx([frame.number / 25 for frame in found])
    assert f"{len(found)} of 100 frames could be decoded; {100 - len(found)} " in reader.shortfall()
    with pytest.warns(UserWarning, match=f"{len(found)} of 100 frames"):
        assert len(list(frames(str(tmp_path / "a.mp4")))) == len(found)
    followed = predict_video(Predictor(Sure(), detector=Lit()), str(tmp_path / "a.mp4"), tmp_path / "out")
    assert followed.shortfall == reader.shortfall()
    assert followed.frames == len(found)
    rows = list(csv.DictReader(followed.table.open()))
    assert sorted({int(row["frame"]) for row in rows}) == [frame.number for frame in found]


def test_a_video_that_ends_early_says_so(tmp_path: Path) -> None:
    numbered_video(tmp_path / "a.avi", 100, codec="MJPG")
    data = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(data[: len(data) // 2])
    reader = VideoReader(str(tmp_path / "a.avi"))
    count = len(list(reader))
    assert 40 < count < 60
    assert reader.lost == list(range(count, 100))
    assert reader.shortfall().endswith(f"are missing ({count}, {count + 1}, {count + 2}, {count + 3}, {count + 4}, …)")


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("ts", "mpg2"), ("wmv", "WMV2"), ("flv", "FLV1"), ("3gp", "mp4v"), ("mpg", "mpg1"), ("mkv", "mp4v")],
)
def test_videos_of_every_kind_are_read_whole(suffix: str, codec: str, tmp_path: Path) -> None:
    numbered_video(tmp_path / f"a.{suffix}", 30, codec=codec)
    assert is_video(str(tmp_path / f"a.{suffix}"))
    reader = VideoReader(str(tmp_path / f"a.{suffix}"))
    found = list(reader)
    assert [frame.number for frame in found] == list(range(30))
    assert [frame.seconds for frame in found] == pytest.approx(np.arange(30) / 25, abs=0.002)
    assert reader.lost == []


def test_what_is_a_video_and_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("2024", "clips.mp4"):
        (tmp_path / name).mkdir()
    (tmp_path / "7").write_text("")
    for name in ("a.mp4", "b.MOV", "c.jpg"):
        (tmp_path / "clips.mp4" / name).write_text("")
    for source in ("0", "clips/x.MKV", "rtsp://camera/1", "HTTP://host/v", "https://host/v.mp4?k=1"):
        assert is_video(source), source
    for source in ("2024", "7", "clips.mp4", "a.jpg", "*.mp4", "httpx"):
        assert not is_video(source), source
    assert videos_among(["0", "photos", "*.jpg"]) == (["0"], ["photos", "*.jpg"])
    assert videos_among(["clips.mp4/*.mp4", "clips.mp4/*.M*"]) == (["clips.mp4/a.mp4", "clips.mp4/b.MOV"], [])
    passed: list[PassedOver] = []
    assert videos_among(["clips.mp4/*"], passed) == ([], ["clips.mp4/*"]), "images are meant where there are some"
    assert not passed
    (tmp_path / "clips.mp4" / "c.jpg").rename("clips.mp4/c.txt")
    assert videos_among(["clips.mp4/*"], passed) == (["clips.mp4/a.mp4", "clips.mp4/b.MOV"], [])
    assert [*map(str, passed)] == ["passed over: clips.mp4/c.txt: no video"]


def test_addresses_are_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is what OpenCV makes of its address; here it opens a file for it."""
    numbered_video(tmp_path / "file.mp4", 10)
    opened: list[Any] = []
    real = cv2.VideoCapture

    def capture(source: Any) -> Any:
        opened.append(source)
        return real(str(tmp_path / "file.mp4") if str(source).startswith("rtsp") else source)

    monkeypatch.setattr(cv2, "VideoCapture", capture)
    source = "rtsp://user@host:554/live/door.sdp?x=1"
    followed = predict_video(Predictor(Sure(), detector=Lit()), source, tmp_path / "out", seconds=0.2)
    assert opened[0] == source
    assert (followed.table.name, followed.frames) == ("door.csv", 5)


def test_a_frame_without_a_face_has_a_row(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (400, 300))
    for t in range(12):
        image = paint((120, 150), 80)[0] if t not in (0, 4) else np.zeros((300, 400, 3), np.uint8)
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()

    class Seeing(Lit):
        def __call__(self, image: np.ndarray) -> Detections:
            return super().__call__(image) if image.max() > 100 else Detections(np.empty((0, 4)), np.empty(0))

    followed = predict_video(Predictor(Sure(), detector=Seeing()), str(tmp_path / "a.mp4"), tmp_path / "out")
    rows = list(csv.DictReader(followed.table.open()))
    assert [row["frame"] for row in rows] == [str(i) for i in range(12)]
    assert [row["face"] for row in rows] == ["" if t in (0, 4) else "0" for t in range(12)]
    assert {value for key, value in rows[4].items() if key not in ("frame", "seconds")} == {""}
    assert float(rows[4]["seconds"]) == pytest.approx(0.4)
    assert followed.faces == 1


def test_a_cut_ends_every_face_and_an_interruption_none() -> None:
    """Two scenes with a face in the same place; a black frame in between is no cut."""

    class Anything(BrightSpot):
        """Sees the same face in all that is not black."""

        def locate_crops(self, crops: np.ndarray) -> Any:
            points = np.tile(1.25 * (self.mean_shape - 0.5) + 0.5, (len(crops), 1, 1))
            return points, np.tile(crops.max(axis=(1, 2, 3)) > 0, (3, 1)).T * 0.9

    rng = np.random.default_rng(0)
    scenes = []
    for low, high in ((0, 120), (80, 255)):
        wall = rng.integers(low, high, (12, 16, 3), dtype=np.uint8)
        scenes.append(np.asarray(cv2.resize(wall, (400, 300), interpolation=cv2.INTER_NEAREST), np.uint8))
    black = np.zeros_like(scenes[0])
    detector = Painted()
    detector.boxes = [box_around(paint((200, 150), 80)[1])]
    tracker = Tracker(Predictor(Anything(), detector=detector), smooth=False)
    seen = []
    for frame in (scenes[0], scenes[0], black, scenes[0], scenes[1], scenes[1], black, black, scenes[1]):
        detector.boxes = detector.boxes if frame.any() else []
        faces = tracker(frame)
        seen.append(faces.ids.tolist())
        detector.boxes = [box_around(paint((200, 150), 80)[1])]
    assert seen == [[0], [0], [], [0], [1], [1], [], [], [1]]


def test_a_face_that_is_gone_too_long_is_a_new_one() -> None:
    image, points = paint((100, 150), 80)
    for gone, expected in ((1, 0), (15, 0), (16, 1), (40, 1)):
        detector = Painted()
        detector.boxes = [box_around(points)]
        tracker = Tracker(Predictor(Sure(), detector=detector))
        assert tracker(image).ids.tolist() == [0]
        detector.boxes = []
        for _ in range(gone):
            assert tracker(np.zeros_like(image)).ids.tolist() == []
        detector.boxes = [box_around(points)]
        assert tracker(image).ids.tolist() == [expected], gone


def test_the_least_confidence_of_a_face_can_be_chosen() -> None:
    class Half(BrightSpot):
        def locate_crops(self, crops: np.ndarray) -> Any:
            points, _ = super().locate_crops(crops)
            return points, np.full(points.shape[:2], 0.6)

    image, points = paint((100, 150), 80)
    for least, count in ((0.5, 1), (0.7, 0)):
        detector = Painted()
        detector.boxes = [box_around(points)]
        assert len(Tracker(Predictor(Half(), detector=detector), min_confidence=least)(image)) == count


def test_a_drawn_video_plays_in_browsers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "clip.mp4")
    followed = predict_video(Predictor(Sure(), detector=Lit()), str(tmp_path / "clip.mp4"), tmp_path / "out")
    head = followed.drawn.read_bytes()[:64]
    assert head.startswith(b"\x1a\x45\xdf\xa3")
    assert b"webm" in head
    capture = cv2.VideoCapture(str(followed.drawn))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == b"VP80"
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert capfd.readouterr().err == "", "OpenCV's remarks are not for the user"


def test_stopping_a_video_is_checked(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4")
    predictor = Predictor(Sure(), detector=Lit())
    for seconds in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="a video is stopped after 0"):
            predict_video(predictor, str(tmp_path / "clip.mp4"), tmp_path / "out", seconds)
    assert not (tmp_path / "out").exists()
    followed = predict_video(predictor, str(tmp_path / "clip.mp4"), tmp_path / "out", 0.5)
    assert followed.frames == 5
    assert followed.shortfall == ""


def test_a_full_disk_leaves_nothing_half_done(tmp_path: Path) -> None:
    """A process that may write no file of more than 20 kB: the video does not fit."""
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (400, 300))
    for _ in range(20):
        writer.write(rng.integers(0, 255, (300, 400, 3), dtype=np.uint8))
    writer.release()
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from acrloss.commands.main import main\n"
        "sys.exit(main(['predict', 'a.mp4', '--output', 'out']))"
    )
    # Without the measuring of coverage, whose own file would not fit either.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=plain, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2, run.stderr
    last = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(last) == 1
    assert "disk" in last[0] or "too large" in last[0]
    assert "Traceback" not in run.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == []


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

"""Face detectors behind their one interface."""

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from acrloss.detection import installed
from acrloss.detection.detector import Detector, DetectorKind, ScaledDetector, tiles
from acrloss.detection.installed import (
    calibrated_detectors,
    create_detector,
    detector_names,
)
from acrloss.errors import DataError
from acrloss.images import read_image
from real_data import FACES_300W

FACES = FACES_300W / "afw"


def test_boxes_come_back_in_pixels_of_the_image() -> None:
    seen = []

    def find(image: Any) -> Any:
        seen.append(image.shape)
        height, width = image.shape[:2]
        return np.array([[0, 0, width, height], [width / 4, height / 4, width / 2, height / 2]]) - 0.5, [0.7, 0.9]

    found = ScaledDetector("mine", find, smallest_face=500)(np.zeros((1000, 2000, 3), np.uint8))
    assert seen == [(320, 640, 3)]
    # The surest first.
    assert found.scores.tolist() == [0.9, 0.7]
    assert found.boxes == pytest.approx(np.array([[500, 250, 1000, 500], [0, 0, 2000, 1000]]) - 0.5)


def test_where_nothing_is_found_it_looks_again_with_a_border_and_larger() -> None:
    sizes = []

    def find(image: Any) -> Any:
        sizes.append(image.shape[:2])
        if len(sizes) < 3:
            return np.empty((0, 4)), np.empty(0)
        return [[10, 20, 30, 40]], [1.0]

    found = ScaledDetector("mine", find, smallest_face=500)(np.zeros((1280, 2560, 3), np.uint8))
    assert sizes == [(320, 640), (160 + 160, 320 + 160), (640, 1280)]
    assert found.boxes[0] == pytest.approx([20.5, 40.5, 60.5, 80.5])
    sizes.clear()
    assert len(ScaledDetector("mine", find)(np.zeros((5, 5, 3), np.uint8)).boxes) == 0
    assert sizes == [], "no detector is asked about a picture of five pixels"


def test_unsure_and_impossible_boxes_are_dropped() -> None:
    rows = np.array([[0, 0, 9, 9], [5, 5, 5, 9], [0, 0, np.nan, 9], [1, 1, 8, 8]])
    detector = ScaledDetector("mine", lambda image: (rows, np.array([0.5, 0.9, 0.9, 0.8])))
    assert detector(np.zeros((64, 64, 3), np.uint8)).boxes.tolist() == [[1, 1, 8, 8]]


def test_unknown_and_missing_detectors_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="unknown detector 'blazefaec'; give one of auto, blazeface, mtcnn"):
        create_detector("blazefaec")
    monkeypatch.setattr(installed, "installed_detectors", lambda: [])
    with pytest.raises(DataError, match="no face detector is installed; pip install onnxruntime, or"):
        create_detector("mtcnn")
    with pytest.raises(DataError, match=r"no face detector is installed; pip install .* --box"):
        create_detector()


@pytest.mark.parametrize("name", detector_names())
def test_installed_detectors_find_faces(name: str) -> None:
    detector = create_detector(name)
    assert detector.name == name
    assert detector(np.full((200, 300, 3), 128, np.uint8)).boxes.shape == (0, 4)
    if not FACES.is_dir():
        pytest.skip("no real faces at hand (shared/data/300w)")
    for path in sorted(FACES.glob("*.jpg"))[:5]:
        image = read_image(str(path))
        found = detector(image)
        # The pictures are cut around the face: it lies in the middle.
        centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 / image.shape[1::-1]
        assert (np.abs(centres - 0.5).max(axis=1) < 0.2).any(), path
        assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_tiles_cover_everything_and_overlap() -> None:
    for length in (1, 960, 961, 1500, 2400, 7200, 12_345):
        parts = tiles(length, 960, 160)
        assert parts[0][0] == 0
        assert parts[-1][1] == length
        assert all(end - start <= 960 for start, end in parts)
        assert all(first[1] - second[0] >= 160 for first, second in itertools.pairwise(parts))
    assert tiles(960, 960, 160) == [(0, 960)]
    assert tiles(2400, 960, 160) == [(0, 907), (746, 1653), (1493, 2400)]


def squares(image: Any) -> Any:
    """Finds the filled squares of at least 24 and at most 400 pixels: what a detector of small pictures can."""
    count, _, found, _ = cv2.connectedComponentsWithStats((image[..., 0] > 128).astype(np.uint8))
    boxes = [[x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5] for x, y, w, h, _ in found[1:count] if 23 <= min(w, h) <= 400]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4), np.full(len(boxes), 0.9)


@pytest.mark.parametrize("size", [(3000, 4000), (600, 9000), (12_000, 1080), (1000, 1300)])
def test_small_faces_of_large_pictures_are_found_once_and_in_their_places(size: tuple[int, int]) -> None:
    """At any place, on the borders of tiles too, beside a face that alone would have ended the search."""
    rng = np.random.default_rng(sum(size))
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    truth: list[list[int]] = []
    for side in (400, 300, 160, 120, 80, 60, 60, 45, 45, 45):
        for _ in range(100):
            x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
            if all(x > b + 9 or x + side + 9 < a or y > d + 9 or y + side + 9 < c for a, c, b, d in truth):
                truth.append([x, y, x + side, y + side])
                image[y : y + side, x : x + side] = 255
                break
    found = ScaledDetector("squares", squares)(image).boxes
    wanted = np.array(sorted(truth)) - 0.5
    assert len(found) == len(wanted)
    assert found[np.lexsort(found.T[::-1].round())] == pytest.approx(wanted, abs=10)


def test_the_smallest_face_is_a_choice() -> None:
    image = np.zeros((1500, 2000, 3), np.uint8)
    image[300:325, 900:925] = 255
    assert len(ScaledDetector("squares", squares, smallest_face=24)(image).boxes) == 1
    assert len(ScaledDetector("squares", squares)(image).boxes) == 0
    with pytest.raises(ValueError, match="side above 0 pixels, not 0"):
        ScaledDetector("squares", squares, smallest_face=0)


def test_selection_auto_and_calibration_are_three_things(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, float]] = []

    def kind(name: str, automatic: bool, calibrated: bool) -> DetectorKind:
        def create(smallest_face: float) -> Detector:
            made.append((name, smallest_face))
            return ScaledDetector(name, squares)

        return DetectorKind("numpy", f"pip install {name}", create, automatic, calibrated)

    choices = {"first": (False, True), "second": (True, False), "third": (True, True)}
    kinds = {name: kind(name, *choice) for name, choice in choices.items()}
    monkeypatch.setattr(installed, "DETECTORS", tuple(kinds))
    monkeypatch.setattr(installed, "detector_kind", kinds.__getitem__)
    create_detector()
    create_detector("first", 12.0)
    assert made == [("second", 40.0), ("first", 12.0)]
    assert calibrated_detectors() == ["first", "third"]
    kinds["second"] = DetectorKind("no_such_package", "pip install second", kinds["second"].create)
    create_detector()
    assert made[-1] == ("third", 40.0)
    with pytest.raises(DataError, match="pip install second"):
        create_detector("second")
    assert calibrated_detectors() == ["first", "third"]


@pytest.mark.parametrize("name", detector_names())
def test_no_memory_is_kept_of_pictures(name: str) -> None:
    """36 KiB of every call were lost in a detector that we had."""
    detector = create_detector(name)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    for _ in range(20):
        detector(image)
    before = resident()
    for _ in range(40):
        detector(image)
    assert resident() - before < 40 * 36 / 4

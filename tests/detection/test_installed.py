"""Face detectors behind their one interface."""

from typing import Any

import numpy as np
import pytest

from acrloss.detection import installed
from acrloss.detection.detector import ScaledDetector
from acrloss.detection.installed import create_detector, detector_names, installed_detectors
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

    found = ScaledDetector("mine", find)(np.zeros((1000, 2000, 3), np.uint8))
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

    found = ScaledDetector("mine", find)(np.zeros((1280, 2560, 3), np.uint8))
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
    with pytest.raises(DataError, match="unknown detector 'yuuface'; give one of auto, yuface"):
        create_detector("yuuface")
    monkeypatch.setattr(installed, "installed_detectors", lambda: [])
    with pytest.raises(DataError, match="no face detector is installed; pip install yuface, or"):
        create_detector("yuface")
    with pytest.raises(DataError, match=r"no face detector is installed; pip install .* --box"):
        create_detector()


@pytest.mark.parametrize("name", detector_names())
def test_installed_detectors_find_faces(name: str) -> None:
    if name not in installed_detectors():
        pytest.skip(f"{name} is not installed (yuface has wheels for Python 3.10 and 3.11 only)")
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

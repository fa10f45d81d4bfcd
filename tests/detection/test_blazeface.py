"""BlazeFace: what its networks give is read as its authors read it, and faces are found however they lie."""

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.boxes import best_match, overlap
from acrloss.detection import blazeface
from acrloss.detection.blazeface import BlazeFace
from acrloss.detection.detector import Detections
from acrloss.errors import DataError
from acrloss.formats.synthetic import generate
from acrloss.images import read_image

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def detector() -> BlazeFace:
    return BlazeFace()


class Recorded:
    """A session that gives what it is told, and keeps what it was shown."""

    def __init__(self, side: int, cells: dict[int, tuple[float, list[float]]]) -> None:
        self.side, self.cells = side, cells
        self.shown: Any = None

    def run(self, _: None, given: dict[str, Any]) -> list[Any]:
        self.shown = given["input:0"]
        logits, places = np.full((896, 1), -9.0), np.zeros((896, 16))
        for cell, (logit, numbers) in self.cells.items():
            logits[cell], places[cell] = logit, numbers
        return [logits[None, :512], logits[None, 512:], places[None, :512], places[None, 512:]]


def look(image: Image, cells: dict[int, tuple[float, list[float]]]) -> tuple[Any, Recorded]:
    session = Recorded(128, cells)
    return blazeface._look(blazeface._Network(128, session), image), session


def face(x: float, y: float, width: float, height: float, eyes: tuple[float, float, float, float]) -> list[float]:
    """Sixteen numbers: centre and extent of the box, right eye, left eye, and four points that nobody asks for."""
    return [x, y, width, height, *eyes, *[0.0] * 8]


def test_numbers_are_read_by_hand() -> None:
    # 256 x 64 pixels are seen as 128 x 32 in the middle of 128 x 128: half as large, 48 pixels lower.
    image = np.full((64, 256, 3), 255, np.uint8)
    # Cell 5 of row 7 of the finer map, first of its two boxes: centre (5.5 / 16, 7.5 / 16) of 128 = (44, 60).
    cells = {2 * (7 * 16 + 5): (3.0, face(4, -2, 20, 10, (-5, -1, 5, 4)))}
    found, session = look(image, cells)
    assert session.shown.shape == (1, 128, 128, 3)
    assert session.shown[0, 48:80].min() == 1
    assert session.shown[0, :48].max() == session.shown[0, 80:].max() == -1
    assert found.scores == pytest.approx([1 / (1 + np.exp(-3.0))])
    # Its centre is (48, 58), of the picture (96, 20); 40 pixels by 20. The first pixel's centre is (0, 0).
    assert found.boxes[0] == pytest.approx([75.5, 9.5, 115.5, 29.5])
    # From the right eye (left on the screen) to the other: 10 to the right, 5 down.
    assert found.turns[0] == pytest.approx(np.degrees(np.arctan2(5, 10)))


def test_the_coarser_map_has_six_boxes_a_cell() -> None:
    # Cell 2 of row 3, the fifth of its boxes: (2.5 / 8, 3.5 / 8) of 128 = (40, 56).
    cells = {512 + 6 * (3 * 8 + 2) + 4: (1.0, face(0, 0, 8, 8, (0, 2, 0, -2)))}
    found, _ = look(np.zeros((128, 128, 3), np.uint8), cells)
    assert found.boxes[0] == pytest.approx([35.5, 51.5, 43.5, 59.5])
    assert found.turns[0] == pytest.approx(-90)


def test_candidates_of_one_face_become_their_mean_by_score() -> None:
    logit = {0.9: np.log(9.0), 0.6: np.log(1.5)}
    cells = {
        0: (logit[0.6] + 1e-9, face(60, 60, 20, 20, (-4, 0, 4, 0))),
        1: (logit[0.9], face(64, 60, 20, 20, (-4, 0, 4, 0))),
        # Elsewhere, and what is no face.
        100: (2.0, face(40, 0, 6, 6, (-1, 0, 1, 0))),
        101: (logit[0.6] - 1e-3, face(0, 40, 6, 6, (-1, 0, 1, 0))),
        102: (5.0, face(0, 40, -6, 6, (-1, 0, 1, 0))),
        103: (5.0, face(np.nan, 40, 6, 6, (-1, 0, 1, 0))),
    }
    found, _ = look(np.zeros((128, 128, 3), np.uint8), cells)
    assert found.scores == pytest.approx([0.9, 1 / (1 + np.exp(-2.0))])
    middle = 4 + (0.6 * 60 + 0.9 * 64) / 1.5
    assert found.boxes[0] == pytest.approx([middle - 10.5, 53.5, middle + 9.5, 73.5])


def test_a_picture_without_a_sure_face_is_seen_from_all_sides(detector: BlazeFace) -> None:
    faces = generate(6, seed=5)
    truth = faces.landmark_boxes()
    upright = [detector(read_image(name)) for name in faces.images]
    eyes = faces.landmarks[:, 42:48].mean(axis=1) - faces.landmarks[:, 36:42].mean(axis=1)
    for i, name in enumerate(faces.images):
        image = read_image(name)
        height, width = image.shape[:2]
        for quarters in range(4):
            found = detector(np.ascontiguousarray(np.rot90(image, -quarters)))
            # Clockwise: what was at x, y of a picture of that height is at height - 1 - y, x.
            corners = truth[i].reshape(2, 2)
            for turn in range(quarters):
                rows = height if turn % 2 == 0 else width
                corners = np.stack([rows - 1 - corners[:, 1], corners[:, 0]], axis=1)
            box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
            match = best_match(box, found.boxes)
            assert match == 0
            assert overlap(box, found.boxes[0]) > 0.55
            tilt = np.degrees(np.arctan2(eyes[i, 1], eyes[i, 0])) + 90 * quarters
            assert abs((found.turns[0] - tilt + 180) % 360 - 180) < 20
            # It is the same face, and not a worse one, that it finds in the picture turned back.
            if quarters:
                assert found.scores[0] == pytest.approx(upright[i].scores[0], abs=0.25)


@pytest.mark.parametrize(("width", "height"), [(300, 200), (200, 300)])
def test_turned_back_by_hand(width: int, height: int) -> None:
    # A face whose box is 10, 20 to 40, 60 in the picture, upright; seen in the picture turned counter-clockwise.
    box = {1: [20, width - 41, 60, width - 11], 2: [width - 41, height - 61, width - 11, height - 21]}
    box[3] = [height - 61, 10, height - 21, 40]
    for quarters, seen in box.items():
        shown = Detections(np.array([seen], dtype=np.float64), np.ones(1), np.array([-90.0 * quarters]))
        back = blazeface._turned_back(shown, quarters, width, height)
        assert back.boxes[0] == pytest.approx([10, 20, 40, 60])
        assert back.turns[0] == pytest.approx(0)
        # As NumPy turns it.
        image = np.zeros((height, width), np.uint8)
        image[20:61, 10:41] = 1
        rows, columns = np.nonzero(np.rot90(image, quarters))
        assert [columns.min(), rows.min(), columns.max(), rows.max()] == seen


def scene(width: int, height: int, places: list[tuple[int, int, int]]) -> tuple[Image, NDArray[np.float64]]:
    """A grey picture with drawn faces at x, y of so many pixels, and the boxes around their landmarks."""
    faces = generate(len(places), seed=5)
    page, boxes = np.full((height, width, 3), 120, np.uint8), []
    for i, (x, y, side) in enumerate(places):
        image, box = read_image(faces.images[i]), faces.landmark_boxes()[i]
        factor = side / float((box[2:] - box[:2]).max())
        size = round(image.shape[0] * factor)
        page[y : y + size, x : x + size] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        boxes.append((box + 0.5) * factor - 0.5 + np.array([x, y, x, y]))
    return page, np.array(boxes)


def test_small_faces_of_large_pictures_are_found_once_and_in_their_places(detector: BlazeFace) -> None:
    page, truth = scene(1700, 1100, [(40, 30, 60), (1100, 700, 45), (1500, 900, 80), (300, 400, 300), (1200, 100, 120)])
    found = detector(page)
    matches = [best_match(box, found.boxes) for box in truth]
    assert None not in matches
    assert len(set(matches)) == 5
    assert all(overlap(box, found.boxes[int(match or 0)]) > 0.5 for box, match in zip(truth, matches, strict=True))
    assert len(found.boxes) <= 6


def test_a_portrait_is_not_searched_for_small_faces_and_other_pictures_are(detector: BlazeFace) -> None:
    page, truth = scene(400, 300, [(20, 20, 150), (330, 200, 30)])
    assert [best_match(box, detector(page).boxes) is not None for box in truth] == [True, False]
    page, truth = scene(400, 300, [(20, 20, 36), (300, 200, 40)])
    assert [best_match(box, detector(page).boxes) is not None for box in truth] == [True, True]


def test_the_smallest_face_is_a_choice() -> None:
    with pytest.raises(DataError, match="side above 0 pixels, not 0"):
        BlazeFace(0)
    page, truth = scene(1600, 1200, [(700, 500, 24)])
    assert best_match(truth[0], BlazeFace(20)(page).boxes) is not None
    assert best_match(truth[0], BlazeFace(120)(page).boxes) is None


def test_other_files_than_those_we_know_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(blazeface.FOLDER, tmp_path / "weights")
    content = bytearray((tmp_path / "weights" / "back.onnx").read_bytes())
    content[1000] ^= 1
    (tmp_path / "weights" / "back.onnx").write_bytes(content)
    monkeypatch.setattr(blazeface, "FOLDER", tmp_path / "weights")
    with pytest.raises(DataError, match=r"back\.onnx has SHA-256"):
        BlazeFace()

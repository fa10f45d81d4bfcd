"""MTCNN on real faces and on what is none."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.detection import mtcnn as mtcnn_module
from acrloss.detection.installed import create_detector
from acrloss.detection.mtcnn import MTCNN
from acrloss.errors import DataError
from acrloss.formats.pts import read_pts
from acrloss.images import read_image
from real_data import FACES_300W, needs_300w

FACES = FACES_300W / "afw"

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def mtcnn() -> MTCNN:
    return MTCNN()


def real_face() -> tuple[Image, NDArray[np.float64]]:
    """A photograph and the tight box around the face's landmarks."""
    path = sorted(FACES.glob("*.jpg"))[0]
    landmarks = read_pts(path.with_suffix(".pts"))
    return read_image(str(path)), np.concatenate([landmarks.min(axis=0), landmarks.max(axis=0)])


def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection over union."""
    both = np.prod((np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0))
    return float(both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both))


@needs_300w
def test_finds_a_real_face_wherever_it_is(mtcnn: MTCNN) -> None:
    image, tight = real_face()
    boxes, scores = mtcnn(image)
    assert boxes.dtype == scores.dtype == np.float64
    assert boxes.shape == (len(scores), 4)
    assert scores[0] > 0.95
    assert (np.diff(scores) <= 0).all()
    assert len(boxes) == 1
    assert overlap(boxes[0], tight) > 0.55
    # Neither the transposed input of the networks nor the picture's shape may show: a wide picture, and a high one.
    for top, bottom, left, right in ((0, 0, 400, 0), (300, 10, 0, 0)):
        moved, _ = mtcnn(np.asarray(cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)))
        # The package's own code moves its boxes as much: the pyramid samples the face anew.
        assert overlap(moved[0] - [left, top, left, top], boxes[0]) > 0.8
    # Faces of 24 pixels are the smallest that are looked for.
    factor = 28 / float(np.prod(boxes[0, 2:] - boxes[0, :2])) ** 0.5
    small, _ = mtcnn(np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)))
    assert overlap((small[0] + 0.5) / factor - 0.5, boxes[0]) > 0.8


# What the package's own code finds, repaired and with the same least face and pyramid.
@needs_300w
@pytest.mark.parametrize(
    ("name", "box", "score"),
    [
        ("1051618982_1", (93.0, 41.1, 280.0, 275.2), 0.99961),
        ("111076519_1", (67.7, 26.9, 207.3, 210.8), 0.99998),
        ("1130084326_2", (93.3, 26.7, 283.1, 280.7), 1.0),
        ("1139324862_1", (95.9, 33.7, 265.2, 269.6), 0.99981),
    ],
)
def test_agrees_with_the_package(mtcnn: MTCNN, name: str, box: tuple[float, float, float, float], score: float) -> None:
    boxes, scores = mtcnn(read_image(str(FACES / f"{name}.jpg")))
    assert overlap(boxes[0], np.array(box)) > 0.92
    assert scores[0] == pytest.approx(score, abs=5e-4)


@needs_300w
def test_finds_a_face_that_the_picture_cuts_off(mtcnn: MTCNN) -> None:
    image, _ = real_face()
    whole, _ = mtcnn(image)
    x0, y0, x1, y1 = whole[0]
    cut = image[int(y0 + 0.1 * (y1 - y0)) :, int(x0 + 0.1 * (x1 - x0)) :]
    boxes, _ = mtcnn(np.ascontiguousarray(cut))
    corner = np.array([image.shape[1] - cut.shape[1], image.shape[0] - cut.shape[0]])
    assert overlap(boxes[0] + np.tile(corner, 2), whole[0]) > 0.75


@needs_300w
def test_a_picture_full_of_faces_gives_so_many_and_no_more(mtcnn: MTCNN) -> None:
    image, _ = real_face()
    x0, y0, x1, y1 = mtcnn(image)[0][0].clip(0).astype(int)
    face = cv2.resize(image[y0:y1, x0:x1], (30, 30), interpolation=cv2.INTER_AREA)
    boxes, scores = mtcnn(np.tile(face, (30, 30, 1)).astype(np.uint8))
    assert 50 < len(boxes) == len(scores) <= 512
    # No face twice: none lies for more than 70 % in another.
    shared = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - np.maximum(boxes[:, None, :2], boxes[:, :2])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    share = np.prod(shared.clip(0), axis=2) / np.minimum(areas[:, None], areas)
    assert share[~np.eye(len(boxes), dtype=bool)].max() <= 0.7 + 1e-9


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (23, 200), (24, 24), (25, 400), (300, 24)])
def test_tiny_pictures_give_no_face(mtcnn: MTCNN, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    boxes, scores = mtcnn(image)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    assert create_detector("mtcnn")(image).boxes.shape == (0, 4)


def test_no_face_in_one_colour_or_noise(mtcnn: MTCNN) -> None:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for image in (
        np.zeros((240, 320, 3), dtype=np.uint8),
        np.full((240, 320, 3), 255, dtype=np.uint8),
        rng.integers(0, 256, (240, 320, 3), dtype=np.uint8),
        np.asarray(cv2.resize(coarse, (320, 240)), dtype=np.uint8),
    ):
        assert len(mtcnn(image)[0]) == 0


@pytest.mark.parametrize("file", ["pnet.onnx", "rnet.onnx", "onet.onnx"])
@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_other_networks_are_refused(file: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(mtcnn_module.FOLDER, tmp_path / "mtcnn")
    monkeypatch.setattr(mtcnn_module, "FOLDER", tmp_path / "mtcnn")
    MTCNN()
    path = tmp_path / "mtcnn" / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    if fault == "changed":
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{file} has SHA-256 .*, expected [0-9a-f]{{64}}; install acrloss") as info:
        MTCNN()
    assert str(tmp_path) in str(info.value)
    assert "\n" not in str(info.value)


def test_of_boxes_that_overlap_the_surest_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60], [3, 3, 6, 6]], dtype=np.float64)
    scores = np.array([0.8, 0.9, 0.7, 0.95])
    kept = mtcnn_module._suppress(boxes, scores, 0.5)
    assert kept.tolist() == [3, 1, 2], "the small one inside shares little of the union"
    assert mtcnn_module._suppress(boxes, scores, 0.5, of_smaller=True).tolist() == [3, 2]

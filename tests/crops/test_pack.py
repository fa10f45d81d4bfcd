import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrloss.annotations import Annotations
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, apply_matrix, invert_matrix
from acrloss.crops.dataset import LandmarkDataset
from acrloss.crops.pack import pack
from acrloss.crops.patch import cut_patch
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.formats.packed import INDEX
from acrloss.images import image_size
from acrloss.schemes import Scheme

CROP = CropSpec(size=48)


def original(folder: Path, packed: Annotations) -> np.ndarray:
    """The packed landmarks in pixels of the photographs, by what the index says."""
    lines = [json.loads(line) for line in (folder / INDEX).read_text().splitlines()[1:]]
    scale = np.array([line["original"]["scale"] for line in lines])
    shift = np.array([line["original"]["shift"] for line in lines])
    return np.asarray((packed.landmarks - shift[:, None]) / scale[:, None, None])


def photographs(folder: Path, count: int = 6, size: int = 1600) -> Annotations:
    """Smooth photographs with faces of 200 to 900 px and all that can be known of them."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    images, landmarks = [], []
    for i in range(count):
        coarse = rng.integers(0, 256, (12, 12, 3), np.uint8)
        images.append(str(folder / f"{i}.jpg"))
        picture = cv2.resize(coarse, (size, size - 300), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(images[-1], picture, [cv2.IMWRITE_JPEG_QUALITY, 97])
        marks = rng.uniform(0, 200 + 140 * i, (9, 2)) + rng.uniform(100, 400, 2)
        marks[i % 9] = np.nan
        landmarks.append(marks)
    visible = rng.random((count, 9)) < 0.8
    marks = np.stack(landmarks)
    visible &= ~np.isnan(marks[..., 0])
    boxes = np.stack([np.r_[np.nanmin(m, 0) - 20, np.nanmax(m, 0) + 20] for m in marks])
    boxes[2] = np.nan
    return Annotations.create(
        images,
        marks,
        Scheme("nine", 9, (1, 0, 3, 2, 5, 4, 7, 6, 8), interocular=(0, 1)),
        visible=visible,
        boxes=boxes,
        persons=["", "a", "b", "b", "c", "ä"],
        splits=["train", "train", "val", "test", "test", ""],
        subsets=[frozenset(), frozenset({"pose"}), frozenset({"blur", "pose"}), frozenset(), frozenset(), frozenset()],
        source="photographs",
        official_faces={"train": 9},
    )


def test_everything_comes_back(tmp_path: Path) -> None:
    faces = photographs(tmp_path / "photographs")
    assert pack(faces, tmp_path / "packed", CROP) == []
    packed = read_annotations(tmp_path / "packed")
    assert np.nanmax(np.abs(original(tmp_path / "packed", packed) - faces.landmarks)) < 1e-3
    np.testing.assert_array_equal(np.isnan(packed.landmarks), np.isnan(faces.landmarks))
    for name in ("visible", "persons", "splits", "subsets", "scheme", "official_faces"):
        np.testing.assert_array_equal(getattr(packed, name), getattr(faces, name), err_msg=name)
    np.testing.assert_array_equal(np.isnan(packed.boxes), np.isnan(faces.boxes))
    # A box keeps its place about the landmarks.
    ratio = (packed.boxes[:, 2] - packed.boxes[:, 0]) / (faces.boxes[:, 2] - faces.boxes[:, 0])
    spread = np.nanmax(packed.landmarks[..., 0], 1) - np.nanmin(packed.landmarks[..., 0], 1)
    before = np.nanmax(faces.landmarks[..., 0], 1) - np.nanmin(faces.landmarks[..., 0], 1)
    known = ~np.isnan(ratio)
    np.testing.assert_allclose(ratio[known], (spread / before)[known], rtol=1e-4)


def test_patches_are_small_but_fine_enough(tmp_path: Path) -> None:
    faces = photographs(tmp_path / "photographs")
    pack(faces, tmp_path / "packed", CROP)
    packed = read_annotations(tmp_path / "packed")
    sides = CROP.squares(packed.landmark_boxes())[:, 2]
    # 1.3 times the crop, 1.15 more for zooming in.
    np.testing.assert_allclose(sides, 48 * 1.3 * 1.15, rtol=0.03)
    assert all(max(image_size(image)) < 200 for image in packed.images)


@pytest.mark.parametrize("lossless", [False, True])
def test_training_sees_the_same_crops(tmp_path: Path, lossless: bool) -> None:
    faces = photographs(tmp_path / "photographs")
    pack(faces, tmp_path / "packed", CROP, lossless=lossless)
    assert len(list((tmp_path / "packed" / "000").glob("*.png" if lossless else "*.jpg"))) == 6
    packed = read_annotations(tmp_path / "packed")
    still = Augmentation(colour=0, grey=0, blur=0, noise=0, jpeg=0, occlusion=0)
    for augmentation in (None, still):
        before, after = (LandmarkDataset(part, CROP, augmentation, seed=4) for part in (faces, packed))
        for index in range(len(faces)):
            key = (2, index) if augmentation else index
            one, other = before[key], after[key]
            np.testing.assert_allclose(one["landmarks"], other["landmarks"], atol=1e-4)
            assert one["mirrored"] == other["mirrored"]
            difference = (one["image"].int() - other["image"].int()).abs()
            assert difference.float().mean() < (1 if lossless else 2), (index, augmentation)


def test_a_face_at_the_edge_of_its_image(tmp_path: Path) -> None:
    """What lies outside is black, and the map of coordinates is exact: a bright dot is where it was."""
    picture = np.full((90, 120, 3), 60, np.uint8)
    picture[10, 7] = 255
    path = tmp_path / "edge.png"
    cv2.imwrite(str(path), picture)
    patch, matrix = cut_patch(str(path), np.array([2.0, 12.0, 40.0]), 1.5, 400, padded=True)
    assert patch.shape[0] == patch.shape[1] >= 60
    x, y = apply_matrix(matrix, np.array([7.0, 10.0]))
    assert patch[round(y), round(x)].tolist() == [255] * 3
    x, y = apply_matrix(matrix, np.array([-5.0, 10.0]))
    assert patch[round(y), round(x)].tolist() == [0] * 3
    with pytest.raises(DataError, match="more than 4 times as large as its image"):
        cut_patch(str(path), np.array([2.0, 12.0, 1000.0]), 1.5, 4000, padded=True)


@settings(max_examples=30, deadline=None)
@given(x=st.floats(20, 380), y=st.floats(20, 280), side=st.floats(20, 300), pixels=st.sampled_from([16, 40, 112, 500]))
def test_the_patch_is_the_part_of_the_image(x: float, y: float, side: float, pixels: int) -> None:
    """Of an image whose colours are its coordinates."""
    rows, columns = np.mgrid[:300, :400]
    picture = np.stack([columns * 0.6, rows * 0.8, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ramp.png"
        cv2.imwrite(str(path), picture[..., ::-1])
        patch, matrix = cut_patch(str(path), np.array([x, y, side]), 1.6, pixels, padded=True)
    height, width = patch.shape[:2]
    assert matrix[0, 0] == matrix[1, 1] <= 1
    assert matrix[0, 0] * side >= min(pixels, side) * 0.97
    where = apply_matrix(invert_matrix(matrix), np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1))
    inside = ((where > 4 / matrix[0, 0]) & (where < np.array([399, 299]) - 4 / matrix[0, 0])).all(axis=-1)
    # Values are cut to whole numbers, and OpenCV 4.10 rounds in its own way; a place beside it is off by 5 at least.
    np.testing.assert_allclose(patch[inside][:, :2], where[inside] * (0.6, 0.8), atol=2.0)


def test_faces_that_cannot_be_packed_are_named(tmp_path: Path) -> None:
    faces = photographs(tmp_path / "photographs")
    Path(faces.images[1]).write_bytes(Path(faces.images[1]).read_bytes()[:500])
    Path(faces.images[4]).unlink()
    left_out = pack(faces, tmp_path / "packed", CROP)
    assert [faces.images[1] in left_out[0], faces.images[4] in left_out[1]] == [True, True]
    assert read_annotations(tmp_path / "packed").persons == ("", "b", "b", "ä")
    with pytest.raises(DataError, match="not an empty folder"):
        pack(faces, tmp_path / "packed", CROP)
    with pytest.raises(DataError, match=r"no face could be packed; .*1\.jpg"):
        pack(faces.select([1]), tmp_path / "none", CROP)
    assert not (tmp_path / "none" / INDEX).exists()
    with pytest.raises(DataError, match="1 faces of photographs have no box"):
        pack(faces, tmp_path / "boxes", CropSpec(box="annotated"))


def test_a_face_far_outside_what_is_packed_is_left_out(tmp_path: Path) -> None:
    faces = photographs(tmp_path / "photographs", count=6)
    marks = faces.landmarks.copy()
    marks[0, :, 0] -= 1500
    boxes = faces.boxes.copy()
    boxes[2] = (0, 0, 50, 50)
    boxes[0] = (0, 0, 60, 60)
    moved = Annotations.create(faces.images, marks, faces.scheme, boxes=boxes, source="moved")
    left_out = pack(moved, tmp_path / "packed", CropSpec(size=48, box="annotated"))
    assert any("0.jpg: landmarks too far outside" in reason for reason in left_out)


def test_synthetic_faces_can_be_packed(tmp_path: Path) -> None:
    faces = read_annotations("synthetic:5")
    assert pack(faces, tmp_path, CROP) == []
    packed = read_annotations(tmp_path)
    assert np.abs(original(tmp_path, packed) - faces.landmarks).max() < 1e-3

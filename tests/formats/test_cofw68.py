from pathlib import Path

import numpy as np
import pytest

from acrloss.crops.crop import CropSpec
from acrloss.crops.dataset import LandmarkDataset
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.formats.cofw68 import recognises
from acrloss.images import image_size, read_image
from matlab import write_cofw, write_mat5
from real_data import COFW68, needs_cofw68

POINTS = np.random.default_rng(68).uniform(1, 50, (68, 2))
OCCLUDED = (np.arange(68) % 3 == 0)[None].astype(np.uint8)


def benchmark(root: Path, *numbers: int) -> Path:
    """A folder as cofw68-benchmark distributes it."""
    for number in numbers:
        path = root / "test_annotations" / f"{number}_points.mat"
        write_mat5(path, Points=POINTS + number, Occ=OCCLUDED)
    write_mat5(root / "cofw68_test_bboxes.mat", bboxes=np.array([[11, 12, 30, 40], [1, 1, 9, 9]], np.uint8))
    return root


def test_faces_in_the_order_of_their_numbers_without_images(tmp_path: Path) -> None:
    root = benchmark(tmp_path, 10, 2, 1)
    assert recognises(root)
    faces = read_annotations(root)
    assert faces.scheme.name == "ibug68"
    assert faces.images == tuple(f"no-image://{root}/test_annotations/{i}_points.mat" for i in (1, 2, 10))
    np.testing.assert_allclose(faces.landmarks, [POINTS + number - 1 for number in (1, 2, 10)])
    np.testing.assert_array_equal(faces.visible[0], OCCLUDED[0] == 0)
    np.testing.assert_allclose(faces.boxes, np.array([[10, 11, 40, 51], [0, 0, 9, 9], [np.nan] * 4]))
    assert set(faces.splits) == {"test"}
    np.testing.assert_allclose(read_annotations(root / "test_annotations").boxes, faces.boxes)
    root.rename(tmp_path.parent / "COFW68_Data")
    tmp_path.mkdir()
    (tmp_path.parent / "COFW68_Data").rename(tmp_path / "COFW68_Data")
    np.testing.assert_allclose(read_annotations(tmp_path).boxes, faces.boxes)


def test_a_bad_box_costs_no_face(tmp_path: Path) -> None:
    root = benchmark(tmp_path, 1, 2)
    write_mat5(root / "cofw68_test_bboxes.mat", bboxes=np.array([[11.0, 12, 0, 40], [20, 30, -10, 9]]))
    faces = read_annotations(root)
    np.testing.assert_array_equal(faces.boxes, [[np.nan] * 4, [9, 29, 19, 38]])
    assert [note.line.replace(str(root), "") for note in faces.notes] == [
        "ignored: /test_annotations/1_points.mat: a box of 0 x 40 is none",
        "changed: /test_annotations/2_points.mat: the box's corners (19, 29) and (9, 38) are put in order",
    ]


def test_no_image_is_said_clearly(tmp_path: Path) -> None:
    faces = read_annotations(benchmark(tmp_path, 1))
    for read in (read_image, image_size):
        with pytest.raises(DataError, match=r"1_points\.mat: there are annotations only, without an image"):
            read(faces.images[0])
    with pytest.raises(DataError, match="annotations only, without images; a network can be neither trained"):
        LandmarkDataset(faces, CropSpec())


def test_images_of_cofw_can_be_named(tmp_path: Path) -> None:
    root = benchmark(tmp_path / "cofw68", 2)
    pictures = [np.full((60, 60), 10 * i, np.uint8) for i in range(3)]
    images = write_cofw(tmp_path / "COFW_test_color.mat", "T", pictures, np.ones((3, 87)), np.ones((3, 4)))
    faces = read_annotations(root, images=str(images))
    assert read_image(faces.images[0])[0, 0].tolist() == [10, 10, 10]
    with pytest.raises(DataError, match=r"images: .*none\.mat: no such file"):
        read_annotations(root, images=tmp_path / "none.mat")


def test_bad_files_are_left_out(tmp_path: Path) -> None:
    root = benchmark(tmp_path, 1)
    folder = root / "test_annotations"
    (folder / "2_points.mat").write_bytes(b"text")
    write_mat5(folder / "3_points.mat", Points=POINTS[:67], Occ=OCCLUDED)
    write_mat5(folder / "4_points.mat", Occ=OCCLUDED)
    write_mat5(folder / "5_points.mat", Points=np.full((68, 2), np.inf), Occ=OCCLUDED)
    write_mat5(folder / "6_points.mat", Points=POINTS, Occ=OCCLUDED[:, :5])
    write_mat5(folder / "7_points.mat", Points="text", Occ=OCCLUDED)
    faces = read_annotations(root)
    assert len(faces) == 1
    reasons = dict(zip(range(2, 8), faces.skipped, strict=True))
    assert "not a MATLAB file of version 5" in reasons[2]
    assert "Points of shape (68, 2), but it is of shape (67, 2)" in reasons[3]
    assert "but it is missing" in reasons[4]
    assert "Points must be finite" in reasons[5]
    assert "Occ of shape (1, 68), but it is of shape (1, 5)" in reasons[6]
    assert "but it is missing" in reasons[7]
    write_mat5(root / "cofw68_test_bboxes.mat", bboxes=np.ones((3, 5)))
    with pytest.raises(DataError, match="expected an array bboxes of 4 columns"):
        read_annotations(root)
    with pytest.raises(DataError, match=r"no files such as 1_points\.mat"):
        read_annotations(tmp_path.parent, format="cofw68")


@needs_cofw68
def test_real_annotations_have_the_base_of_the_published_predictions() -> None:
    faces = read_annotations(COFW68)
    assert len(faces) == 507
    assert faces.skipped == ()
    assert 0.76 < faces.visible.mean() < 0.78
    # Boxes lie over the faces.
    tight = faces.landmark_boxes()
    assert np.median(np.abs(faces.boxes - tight)) < 5
    lines = [
        line.split() for line in (COFW68 / "results" / "RCPR-occ_300w.txt").read_text().splitlines() if line.strip()
    ]
    predicted = np.empty_like(faces.landmarks)
    for i in range(0, len(lines), 4):
        predicted[int(lines[i][0]) - 1] = np.array(lines[i + 1 : i + 3], dtype=float).T - 1
    assert np.abs(np.median(predicted - faces.landmarks, axis=1).mean(axis=0)).max() < 0.3
    eyes = np.linalg.norm(faces.landmarks[:, 36] - faces.landmarks[:, 45], axis=1)
    nme = 100 * np.linalg.norm(predicted - faces.landmarks, axis=2).mean(axis=1) / eyes
    assert round(nme.mean(), 2) == 8.76
    assert round(100 * (nme > 10).mean(), 2) == 20.12

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats import aflw19, read_annotations
from acrloss.formats.aflw19 import read_faces, recognises
from acrloss.notes import left_out
from hostile import overwritten, read_anyhow
from matlab import write_mat5

MARKS = np.random.default_rng(19).uniform(5, 75, (5, 19, 2)).round(4)
NAMES = ["0/image00002.jpg", "2/image00013.jpg", "2/image00013.jpg", "3/b.jpg", "3/c.jpg"]


def add_images(folder: Path) -> None:
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros((80, 80, 3), np.uint8))


def write_info(root: Path, **changes: Any) -> Path:
    """AFLWinfo_release.mat with five faces; face 3 has a hidden landmark."""
    masks = np.ones((5, 19), np.uint8)
    masks[3, 4] = 0
    variables: dict[str, Any] = {
        "bbox": np.array([[10, 50, 20, 70]] * 5, np.int16),
        "data": np.concatenate([MARKS[..., 0], MARKS[..., 1]], axis=1),
        "mask_new": masks,
        "nameList": NAMES,
        "ra": np.array([[5, 1, 2, 4, 3]], np.uint8),
    }
    return write_mat5(root / "AFLWinfo_release.mat", **(variables | changes))


@pytest.fixture
def three_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aflw19, "_TRAINING_FACES", 3)


@pytest.mark.usefixtures("three_for_training")
def test_the_matlab_file(tmp_path: Path) -> None:
    add_images(tmp_path / "data" / "flickr")
    path = write_info(tmp_path)
    assert recognises(tmp_path)
    faces = read_annotations(tmp_path, repeated="keep")
    assert faces.scheme.name == "aflw19"
    # In the order of ra, the first three for training.
    assert faces.splits == ("train", "train", "train", "test", "test")
    np.testing.assert_array_equal(faces.landmarks, MARKS[[4, 0, 1, 3, 2]])
    assert [set(tags) for tags in faces.subsets] == [set(), set(), set(), {"full"}, {"full", "frontal"}]
    assert not faces.visible[3, 4]
    assert faces.visible.sum() == 5 * 19 - 1
    np.testing.assert_array_equal(faces.boxes, [[10, 20, 50, 70]] * 5)
    assert faces.images[1] == str(tmp_path / "data" / "flickr" / NAMES[0])
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert len(read_annotations(path, image_folder=tmp_path / "elsewhere" / "flickr", repeated="keep")) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": np.zeros((5, 37))}, r"an array data of shape \(5, 38\), but it is of shape \(5, 37\)"),
        ({"data": np.zeros((38, 5))}, r"an array data of shape \(5, 38\)"),
        ({"mask_new": "text"}, r"mask_new of shape \(5, 19\), but it is missing"),
        ({"nameList": np.zeros((5, 1))}, "a cell array nameList"),
        ({"ra": np.array([[1.0, 2.0, 3.0, 4.0, 4.0]])}, "ra must hold each of 1 … 5 once"),
        ({"ra": np.array([[1, 2, 3, 4, np.nan]])}, "ra must hold each of 1 … 5 once"),
    ],
)
def test_damaged_tables(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_annotations(write_info(tmp_path, **changes))


def test_bad_faces_of_the_matlab_file_are_left_out(tmp_path: Path) -> None:
    add_images(tmp_path)
    data = np.concatenate([MARKS[..., 0], MARKS[..., 1]], axis=1)
    data[0, 0] = np.nan
    path = write_info(tmp_path, data=data, nameList=[NAMES[0], "", "\0", [NAMES[3]], NAMES[4]])
    faces = read_annotations(path)
    assert len(faces) == 1
    assert f"{path}#1: landmarks: coordinates must be finite, got nan" in faces.skipped
    assert {reason.split(":")[0] for reason in faces.skipped} == {f"{path}#{i}" for i in (1, 2, 3, 4)}


def row(i: int) -> str:
    return ",".join([NAMES[i], "1.05", "30.5", "40", "42.25", *(f"{value:.4f}" for value in MARKS[i].ravel())])


HEADER = ",".join(["image_name", "scale", "box_size", "center_w", "center_h", *(f"p{i}" for i in range(38))])


def write_csv(root: Path) -> Path:
    add_images(root / "images")
    for name, rows in (("train", (0, 1)), ("test", (3, 4)), ("test_frontal", (4,))):
        content = "\r\n".join([HEADER, *(row(i) for i in rows)]) + "\r\n"
        (root / f"face_landmarks_aflw_{name}.csv").write_bytes(content.encode())
    return root


def test_the_csv_files(tmp_path: Path) -> None:
    write_csv(tmp_path)
    faces = read_annotations(tmp_path)
    assert faces.scheme.name == "aflw19"
    assert faces.splits == ("train", "train", "test", "test")
    np.testing.assert_allclose(faces.landmarks, MARKS[[0, 1, 3, 4]])
    # The square root of its area is the box size.
    np.testing.assert_allclose(faces.boxes[0], [24.75, 27.0, 55.25, 57.5])
    assert faces.subset_names == ["full"]
    frontal = read_annotations(tmp_path / "face_landmarks_aflw_test_frontal.csv")
    assert frontal.subsets == (frozenset({"full", "frontal"}),)
    assert frontal.splits == ("test",)


def test_other_csv_files_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text("image,x0,y0\n")
    assert not recognises(tmp_path)
    assert not recognises(tmp_path / "faces.csv")
    with pytest.raises(DataError, match=r"no AFLWinfo_release\.mat"):
        list(read_faces(tmp_path, []))


def test_bad_rows_are_left_out(tmp_path: Path) -> None:
    path = write_csv(tmp_path) / "face_landmarks_aflw_test.csv"
    path.write_text("\n".join([HEADER, row(0), row(1)[:-9], row(2) + ",1", row(3).replace("1.05", "x"), '"' + row(4)]))
    faces = read_annotations(path)
    assert len(faces) == 1
    assert [reason[len(str(path)) :].split(":")[1] for reason in faces.skipped] == ["3", "4", "5", "6"]
    path.write_text("x" * 100_001)
    with pytest.raises(DataError, match=r"test\.csv:1: a line of 100000 characters"):
        list(read_faces(path, []))


ROW = row(0).encode()


@settings(deadline=None)
@given(content=st.binary(max_size=300) | overwritten(ROW))
def test_any_bytes_give_faces_or_one_clear_line(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "face_landmarks_aflw_train.csv"
    path.write_bytes(HEADER.encode() + b"\n" + content)
    faces, notes, fault = read_anyhow(lambda notes: read_faces(path, notes), path)
    for face in faces:
        assert face.landmarks.shape == (19, 2)
        assert np.isfinite(face.landmarks).all()
    assert all(line.startswith(str(path)) for line in left_out(notes) + fault)

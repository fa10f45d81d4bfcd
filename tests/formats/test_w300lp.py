from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations
from acrloss.formats.w300lp import read_faces
from acrloss.notes import Note
from format_fakes import aflw2000, face_points, picture, w300lp
from matlab import write_mat5


def faces_of(path: Path, **options: Any) -> tuple[list[Face], list[Note]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, **options)), notes


def test_300w_lp(tmp_path: Path) -> None:
    folder = w300lp(tmp_path)
    (a, b), (note,) = faces_of(folder)
    # View 1 was written as points + 2, and MATLAB counts from 1.
    np.testing.assert_allclose(a.landmarks, face_points(68))
    np.testing.assert_allclose(b.landmarks, face_points(68) + 1)
    assert b.image == str(folder / "AFW/AFW_134212_1_1.jpg")
    # The views of a photograph stay together.
    assert (a.person, b.person) == ("AFW_134212_1",) * 2
    assert a.split == "train"
    # The pt2d beside the images, which fits none of them, is never used.
    assert (note.kind, note.count) == ("left out", 2)
    assert note.where == str(folder / "AFW_Flip")
    assert "2 views without a file" in str(note)
    (a, _), _ = faces_of(folder, points="3d")
    np.testing.assert_allclose(a.landmarks, face_points(68) + 10)
    (a, _), _ = faces_of(folder / "AFW")
    np.testing.assert_allclose(a.landmarks, face_points(68))


def test_aflw2000_3d(tmp_path: Path) -> None:
    faces, notes = faces_of(aflw2000(tmp_path))
    assert notes == []
    for face in faces:
        np.testing.assert_allclose(face.landmarks, face_points(68))
        assert face.split == "test"
    assert [face.subsets for face in faces] == [
        frozenset({"yaw-0-30"}),
        frozenset({"yaw-30-60"}),
        frozenset({"yaw-60-90"}),
    ]
    assert read_annotations(tmp_path).official_faces == {"test": 2000}


def test_without_the_folder_landmarks_nothing_is_read(tmp_path: Path) -> None:
    folder = w300lp(tmp_path)
    (folder / "landmarks").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"the \.mat beside an image has the landmarks of another view"):
        read_annotations(folder / "AFW")


def test_bad_files(tmp_path: Path) -> None:
    folder = w300lp(tmp_path)
    place = folder / "landmarks/AFW/AFW_134212_1_0_pts.mat"
    whole = place.read_bytes()
    cases: list[tuple[dict[str, Any] | bytes, str]] = [
        ({"pts_2d": np.zeros((21, 2))}, "expected an array pts_2d of shape (68, 2), but it is of shape (21, 2)"),
        ({"pts_2d": np.full((68, 2), np.nan)}, "landmarks must be finite"),
        ({"pts_2d": np.full((68, 2), 1e300)}, "landmarks must be finite"),
        ({"pts_2d": "text"}, "expected an array pts_2d, but it is missing"),
        ({"other": np.zeros((68, 2))}, "expected an array pts_2d, but it is missing"),
        (whole[:200], "a damaged MATLAB file"),
        (b"", "not a MATLAB file of version 5 to 7"),
    ]
    for content, message in cases:
        if isinstance(content, bytes):
            place.write_bytes(content)
        else:
            write_mat5(place, **content)
        (face,), notes = faces_of(folder / "AFW")
        assert face.image.endswith("_1.jpg")
        assert [str(note).startswith(f"{place}: ") and message in str(note) for note in notes] == [True], str(notes)


def test_images_that_are_not_there(tmp_path: Path) -> None:
    folder = aflw2000(tmp_path) / "AFLW2000"
    (folder / "image00002.jpg").unlink()
    picture(folder / "image00004.png")
    (face,), notes = faces_of(folder)
    assert face.where.endswith("image00006.mat")
    assert [str(note).partition(": ")[2] for note in notes] == [
        "no image beside it",
        "several images beside it: image00004.jpg, image00004.png",
    ]
    write_mat5(folder / "image00006.mat", pt3d_68=np.ones((3, 68)), Pose_Para=np.full((1, 7), np.nan))
    (face,), _ = faces_of(folder)
    assert face.subsets == frozenset()


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    write_mat5(tmp_path / "Model_Shape.mat", mu=np.zeros((3, 4)))
    with pytest.raises(DataError, match=r"no \.mat files named as in 300W-LP or AFLW2000-3D"):
        faces_of(tmp_path)

from pathlib import Path

import numpy as np
import pytest

from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations
from acrloss.formats.lapa import read_counted, read_faces, recognises
from acrloss.notes import Note
from format_fakes import counted, face_points, fll3, jd_landmark, lapa, picture, write

MARKS = face_points(106)


def faces_of(path: Path, images: str | None = None) -> tuple[list[Face], list[Note]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, images=images)), notes


def test_lapa(tmp_path: Path) -> None:
    folder = lapa(tmp_path)
    faces, notes = faces_of(folder)
    assert notes == []
    assert [face.split for face in faces] == ["test", "train", "val"]
    assert faces[1].image == str(folder / "train/images/10009865324_0.jpg")
    assert faces[1].official_faces == {"train": 18168, "val": 2000, "test": 2000}
    # The corner of the image is [0, 0]: nothing is subtracted.
    for face in faces:
        np.testing.assert_allclose(face.landmarks, MARKS)
        assert face.box is None
    assert read_annotations(folder).scheme.name == "lapa106"
    # One part of it, and the folder of landmarks itself.
    for part in (folder / "val", folder / "val/landmarks"):
        (face,), _ = faces_of(part)
        assert face.split == ("val" if part.name == "val" else "")
        assert face.image.endswith("10009865324_0.jpg")


def test_jd_landmark(tmp_path: Path) -> None:
    folder = jd_landmark(tmp_path)
    (b, first, second), (note,) = faces_of(folder)
    assert [face.split for face in (b, first, second)] == ["test", "train", "train"]
    assert first.image == str(folder / "Training_data/AFW/picture/AFW_134212_1.jpg")
    np.testing.assert_allclose(first.landmarks, MARKS)
    # What the publisher corrected counts, and is said.
    np.testing.assert_allclose(second.landmarks, MARKS + 0.5)
    assert second.where == str(folder / "Corrected_landmark/AFW_134212_2.jpg.txt")
    assert (note.kind, note.count) == ("changed", 1)
    assert b.box == pytest.approx((48, 18, 142, 80))
    assert b.official_faces == {}


def test_the_third_challenge(tmp_path: Path) -> None:
    (face,), notes = faces_of(fll3(tmp_path))
    assert notes == []
    assert face.split == "train"
    assert face.image == str(tmp_path / "FLL3_dataset/train/picture_mask/c.jpg")
    assert face.box == pytest.approx((48, 18, 142, 80))


def test_images_in_a_folder_that_is_named(tmp_path: Path) -> None:
    write(tmp_path / "data/landmarks/a.txt", counted(MARKS))
    picture(tmp_path / "elsewhere/a.png")
    faces, (note,) = faces_of(tmp_path / "data")
    assert faces == []
    assert (note.kind, note.reason) == ("left out", "without one image of its name")
    (face,), _ = faces_of(tmp_path / "data", images=str(tmp_path / "elsewhere"))
    assert face.image == str(tmp_path / "elsewhere/a.png")


def test_images_of_one_stem(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        picture(tmp_path / "picture" / name)
    write(tmp_path / "landmark/a.png.txt", counted(MARKS))
    write(tmp_path / "landmark/a.txt", counted(MARKS))
    (face,), (note,) = faces_of(tmp_path)
    assert face.image == str(tmp_path / "picture/a.png")
    assert note.where == str(tmp_path / "landmark/a.txt")


def test_spellings_of_a_file(tmp_path: Path) -> None:
    for text in ("2\n1 2\n3.5 -4\n", "2\r\n1 2\r\n3.5 -4", "\ufeff2 \n\n1\t2 \n3.5,-4\n\n"):
        np.testing.assert_array_equal(read_counted(write(tmp_path / "a.txt", text)), [[1, 2], [3.5, -4]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.txt:1: expected the number of landmarks, got ''"),
        ("1 2\n3 4\n", "a.txt:1: expected the number of landmarks, got '1 2'"),
        ("-1\n", "a.txt:1: expected the number"),
        ("0\n", "a.txt: the first line says 0 landmarks, but there are 0"),
        ("1000000000\n1 2\n", "a.txt:1: expected the number"),
        ("999999999\n1 2\n", "a.txt: the first line says 999999999 landmarks, but there are 1"),
        ("1\n1 2\n3 4\n", "a.txt: the first line says 1 landmarks, but there are 2"),
        ("1\n\n1 2 3\n", "a.txt:3: expected two numbers x y, got '1 2 3'"),
        ("1\n1 nan\n", "a.txt:2: landmark: coordinates must be finite, got 'nan'"),
        ("1\n1 1e400\n", "a.txt:2: landmark: coordinates must be finite"),
        ("1\n1 1_0\n", "a.txt:2: landmark: expected a number, got '1_0'"),
        ("1\n1 x\n", "a.txt:2: landmark: expected a number, got 'x'"),
    ],
)
def test_bad_files(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "landmarks/a.txt", text)
    picture(tmp_path / "images/a.jpg")
    with pytest.raises(DataError) as caught:
        read_counted(path)
    assert message in str(caught.value)
    assert not recognises(tmp_path)
    faces, (note,) = faces_of(tmp_path)
    assert faces == []
    assert message in str(note)


def test_a_box_that_is_none_does_not_cost_the_face(tmp_path: Path) -> None:
    folder = jd_landmark(tmp_path)
    for text, reason in (
        ("48 18 48 80", "box without extent"),
        ("a b c d", "box that cannot be read"),
        ("1 2 3", "box that cannot be read"),
        ("1 2 3 4 5", "box that cannot be read"),
    ):
        write(folder / "Test_data1/rect/b.jpg.rect", text)
        (b, *_), notes = faces_of(folder / "Test_data1")
        assert b.box is None
        assert [(note.kind, note.reason) for note in notes] == [("ignored", reason)]


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder called landmarks or landmark"):
        faces_of(tmp_path)

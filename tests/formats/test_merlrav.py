from pathlib import Path

import numpy as np
import pytest

from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations
from acrloss.formats.merlrav import read_faces, read_signed_pts
from acrloss.notes import Note
from format_fakes import face_points, merl_rav, merl_rav_published, merl_rav_text, picture, write

MARKS = face_points(68)


def faces_of(path: Path, images: str | None = None) -> tuple[list[Face], list[Note]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, images=images)), notes


def test_the_example_of_its_page(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.pts",
        "version: 1\nn_points:  5\n{\n-1 -1\n-1443.54 -474.32\n1382.78 680.12\n-1.5 -1\n-0.5 -1\n}",
    )
    landmarks, visible = read_signed_pts(path)
    expected = [[np.nan, np.nan], [1442.54, 473.32], [1381.78, 679.12], [0.5, 0], [-0.5, 0]]
    np.testing.assert_allclose(landmarks, expected, atol=1e-9)
    assert visible.tolist() == [False, False, True, False, False]
    write(path, "{\n1 2\n-3 4\n}")
    with pytest.raises(DataError, match=r"a\.pts: landmark 1 at -3 4: both coordinates or none are negative"):
        read_signed_pts(path)


def test_as_its_script_organises_it(tmp_path: Path) -> None:
    folder = merl_rav(tmp_path)
    (frontal, left, half), notes = faces_of(folder)
    assert notes == []
    assert [(face.split, face.subsets) for face in (frontal, left, half)] == [
        ("train", frozenset()),
        ("test", frozenset({"profile"})),
        ("test", frozenset({"half-profile"})),
    ]
    assert frontal.image == str(folder / "frontal/trainset/image00002.jpg")
    np.testing.assert_allclose(frontal.landmarks[2:], MARKS[2:])
    assert np.isnan(frontal.landmarks[:2]).all()
    assert frontal.visible is not None
    assert np.flatnonzero(~frontal.visible).tolist() == [0, 1, 3, 4]
    faces = read_annotations(folder)
    assert faces.scheme.name == "ibug68"
    # 15,449 + 3865 are the 19,314 files that are published.
    assert (faces.official_faces["train"], faces.official_faces["test"]) == (15449, 3865)
    assert sum(faces.official_faces[tag] for tag in ("frontal", "half-profile", "profile")) == 3865
    # A part of it, where the folders above tell what it is.
    (face,), _ = faces_of(folder / "left/testset")
    assert face.subsets == frozenset({"profile"})


def test_as_it_is_published(tmp_path: Path) -> None:
    folder = merl_rav_published(tmp_path)
    (a, b), notes = faces_of(folder)
    assert notes == []
    assert {a.image, b.image} == {str(tmp_path / "aflw/flickr/0/image20991.jpg")}
    assert a.split == "test"
    np.testing.assert_allclose(b.landmarks, MARKS * (1, 0.4) + (0, 70))
    assert len(read_annotations(tmp_path / "merl_rav_labels")) == 2
    # With AFLW elsewhere.
    (tmp_path / "aflw").rename(tmp_path / "pictures")
    faces, notes = faces_of(folder)
    assert faces == []
    assert {note.reason for note in notes} == {"without an image"}
    assert "give images=…/aflw/data/flickr" in str(notes[0])
    (a, b), _ = faces_of(folder, images=str(tmp_path / "pictures/flickr"))
    assert a.image == str(tmp_path / "pictures/flickr/0/image20991.jpg")


def test_bad_files(tmp_path: Path) -> None:
    folder = merl_rav(tmp_path) / "frontal/trainset"
    for stem, text in (
        ("image00003", "{\n1 2\n-3 4\n}"),
        ("image00004", merl_rav_text(MARKS).replace("50.0", "inf", 1)),
        ("image00005", "version: 1\nn_points: 68\n{\n1 2\n}"),
    ):
        picture(folder / f"{stem}.jpg")
        write(folder / f"{stem}.pts", text.replace("51.0 21.0", "inf 1", 1) if stem == "image00004" else text)
    faces, notes = faces_of(folder)
    assert [Path(face.where).name for face in faces] == ["image00002.pts"]
    assert [str(note).removeprefix(f"{folder}/") for note in notes] == [
        "image00003.pts: landmark 1 at -3 4: both coordinates or none are negative",
        "image00004.pts:4: coordinates must be finite, got 'inf 1'",
        "image00005.pts: n_points says 68, but there are 1 points",
    ]


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder such as frontal/trainset"):
        faces_of(tmp_path)

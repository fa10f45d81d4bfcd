from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acrloss.annotations import concatenate
from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations
from acrloss.formats.pts import OFFICIAL_FACES, read_faces, read_pts, recognises, write_pts
from acrloss.notes import Note, left_out
from real_data import FACES_300W, needs_300w

THREE = np.array([[0.0, 0.0], [9.5, 2.25], [-3.0, 4.0]])


def folder_with(root: Path, *names: str) -> Path:
    """A small data set; images are pictures, .pts files hold THREE."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".pts":
            write_pts(path, THREE)
        else:
            ok, content = cv2.imencode(path.suffix.lower(), np.zeros((8, 8, 3), np.uint8))
            assert ok
            path.write_bytes(content.tobytes())
    return root


def faces_of(root: Path) -> tuple[list[Face], list[str]]:
    notes: list[Note] = []
    return list(read_faces(root, notes)), left_out(notes)


@pytest.mark.parametrize(
    "content",
    [
        b"version: 1\nn_points: 3\n{\n1.000 1.000\n10.5 3.25\n-2 5\n}\n",
        b"version: 1\r\nn_points:  3\r\n{\r\n1 1\r\n10.5 3.25\r\n-2 5\r\n}\r\n",
        b"version: 1\rn_points: 3\r{\r1 1\r10.5 3.25\r-2 5\r}",
        b"1 1\n10.5 3.25\n-2 5",
        b"\xef\xbb\xbfn_points: 3\n1 1\n10.5 3.25\n-2 5\n",
        b"version: 1.0\nN_POINTS : 3 \n\n { 1 1\n\n 10.5\t3.25 \n -2e0 5.}\nanything after the brace\n",
        b"# by Fran\xe7ois\nname: face 7\n{\n1,1 // first\n10.5, 3.25\n-2 , 5 # last\n}\n",
    ],
)
def test_every_form_of_the_file_gives_0_based_points(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pts"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_pts(path), THREE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.pts: no points"),
        (b"version: 1\nn_points: 68\n{\n}\n", r"a\.pts: no points"),
        (b"n_points: 4\n1 1\n2 2\n3 3\n", r"n_points says 4, but there are 3"),
        (b"n_points: 1000000000\n1 1\n", r"n_points says 1000000000, but there are 1"),
        (b"n_points: many\n1 1\n", r"a\.pts:1: n_points must be a number, got 'many'"),
        (b"1 1\n2\n", r"a\.pts:2: expected two numbers x y, got '2'"),
        (b"1 1\n2 2 2\n", r"a\.pts:2: expected two numbers"),
        (b"1 1\nx y\n", r"a\.pts:2: expected two numbers x y, got 'x y'"),
        (b"1 1\n1_0 2\n", r"a\.pts:2: expected two numbers"),
        (b"1 1\nn_points: 1\n", r"a\.pts:2: expected two numbers"),
        (b"{\n1 nan\n}", r"a\.pts:2: coordinates must be finite, got '1 nan'"),
        (b"{\n1 1\n-inf 1\n}", r"a\.pts:3: coordinates must be finite"),
        (b"1 1e300\n", r"a\.pts:1: coordinates must be finite"),
        (b"\xff\xd8\xff\xe0 a picture", r"a\.pts:1: expected two numbers"),
    ],
)
def test_bad_files_name_file_and_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pts"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_pts(path)
    assert "\n" not in str(caught.value)


def test_large_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pts"
    path.write_bytes(b"1 1\n" * 250_001)
    with pytest.raises(DataError, match=r"1000004 bytes; a \.pts file may have at most 1000000"):
        read_pts(path)
    with pytest.raises(DataError, match=r"b\.pts: cannot be read"):
        read_pts(tmp_path / "b.pts")


PTS_TEXT = st.lists(
    st.sampled_from(["1", "2.5", "-3e2", " ", "\n", "\r\n", "{", "}", ":", "n_points", "nan", "#", ",", "1e999", "x"]),
    max_size=60,
).map(lambda parts: "".join(parts).encode())


@given(content=st.binary(max_size=300) | PTS_TEXT)
def test_any_bytes_give_finite_points_or_one_clear_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pts"
    path.write_bytes(content)
    try:
        points = read_pts(path)
    except DataError as error:
        message = str(error)
        assert message.startswith(str(path))
        assert "\n" not in message
    else:
        assert points.ndim == 2
        assert points.shape[1] == 2
        assert 0 < len(points) <= len(content)
        assert np.isfinite(points).all()


@given(points=hnp.arrays(np.float64, (7, 2), elements=st.floats(-1e6, 1e6)))
def test_round_trip_to_six_decimals(points: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write_pts(tmp_path_factory.getbasetemp() / "trip.pts", points)
    np.testing.assert_allclose(read_pts(path), points, rtol=0, atol=1e-6)


def test_written_file_has_the_official_form(tmp_path: Path) -> None:
    path = write_pts(tmp_path / "new" / "a.pts", THREE)
    assert path.read_text() == (
        "version: 1\nn_points: 3\n{\n1.000000 1.000000\n10.500000 3.250000\n-2.000000 5.000000\n}\n"
    )
    with pytest.raises(ValueError, match="finite"):
        write_pts(path, [[np.nan, 1.0]])
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        write_pts(path, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("folder", "split", "subsets"),
    [
        ("afw", "train", set()),
        ("helen/trainset", "train", set()),
        ("lfpw/trainset", "train", set()),
        ("helen/testset", "test", {"full", "common"}),
        ("LFPW/TestSet", "test", {"full", "common"}),
        ("ibug", "test", {"full", "challenging"}),
        ("IBUG", "test", {"full", "challenging"}),
        ("ibug/helen/testset", "test", {"full", "common"}),
        ("300W/01_Indoor", "private", {"private", "indoor"}),
        ("300W/02_Outdoor", "private", {"private", "outdoor"}),
        ("train", "train", set()),
        ("mine/val/day1", "val", set()),
        ("testset", "test", set()),
        ("day1", "", set()),
    ],
)
def test_folders_give_split_and_subsets(folder: str, split: str, subsets: set[str], tmp_path: Path) -> None:
    root = folder_with(tmp_path / "root", f"{folder}/a.jpg", f"{folder}/a.pts")
    (face,), skipped = faces_of(root)
    assert skipped == []
    assert face.split == split
    assert face.subsets == subsets
    assert face.image == str(root / folder / "a.jpg")
    # The folder itself as the source says the same.
    (face,), _ = faces_of(root / folder)
    assert face.subsets == subsets
    assert face.split == ("" if folder == "mine/val/day1" else split)


def test_names_match_whatever_their_case(tmp_path: Path) -> None:
    root = folder_with(
        tmp_path,
        "a.JPG",
        "a.PTS",
        "B.png",
        "b.pts",
        "c.Jpeg",
        "c.pts",
        "unannotated.jpg",
        "x/d.d.png",
        "x/d.d.pts",
    )
    faces, skipped = faces_of(root)
    assert [Path(face.image).name for face in faces] == ["a.JPG", "B.png", "c.Jpeg", "d.d.png"]
    assert skipped == []
    assert recognises(root)
    assert not recognises(folder_with(tmp_path / "other", "a.jpg"))


def test_ambiguous_images_are_left_out_and_named(tmp_path: Path) -> None:
    root = folder_with(tmp_path, "a.jpg", "a.png", "a.pts", "b.jpg", "b.pts", "B.pts", "c.pts")
    faces, skipped = faces_of(root)
    assert [face.where for face in faces] == [str(root / "B.pts")]
    assert skipped == [
        f"{root / 'a.pts'}: several images beside it: a.jpg, a.png; keep one",
        f"{root / 'b.pts'}: the image {root / 'b.jpg'} has two .pts files, this and {root / 'B.pts'}; keep one",
        f"{root / 'c.pts'}: no image beside it",
    ]


def test_links_that_form_a_circle_end(tmp_path: Path) -> None:
    root = folder_with(tmp_path / "root", "a.jpg", "a.pts")
    folder_with(tmp_path / "elsewhere", "b.jpg", "b.pts")
    (root / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "circle").symlink_to(root, target_is_directory=True)
    faces, skipped = faces_of(root)
    assert [Path(face.where).name for face in faces] == ["a.pts", "b.pts"]
    assert skipped == []


def test_the_official_folders_say_how_many_faces_the_protocol_has(faces_300w: Path, tmp_path: Path) -> None:
    faces = read_annotations(faces_300w)
    assert faces.official_faces == OFFICIAL_FACES
    assert faces.summary().endswith(
        "train 14 of the official 3148, test 10 of the official 689; "
        "subsets challenging 4 of the official 135, common 6 of the official 554, full 10 of the official 689"
    )
    assert faces.split("test").official_faces == OFFICIAL_FACES
    assert "official" not in concatenate([faces, read_annotations("synthetic:5")]).summary()
    root = tmp_path / "mine" / "train"
    root.mkdir(parents=True)
    for end in ("jpg", "pts"):
        (root / f"a.{end}").write_bytes((faces_300w / "afw" / f"face_0.{end}").read_bytes())
    mine = read_annotations(tmp_path / "mine")
    assert mine.split_names == ["train"]
    assert mine.official_faces == {}


@needs_300w
def test_300w_as_it_is_read_without_options() -> None:
    faces = read_annotations(FACES_300W)
    assert Counter(faces.splits) == {"train": 2012, "test": 558}
    assert {tag: len(faces.subset(tag)) for tag in faces.subset_names} == {"challenging": 4, "common": 554, "full": 558}
    assert "challenging 4 of the official 135, common 554, full 558 of the official 689" in faces.summary()


def test_images_in_a_folder_of_their_own(tmp_path: Path) -> None:
    """All in folders of the usual names; a folder further away does not count where a nearer one has the image."""
    places = {
        "annot/a.pts": "image/a.png",
        "b.pts": "imgs/b.jpg",
        "labels/train/c.pts": "Images/train/c.jpg",
        "labels/train/deep/d.pts": "Images/train/deep/d.jpg",
        "x/test/points/e.pts": "x/test/pictures/E.jpg",
    }
    root = folder_with(tmp_path, *places, *places.values(), "image/c.jpg", "Images/train/a.png")
    faces, skipped = faces_of(root)
    assert skipped == []
    assert {face.where: face.image for face in faces} == {
        str(root / where): str(root / image) for where, image in places.items()
    }
    assert {face.where.rpartition("/")[2]: face.split for face in faces} == {
        "a.pts": "",
        "b.pts": "",
        "c.pts": "train",
        "d.pts": "train",
        "e.pts": "test",
    }
    # Of a folder of annotations that is given itself the images are beside it.
    (face,), _ = faces_of(root / "annot")
    assert Path(face.image).resolve() == root / "image/a.png"


def test_images_in_a_folder_that_is_named(tmp_path: Path) -> None:
    root = folder_with(tmp_path, "points/train/a.pts", "points/b.pts", "photographs/train/a.jpg", "photographs/b.jpg")
    faces, skipped = faces_of(root)
    assert faces == []
    assert len(skipped) == 2
    notes: list[Note] = []
    faces = list(read_faces(root / "points", notes, images=str(root / "photographs")))
    assert notes == []
    assert [face.image for face in faces] == [str(root / "photographs/b.jpg"), str(root / "photographs/train/a.jpg")]
    # All images in one folder.
    (root / "photographs/train/a.jpg").rename(root / "photographs/a.jpg")
    faces = list(read_faces(root / "points", notes, images=str(root / "photographs")))
    assert [face.image for face in faces] == [str(root / "photographs/b.jpg"), str(root / "photographs/a.jpg")]


FACE = np.array([[40, 40], [80, 40], [60, 60], [45, 80], [75, 80]], dtype=float)


def write_signed(root: Path, name: str, points: np.ndarray) -> None:
    """A .pts file with these numbers, as they are, beside an image of 120 x 100."""
    rows = "".join(f"{x:g} {y:g}\n" for x, y in points)
    (root / f"{name}.pts").write_text(f"version: 1\nn_points: {len(points)}\n{{\n{rows}}}\n")
    (root / f"{name}.png").write_bytes(cv2.imencode(".png", np.zeros((100, 120, 3), np.uint8))[1].tobytes())


def test_hidden_landmarks_with_a_minus_are_recognised(tmp_path: Path) -> None:
    marks = FACE.copy()
    marks[:2] *= -1
    write_signed(tmp_path, "a", marks)
    marks[3:] = -1
    write_signed(tmp_path, "b", marks)
    write_signed(tmp_path, "c", FACE)
    notes: list[Note] = []
    a, b, c = read_faces(tmp_path, notes)
    np.testing.assert_array_equal(a.landmarks, FACE - 1)
    assert a.visible is not None
    assert a.visible.tolist() == [False, False, True, True, True]
    np.testing.assert_array_equal(b.landmarks, [*(FACE[:3] - 1), [np.nan] * 2, [np.nan] * 2])
    assert b.visible is not None
    assert b.visible.tolist() == [False, False, True, False, False]
    assert c.visible is None
    assert [(note.kind, note.where) for note in notes] == [("guessed", a.where), ("guessed", b.where)]
    assert "2 landmarks -x, -y are taken for hidden at x, y, and 2 at -1, -1 for missing" in notes[1].message
    a, _, _ = read_faces(tmp_path, notes, negative="outside")
    assert a.landmarks[0].tolist() == [-41, -41]
    assert len(notes) == 2


def test_landmarks_just_outside_the_border_stay(tmp_path: Path) -> None:
    for number in range(4):
        marks = FACE - (42 + number, 43)
        write_signed(tmp_path, f"{number}", marks)
        assert (marks < 0).all(axis=1).sum() == 1
    notes: list[Note] = []
    faces = list(read_faces(tmp_path, notes))
    assert notes == []
    assert faces[0].landmarks[0].tolist() == [-3, -4]
    # Told so, a minus is a hidden landmark.
    faces = list(read_faces(tmp_path, notes, negative="hidden"))
    assert faces[0].landmarks[0].tolist() == [1, 2]
    assert notes == []

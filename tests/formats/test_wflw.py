from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.formats.wflw import read_faces, recognises
from acrloss.notes import left_out
from hostile import overwritten, read_anyhow

MARKS = np.random.default_rng(98).uniform(5, 115, (98, 2)).round(6)
BOX = (3, 4, 117, 116)


def line(image: str, flags: str | None = "0 0 0 0 0 0", box: bool = True, marks: np.ndarray = MARKS) -> str:
    """A line as WFLW writes it: six decimals, whole boxes, one blank between."""
    words = [f"{value:.6f}" for value in marks.ravel()]
    words += [str(value) for value in BOX] if box else []
    return " ".join([*words, *([flags] if flags else []), image])


def wflw(root: Path, train: list[str], test: list[str]) -> Path:
    for image in ("0--Parade/a.jpg", "1--Handshaking/b.jpg"):
        path = root / "WFLW_images" / image
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((120, 120, 3), np.uint8))
    folder = root / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    folder.mkdir(parents=True)
    (folder / "list_98pt_rect_attr_train.txt").write_bytes(("\n".join(train) + "\n").encode())
    (folder / "list_98pt_rect_attr_test.txt").write_bytes(("\r\n".join(test) + "\r\n").encode())
    return root


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    small = MARKS * 0.4
    return wflw(
        tmp_path / "WFLW",
        [line("0--Parade/a.jpg", "1 0 0 0 0 1"), line("1--Handshaking/b.jpg", marks=small)],
        [
            line("1--Handshaking/b.jpg", "0 0 0 1 0 0", marks=small + 60),
            line("0--Parade/a.jpg", "1 1 1 1 1 1", marks=small),
            line("0--Parade/a.jpg", marks=small + 55),
        ],
    )


def test_lists_splits_attributes_and_several_faces_of_an_image(whole: Path) -> None:
    (whole / "WFLW_annotations" / "list_98pt_test").mkdir()
    (whole / "WFLW_annotations" / "list_98pt_test" / "list_98pt_test_blur.txt").write_text("")
    assert recognises(whole)
    faces = read_annotations(whole, repeated="keep")
    assert faces.scheme.name == "wflw98"
    assert faces.splits == ("train",) * 2 + ("test",) * 3
    assert faces.official_faces["test"] == 2500
    np.testing.assert_array_equal(faces.landmarks[0], MARKS)
    np.testing.assert_array_equal(faces.boxes, [BOX] * 5)
    # Attributes are subsets of the test faces.
    six = {"pose", "expression", "illumination", "make-up", "occlusion", "blur"}
    assert [set(tags) for tags in faces.subsets] == [set(), set(), {"make-up"}, six, set()]
    assert faces.images[3] == str(whole / "WFLW_images" / "0--Parade/a.jpg")
    assert faces.skipped == ()


@pytest.mark.parametrize(
    "below", ["WFLW_annotations", "WFLW_annotations/list_98pt_rect_attr_train_test"], ids=["annotations", "lists"]
)
def test_any_folder_of_the_layout_will_do(below: str, whole: Path) -> None:
    assert len(read_annotations(whole / below, repeated="keep")) == 5


def test_one_list_alone_and_lists_without_boxes(whole: Path) -> None:
    folder = whole / "WFLW_annotations"
    one = read_annotations(folder / "list_98pt_rect_attr_train_test" / "list_98pt_rect_attr_test.txt")
    assert set(one.splits) == {"test"}
    for name, tags in (("list_98pt_test.txt", set()), ("list_98pt_test_largepose.txt", {"pose"})):
        path = folder / "list_98pt_test" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(line("0--Parade/a.jpg", None, box=False) + "\n")
        faces = read_annotations(path)
        assert np.isnan(faces.boxes).all()
        assert faces.splits == ("test",)
        assert faces.subsets == (frozenset(tags),)
    # Of a folder without the lists that have attributes, the list of all test faces.
    assert len(read_annotations(folder / "list_98pt_test")) == 1


def test_images_elsewhere(whole: Path, tmp_path: Path) -> None:
    (whole / "WFLW_images").rename(tmp_path / "pictures")
    with pytest.raises(DataError, match="no folder WFLW_images beside it or above it; give image_folder"):
        read_annotations(whole)
    assert len(read_annotations(whole, image_folder=tmp_path / "pictures", repeated="keep")) == 5


def test_bad_lines_are_left_out_with_their_number(tmp_path: Path) -> None:
    good = line("0--Parade/a.jpg")
    bad = [
        good.replace(" 0 ", " 2 ", 1),
        " ".join(good.split()[1:]),
        good.replace(good.split()[7], "nan"),
        good.replace(good.split()[7], "1_0"),
        line("0--Parade/none.jpg"),
        "text",
    ]
    faces = read_annotations(wflw(tmp_path / "w", [*bad, "", good], [good]), repeated="keep")
    assert len(faces) == 2
    path = tmp_path / "w/WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt"
    reasons = {reason.removeprefix(str(path))[:3]: reason for reason in faces.skipped}
    assert "attributes must be 0 or 1, got 2 0 0 0 0 0" in reasons[":1:"]
    assert "206 words, expected 196 coordinates" in reasons[":2:"]
    assert "coordinates must be finite" in reasons[":3:"]
    assert "expected a number, got '1_0'" in reasons[":4:"]
    assert "none.jpg: no such image file" in reasons[":5:"]
    assert "1 words" in reasons[":6:"]


def test_other_folders_are_no_wflw(tmp_path: Path) -> None:
    assert not recognises(tmp_path)
    with pytest.raises(DataError, match=r"no list_98pt_rect_attr_train\.txt"):
        list(read_faces(tmp_path, []))
    with pytest.raises(DataError, match=r"list_98pt_x\.txt: cannot be read"):
        list(read_faces(tmp_path / "list_98pt_x.txt", [], image_folder=tmp_path))
    (tmp_path / "list_98pt_x.txt").write_bytes(b"1 " * 60_000)
    with pytest.raises(DataError, match=r"list_98pt_x\.txt:1: a line of 100000 characters"):
        list(read_faces(tmp_path / "list_98pt_x.txt", [], image_folder=tmp_path))


LINE = line("0--Parade/a.jpg").encode()


@settings(deadline=None)
@given(content=st.binary(max_size=300) | overwritten(LINE))
def test_any_bytes_give_faces_or_one_clear_line(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "list_98pt_any.txt"
    path.write_bytes(content)
    faces, notes, fault = read_anyhow(lambda notes: read_faces(path, notes, image_folder=path.parent), path)
    for face in faces:
        assert face.landmarks.shape == (98, 2)
        assert np.isfinite(face.landmarks).all()
    assert all(line.startswith(str(path)) for line in left_out(notes) + fault)

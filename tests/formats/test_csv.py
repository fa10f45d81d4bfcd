import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations
from acrloss.formats import csv as csv_reader
from acrloss.formats.csv import read_faces, recognises
from acrloss.notes import Note, left_out
from acrloss.schemes import Scheme

TWO = Scheme("two", 2, (1, 0))


def faces_of(path: Path, **options: Any) -> tuple[list[Face], list[str]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, **options)), left_out(notes)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faces.csv"
    path.write_bytes(text.encode())
    return path


def test_usual_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "image,subject,split,x0,y0,x1,y1\nimages/a.jpg,Ann,train,1,2.5,3,4\n/data/b.jpg,,test,-1,0,1e1,7\n",
    )
    (a, b), skipped = faces_of(path)
    assert skipped == []
    assert (a.where, a.image, a.person, a.split) == (
        f"{path}:2",
        str(tmp_path / "images/a.jpg"),
        "Ann",
        "train",
    )
    assert (b.where, b.image, b.person, b.split) == (f"{path}:3", "/data/b.jpg", "", "test")
    assert a.landmarks.tolist() == [[1, 2.5], [3, 4]]
    assert b.landmarks.tolist() == [[-1, 0], [10, 7]]
    assert a.visible is None
    assert a.box is None


def test_mapped_columns_bom_crlf_quotes_and_one_based(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufeffwho, file ,part,px_1,py_1,px_2,py_2,v1,v2,l,t,r,b\r\n"
        '"Smith, Ann","a ""1"".jpg",val,1,1,3,4,1,FALSE,1,2,11,12\r\n\r\nBob,b.jpg,val,5,6,,,true,0,,,,\r\n',
    )
    (a, b), skipped = faces_of(
        path,
        image_column="file",
        person_column="who",
        split_column="part",
        landmark_columns=["px_{i}", "py_{i}"],
        visible_columns="v{i}",
        box_columns=["l", "t", "r", "b"],
        one_based=True,
    )
    assert skipped == []
    assert (a.person, Path(a.image).name, a.split) == ("Smith, Ann", 'a "1".jpg', "val")
    assert a.landmarks.tolist() == [[0, 0], [2, 3]]
    assert a.visible is not None
    assert a.visible.tolist() == [True, False]
    assert [a.box, b.box] == [(0, 1, 10, 11), None]
    assert b.where == f"{path}:4"
    assert np.isnan(b.landmarks[1]).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,1,2,3", "4 cells, but the header names 5 columns"),
        ("a.jpg,1,2,3,4,5", "6 cells"),
        (" ,1,2,3,4", "no image in column 'image'"),
        ("a.jpg,1,nan,3,4", "landmark 0 has one coordinate"),
        ("a.jpg,1,2,inf,4", "column 'x1': expected a finite number"),
        ("a.jpg,1,2,-1e300,4", "column 'x1': expected a finite number"),
        ("a.jpg,1,2,1_0,4", "column 'x1'"),
        ("a.jpg,1,2,three,4", "column 'x1': expected a finite number or an empty cell, got 'three'"),
        ("a.jpg,1,,3,4", "landmark 0 has one coordinate"),
    ],
)
def test_bad_rows_are_left_out_with_file_and_line(row: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"image,x0,y0,x1,y1\ngood.jpg,1,2,3,4\n{row}\nlast.jpg,1,2,3,4\n")
    faces, skipped = faces_of(path)
    assert [Path(face.image).name for face in faces] == ["good.jpg", "last.jpg"]
    assert len(skipped) == 1
    assert skipped[0].startswith(f"{path}:3: {message}")


def test_bad_flags_and_boxes(tmp_path: Path) -> None:
    path = write(tmp_path, "image,x0,y0,v0,l,t,r,b\na,1,2,maybe,0,0,5,5\nb,1,2,1,5,0,0,5\nc,1,2,1,0,0,,5\n")
    faces, skipped = faces_of(path, visible_columns="v{i}", box_columns=["l", "t", "r", "b"])
    assert [face.box for face in faces] == [(0, 0, 5, 5), None]
    assert len(skipped) == 1
    assert "column 'v0': expected 1, 0, true or false, got 'maybe'" in skipped[0]


@pytest.mark.parametrize(
    ("cells", "box", "note"),
    [
        (",,,", None, ""),
        ("NaN,NA,null,", None, ""),
        ("0,0,0,0", None, "a box of 0 x 0 is none"),
        ("9,1,3,7", (3, 1, 9, 7), "the box's corners (9, 1) and (3, 7) are put in order"),
        ("3,1,,7", None, "box: coordinates must be finite, got nan"),
        ("3,1,x,7", None, "column 'box_x1': expected a finite number or an empty cell, got 'x'"),
    ],
)
def test_a_bad_box_never_costs_a_face(cells: str, box: Any, note: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"image,x0,y0,box_x0,box_y0,box_x1,box_y1\na.jpg,1,2,{cells}\n")
    notes: list[Note] = []
    (face,) = read_faces(path, notes)
    assert face.landmarks.tolist() == [[1, 2]]
    assert face.box == box
    assert [str(n) for n in notes] == ([f"{path}:2: {note}"] if note else [])


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_separators_decimals_and_words_for_nothing(separator: str, tmp_path: Path) -> None:
    rows = [["image", "person", "split", "x0", "y0", "x1", "y1"], ["a.jpg", "NaN", "n/a", "1.5", "2", "nan", "NA"]]
    # Where cells are set apart otherwise, a comma is a decimal point.
    rows += [["b.jpg", "Ann", "train", "1,5" if separator != "," else "1.5", "2", "3", "4"]]
    path = write(tmp_path, "\n".join(separator.join(row) for row in rows) + "\n")
    (a, b), skipped = faces_of(path)
    assert skipped == []
    np.testing.assert_array_equal(a.landmarks, [[1.5, 2], [np.nan, np.nan]])
    assert (a.person, a.split) == ("", "")
    assert b.landmarks.tolist() == [[1.5, 2], [3, 4]]


def test_a_file_without_names_of_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "x/a.jpg 1.jpg,1,2,3,4\nb.png,5,6,nan,nan\n")
    notes: list[Note] = []
    a, b = read_faces(path, notes)
    assert (a.where, a.image, a.landmarks.tolist()) == (f"{path}:1", str(tmp_path / "x/a.jpg 1.jpg"), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(b.landmarks, [[5, 6], [np.nan, np.nan]])
    assert [(n.kind, n.reason) for n in notes] == [("guessed", "file without names of columns")]
    assert "the image, and x and y of 2 landmarks" in notes[0].message
    # The image may stand last; a number too many is no pair.
    (last,) = read_faces(write(tmp_path, "1;2;a.jpg\n"), [])
    assert last.landmarks.tolist() == [[1, 2]]
    with pytest.raises(DataError, match=r"faces\.csv:1: no column has a name, and 3 numbers are no pairs x, y; name"):
        faces_of(write(tmp_path, "a.jpg,1,2,3\n"))


def test_flags_as_in_coco(tmp_path: Path) -> None:
    header = "image,x0,y0,x1,y1,x2,y2,visible0,visible1,visible2\n"
    path = write(tmp_path, header + "a.jpg,1,2,3,4,0,0,2,1,0\nb.jpg,1,2,3,4,5,6,1,1,1\n")
    notes: list[Note] = []
    a, b = read_faces(path, notes)
    assert a.visible is not None
    assert b.visible is not None
    assert a.visible.tolist() == [True, False, False]
    assert b.visible.tolist() == [False, False, False]
    np.testing.assert_array_equal(a.landmarks, [[1, 2], [3, 4], [np.nan, np.nan]])
    assert [(n.kind, n.reason) for n in notes] == [("guessed", "file with visibility as in COCO")]
    # Without a 2, 1 is visible and 0 hidden.
    (b,) = read_faces(write(tmp_path, header + "b.jpg,1,2,3,4,5,6,1,0,1\n"), [])
    assert b.visible is not None
    assert b.visible.tolist() == [True, False, True]
    assert b.landmarks[1].tolist() == [3, 4]


@pytest.mark.parametrize("gap", ["x_2,y_2", "x-2,y-2", "x3,y3", "x02,y02", "y3,x3"])
def test_landmark_columns_with_a_gap_are_refused(gap: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"image,x0,y0,x1,y1,{gap}\na.jpg,1,2,3,4,5,6\n")
    with pytest.raises(DataError, match=r"faces\.csv:1: the landmark columns stop at '[xy]1', but there is '[xy]"):
        faces_of(path)


@pytest.mark.parametrize(
    ("column", "meant", "option"),
    [
        ("splt", "split", "split_column"),
        ("Split", "split", "split_column"),
        ("persons", "person", "person_column"),
        ("subset", "subsets", "subsets_column"),
        ("visble0", "visible{i}", "visible_columns"),
        ("bbox_x0", "box_x0", "box_columns"),
    ],
)
def test_columns_that_were_mistyped_are_refused(column: str, meant: str, option: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"image,x0,y0,{column}\na.jpg,1,2,1\n")
    with pytest.raises(
        DataError, match=re.escape(f"the column {column!r}; did you mean {meant!r}? Rename it, name it by")
    ):
        faces_of(path)
    # Named by its option it is read.
    if option == "split_column":
        assert faces_of(path, split_column=column)[0][0].split == "1"


def test_other_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "image,x0,y0,age,pose,split\na.jpg,1,2,1,2,train\n")
    notes: list[Note] = []
    (face,) = read_faces(path, notes)
    assert face.split == "train"
    assert [(n.kind, n.count, str(n)) for n in notes] == [
        ("ignored", 2, f"{path}:1: nothing is made of 2 columns: age, pose")
    ]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "faces.csv: the file is empty"),
        (
            "file,x0,y0\n",
            {},
            r"faces.csv:1: no column 'image'; give image_column, the columns are file, x0, y0",
        ),
        ("image,x0,y0\n", {"person_column": "who"}, "no column 'who'; give person_column"),
        ("image,x0,y0\n", {"split_column": "part"}, "no column 'part'; give split_column"),
        ("image,x0,y0\n", {"box_columns": ["l", "t", "r", "b"]}, "no column 'l'; give box_columns"),
        ("image,x0,y0\n", {"box_columns": ["l"]}, "box_columns must be four"),
        ("image,x0,y0\n", {"visible_columns": "v{i}"}, "no column 'v0'; give visible_columns"),
        ("image,x0,y0\n", {"visible_columns": "v"}, "visible_columns must be a pattern"),
        ("image,x0,y0\n", {"landmark_columns": ["x", "y"]}, "landmark_columns must be two patterns"),
        ("image,a,b\n", {}, "no column 'x1'; give landmark_columns"),
        ("image,x0,y0,x1\n", {}, "no column 'y1'; give landmark_columns"),
        ("image,x0,x0,y0\n", {}, "the column 'x0' is there twice"),
        ("image,x0,y0\n" + "a" * 140_000 + ",1,2\n", {}, "faces.csv:2: not a CSV file: field larger"),
        ("image,x0,y0\n" + "a," * 500_001, {}, "faces.csv:2: a line of 1000000 characters"),
    ],
)
def test_bad_files_and_options_name_the_remedy(
    text: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        faces_of(write(tmp_path, text), **options)
    assert "\n" not in str(caught.value)


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "_MAX_BYTES", 10)
    with pytest.raises(DataError, match="at most 10, split it"):
        faces_of(write(tmp_path, "image,x0,y0\n"))


def test_folder_with_one_file(tmp_path: Path) -> None:
    write(tmp_path, "image,x0,y0\na.jpg,1,2\n")
    assert recognises(tmp_path)
    assert recognises(tmp_path / "faces.csv")
    assert len(faces_of(tmp_path)[0]) == 1
    (tmp_path / "more.CSV").touch()
    with pytest.raises(DataError, match=r"found faces\.csv, more\.CSV; give the file itself"):
        faces_of(tmp_path)


def test_missing_landmarks_reach_the_annotations(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20, 3), np.uint8))
    path = write(tmp_path, "image,x0,y0,x1,y1\na.png,1,2,,\na.png,,,,\nnone.png,1,2,3,4\n")
    faces = read_annotations(path, scheme=TWO)
    assert len(faces) == 1
    assert np.isnan(faces.landmarks[0, 1]).all()
    assert faces.visible.tolist() == [[True, False]]
    assert faces.skipped[0] == f"{path}:3: every landmark is missing"
    assert faces.skipped[1] == f"{path}:4: {tmp_path / 'none.png'}: no such image file"


CSV_TEXT = st.lists(
    st.sampled_from(["image,x0,y0\n", "image", "x0", "y0", ",", "\n", "\r", '"', "1", "nan", "a.png", "\0", "é", " "]),
    max_size=60,
).map(lambda parts: "".join(parts).encode())


@given(content=st.binary(max_size=300) | CSV_TEXT | CSV_TEXT.map(lambda rest: b"image,x0,y0\n" + rest))
def test_any_bytes_give_faces_or_one_clear_line(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        faces, skipped = faces_of(path)
    except DataError as error:
        message = str(error)
        assert message.startswith(str(path))
        assert "\n" not in message
    else:
        assert all(face.landmarks.shape[1] == 2 and not np.isinf(face.landmarks).any() for face in faces)
        assert all(message.startswith(f"{path}:") and "\n" not in message for message in skipped)

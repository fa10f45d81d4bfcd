"""Boxes from a CSV file."""

import os
from pathlib import Path

import pytest

from acrloss.errors import DataError
from acrloss.prediction.box_file import BoxFile


def test_images_are_found_by_path_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lists").mkdir()
    file = tmp_path / "lists" / "boxes.csv"
    file.write_text(
        "x0,image,y0,x1,y1,note\n"
        "1,photos/a.jpg,2,3,4,from here\n"
        "5,../photos/b.jpg,6,7.5,8,from the file\n"
        "10,c.jpg,20,30,40,by name\n"
        "11,c.jpg,21,31,41,a second face\n"
        f"1,{tmp_path}/photos/d.jpg,1,2,2,absolute\n"
    )
    monkeypatch.chdir(tmp_path)
    boxes = BoxFile("lists/boxes.csv")
    size = (100, 100)
    assert boxes("photos/a.jpg", size) == [(1, 2, 3, 4)]
    assert boxes(str(tmp_path / "photos" / "b.jpg"), size) == [(5, 6, 7.5, 8)]
    assert boxes.unused() == ["c.jpg", f"{tmp_path}/photos/d.jpg"]
    assert boxes("elsewhere/c.jpg", size) == [(10, 20, 30, 40), (11, 21, 31, 41)]
    assert boxes("photos/d.jpg", size) == [(1, 1, 2, 2)]
    assert boxes("other/a.jpg", size) == []
    assert boxes.unused() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,x0,y0,x1\na.jpg,1,2,3\n", "no column 'y1'"),
        ("", "no column 'image'"),
        ("image,x0,y0,x1,y1\na.jpg,1,2,3,4\nb.jpg,1,2,three,4\n", "line 3: a box is four numbers .*'1,2,three,4'"),
        ("image,x0,y0,x1,y1\na.jpg,1,2\n", "line 2: a box is four numbers"),
        ("image,x0,y0,x1,y1\na.jpg,3,2,1,4\n", "line 2: a box has x0 < x1 and y0 < y1, not 3,2,1,4"),
        ("image,x0,y0,x1,y1\na.jpg,0,2,nan,4\n", "line 2: a box has x0 < x1"),
        ("image,x0,y0,x1,y1\na.jpg,-inf,2,1,4\n", "line 2: a box has x0 < x1"),
        ("image,x0,y0,x1,y1\na.jpg,0,2,1,inf\n", "line 2: a box has x0 < x1"),
    ],
)
def test_what_is_no_box_is_named_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        BoxFile(tmp_path / "b.csv")


def test_what_is_no_file_of_boxes_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x01")
    os.mkfifo(tmp_path / "fifo.csv")
    for name in ("b.csv", "none.csv", "fifo.csv"):
        with pytest.raises(DataError, match=name):
            BoxFile(tmp_path / name)

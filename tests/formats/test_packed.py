import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.formats.packed import INDEX, read_faces, recognises
from acrloss.notes import Note
from acrloss.schemes import Scheme, get_scheme

SCHEME = Scheme("three", 3, (1, 0, 2))
HEADER: dict[str, Any] = {"format": "acrloss packed faces", "version": 1, "faces": 1, "scheme": SCHEME.to_dict()}
FACE: dict[str, Any] = {
    "image": "000/000000.png",
    "landmarks": [[10.25, 20], None, [30, 40.5]],
    "hidden": [2],
    "box": [1, 2, 50, 60],
    "person": "Ada",
    "split": "val",
    "subsets": ["pose"],
}


def write(folder: Path, *faces: dict[str, Any], **header: Any) -> Path:
    (folder / "000").mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "000/000000.png"), np.zeros((64, 64, 3), np.uint8))
    lines = [HEADER | {"faces": len(faces)} | header, *faces]
    (folder / INDEX).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_one_face(tmp_path: Path) -> None:
    folder = write(tmp_path, FACE, official_faces={"val": 7})
    for source in (folder, folder / INDEX):
        faces = read_annotations(source)
        assert faces.scheme == SCHEME
        assert faces.images == (str(folder / "000/000000.png"),)
        np.testing.assert_array_equal(faces.landmarks[0], [[10.25, 20], [np.nan, np.nan], [30, 40.5]])
        assert faces.visible[0].tolist() == [True, False, False]
        assert faces.boxes[0].tolist() == [1, 2, 50, 60]
        assert (faces.persons, faces.splits, faces.subsets) == (("Ada",), ("val",), (frozenset({"pose"}),))
        assert "val 1 of the official 7" in faces.summary()
    assert not recognises(tmp_path / "000")


def test_another_scheme_may_be_given(tmp_path: Path) -> None:
    other = Scheme("other", 3, (0, 2, 1))
    assert read_annotations(write(tmp_path, FACE), scheme=other).scheme == other
    with pytest.raises(DataError, match=r"ibug68 has 68 landmarks.*have 3"):
        read_annotations(tmp_path, scheme=get_scheme("ibug68"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": 3}, "'image' must be a file's name, got 3"),
        ({"landmarks": [[1, 2], [3], None]}, r"'landmarks' must hold 2 numbers each, got \[3\]"),
        ({"landmarks": [[1, 1e999], None, None]}, "must hold finite numbers, got inf"),
        ({"landmarks": [[1, True], None, None]}, "must hold finite numbers, got True"),
        ({"landmarks": {}}, "'landmarks' must be a list of points"),
        ({"hidden": [3]}, r"'hidden' must be a list of landmarks, got \[3\]"),
        ({"person": None}, "'person' must be a text, got None"),
        ({"subsets": "pose"}, "'subsets' must be a list of texts"),
        ({"image": "none.png"}, "no such image file"),
    ],
)
def test_a_bad_face_is_skipped_with_its_line(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    faces = read_annotations(write(tmp_path, FACE | change, FACE))
    assert len(faces) == 1
    (message,) = faces.skipped
    assert message.startswith(f"{tmp_path / INDEX}:2: ")
    with pytest.raises(DataError, match=reason):
        read_annotations(write(tmp_path, FACE | change))


@pytest.mark.parametrize(
    ("box", "note", "read"),
    [
        ([5, 5, 5, 9], "ignored: .*a box of 0 x 4 is none", None),
        ([0, 0, 0, 0], "ignored: .*a box of 0 x 0 is none", None),
        ([1, 2, 3], r"ignored: .*a box has four numbers, got \[1, 2, 3\]", None),
        ("none", "ignored: .*box", None),
        ({"x": 1}, "ignored: .*box", None),
        ([1, None, 3, 4], "ignored: .*box", None),
        ([1, 1e999, 3, 4], "ignored: .*box", None),
        ([50, 60, 1, 2], r"changed: .*corners \(50, 60\) and \(1, 2\) are put in order", [1, 2, 50, 60]),
        ([], None, None),
        (None, None, None),
    ],
)
def test_a_bad_box_costs_no_face(box: Any, note: str | None, read: list[float] | None, tmp_path: Path) -> None:
    faces = read_annotations(write(tmp_path, FACE | {"box": box}))
    assert len(faces) == 1
    assert faces.boxes[0].tolist() == (read or pytest.approx([np.nan] * 4, nan_ok=True))
    assert len(faces.notes) == (note is not None)
    if note is not None:
        assert re.match(note, faces.notes[0].line)
        assert faces.notes[0].where == f"{tmp_path / INDEX}:2"


def test_a_folder_that_is_not_whole(tmp_path: Path) -> None:
    write(tmp_path, FACE, faces=3)
    with pytest.raises(DataError, match="1 faces, but the first line says 3; pack the faces again"):
        read_annotations(tmp_path)
    for header, reason in (
        ({"version": 2}, "not 'acrloss packed faces' of version 1 but 'acrloss packed faces' 2"),
        ({"scheme": {"name": "x"}}, "no scheme of landmarks"),
        ({"scheme": 3}, "no scheme of landmarks"),
    ):
        with pytest.raises(DataError, match=reason):
            read_annotations(write(tmp_path, FACE, **header))
    (tmp_path / INDEX).write_text("")
    with pytest.raises(DataError, match="the file is empty"):
        read_annotations(tmp_path)
    (tmp_path / INDEX).write_text("[" * 100_000)
    with pytest.raises(DataError, match=":1: "):
        read_annotations(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(FACE)), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode()), first=st.booleans())
def test_anything_else_is_a_clear_error_or_a_skipped_line(tmp_path: Path, line: bytes, first: bool) -> None:
    write(tmp_path, FACE)
    good = (tmp_path / INDEX).read_bytes()
    (tmp_path / INDEX).write_bytes(line if first else good + line)
    notes: list[Note] = []
    message = ""
    faces = []
    try:
        faces = list(read_faces(tmp_path, notes))
    except DataError as error:
        message = str(error)
    assert str(tmp_path / INDEX) in message or len(faces) + len(notes) == 1

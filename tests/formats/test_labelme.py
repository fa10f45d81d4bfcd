import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations
from acrloss.formats.labelme import read_faces, recognises, write_faces
from acrloss.notes import Note, left_out
from acrloss.schemes import Scheme


def shape(label: object, *points: object, group: object = None, **changed: Any) -> dict[str, Any]:
    return {
        "label": label,
        "points": list(points),
        "group_id": group,
        "description": "",
        "shape_type": "point" if len(points) == 1 else "rectangle",
        "flags": {},
        "mask": None,
    } | changed


def write(path: Path, *shapes: Any, **changed: Any) -> Path:
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "a.jpg",
        "imageData": "aGVsbG8=",
        "imageHeight": 80,
        "imageWidth": 100,
    } | changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))
    return path


def faces_of(path: Path, **options: Any) -> tuple[list[Face], list[str]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, **options)), left_out(notes)


def test_one_face_in_a_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.json",
        shape("face", [45, 50], [5, 10]),
        shape("2", [20, 40.25], flags={"occluded": True}),
        shape("0", [10.5, 20.5]),
        shape("1", [30.0, 20.0], flags={"occluded": False}),
        shape("hat", [1, 2], [3, 4], [5, 6], shape_type="polygon"),
    )
    assert recognises(path)
    assert recognises(tmp_path)
    (face,), skipped = faces_of(path)
    assert skipped == []
    assert (face.where, face.image) == (str(path), str(tmp_path / "a.jpg"))
    assert face.landmarks.tolist() == [[10, 20], [29.5, 19.5], [19.5, 39.75]]
    assert face.visible is not None
    assert face.visible.tolist() == [True, True, False]
    assert face.box == (4.5, 9.5, 44.5, 49.5)
    (face,), _ = faces_of(path, corner_origin=False)
    assert face.landmarks[0].tolist() == [10.5, 20.5]


def test_groups_are_faces_and_names_are_landmarks(tmp_path: Path) -> None:
    path = write(
        tmp_path / "deep/train/a.json",
        shape("nose", [1, 2], group=1),
        shape("chin", [3, 4], group=1),
        shape("chin", [5, 6], group=2),
        shape("face", [0, 0], [9, 9], group=2),
        shape("face", [0, 0], [9, 9], group=3),
        imagePath="..\\images\\a.jpg",
        faces=[{"group_id": 2, "person": "Ann", "split": "mine", "subsets": ["hard"]}],
    )
    (tmp_path / "deep/images").mkdir()
    (tmp_path / "deep/images/a.jpg").touch()
    (a, b), skipped = faces_of(tmp_path, corner_origin=False)
    assert skipped == []
    assert a.where == f"{path}: group 1"
    assert Path(a.image).resolve() == tmp_path / "deep/images/a.jpg"
    assert a.landmarks.tolist() == [[3, 4], [1, 2]]
    assert np.isnan(b.landmarks[1]).all()
    assert (a.person, a.split, a.subsets) == ("", "train", frozenset())
    assert (b.person, b.split, b.subsets) == ("Ann", "mine", frozenset({"hard"}))
    assert b.box == (0.0, 0.0, 9.0, 9.0)
    (a, _), _ = faces_of(tmp_path, names=["nose", "mouth", "chin"], corner_origin=False)
    np.testing.assert_array_equal(a.landmarks, [[1, 2], [np.nan, np.nan], [3, 4]])
    # The image of a moved file is looked for beside it.
    (tmp_path / "deep/images/a.jpg").unlink()
    assert faces_of(tmp_path)[0][0].image == str(tmp_path / "deep/train/a.jpg")
    assert faces_of(path)[0][0].split == "train"


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([shape("0", [1, 2]), shape("00", [1, 2])], "two landmarks are named '0'"),
        ([shape("0", [1])], "shape 0: a point is a list of x and y"),
        ([shape("0", 5)], "shape 0: a point is a list of x and y"),
        ([shape("0", [1, 2], [3, 4], shape_type="point")], "shape 0: a point has 1 point"),
        ([shape("0", [1, "x"])], "expected a number, got 'x'"),
        ([shape("0", [1, float("inf")])], "coordinates must be finite"),
        ([shape(None, [1, 2])], "shape 0: label must be a text, got None"),
    ],
)
def test_bad_faces_are_left_out_with_their_file(shapes: list[Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", *shapes, shape("0", [5, 6], group=7))
    faces, skipped = faces_of(path)
    assert [face.where for face in faces] == [f"{path}: group 7"]
    assert len(skipped) == 1
    assert skipped[0].startswith(f"{path}: ")
    assert message in skipped[0]


@pytest.mark.parametrize(
    ("boxes", "box", "reason"),
    [
        ([shape("f", [1, 2], shape_type="rectangle")], None, "shape 2: a rectangle has 2 points, or 4"),
        ([shape("face", [1, 2], [1, 3])], None, "shape 2: a box of 0 x 1 is none"),
        ([shape("face", [1, "x"], [1, 3])], None, "shape 2: rectangle: expected a number, got 'x'"),
        ([shape("face", [9, 9], [3, 1])], (3, 1, 9, 9), ""),
        # All four corners, as X-AnyLabeling has them.
        ([shape("face", [3, 1], [9, 1], [9, 9], [3, 9], shape_type="rectangle")], (3, 1, 9, 9), ""),
        ([shape("plate", [50, 50], [60, 60])], None, "shape 2: the box 'plate' is no face's"),
        ([shape("plate", [50, 50], [60, 60]), shape("face", [3, 1], [9, 9])], (3, 1, 9, 9), "shape 2: the box 'plate'"),
        # Without a label that fits, it must hold the landmarks, and not the whole picture.
        ([shape("anything", [3, 1], [9, 9])], (3, 1, 9, 9), ""),
        ([shape("anything", [0, 0], [99, 99])], None, "shape 2: the box 'anything'"),
        (
            [shape("anything", [3, 1], [9, 9]), shape("head", [2, 1], [9, 9])],
            (2, 1, 9, 9),
            "shape 2: the box 'anything'",
        ),
    ],
)
def test_rectangles_that_are_a_lone_faces_box_and_that_are_not(
    boxes: list[Any], box: tuple[float, ...] | None, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.json", shape("0", [4, 2]), shape("1", [8, 6]), *boxes)
    notes: list[Note] = []
    (face,) = read_faces(path, notes, corner_origin=False)
    assert face.landmarks.tolist() == [[4, 2], [8, 6]]
    assert face.box == box
    assert [str(note).removeprefix(f"{path}: ")[: len(reason)] for note in notes] == ([reason] if reason else [])
    assert {note.kind for note in notes} <= {"ignored"}


def test_rectangles_of_several_faces(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.json",
        *(shape("0", [4, 2], group=1), shape("1", [8, 6], group=1)),
        *(shape("0", [44, 42], group=2), shape("1", [48, 46], group=2)),
        # Of a group it is its face's wherever it lies; without one it is the face's that it holds.
        *(shape("x", [0, 0], [2, 2], group=2), shape("face", [3, 1], [9, 9])),
    )
    notes: list[Note] = []
    a, b = read_faces(path, notes, corner_origin=False)
    assert (a.box, b.box) == ((3, 1, 9, 9), (0, 0, 2, 2))
    assert notes == []
    # A second one of a group, and one that holds both faces.
    path = write(
        tmp_path / "a.json",
        *(shape("0", [4, 2], group=1), shape("1", [8, 6], group=1)),
        *(shape("0", [14, 12], group=2), shape("1", [18, 16], group=2)),
        *(shape("x", [3, 1], [9, 9], group=1), shape("x", [10, 10], [12, 12], group=1)),
        shape("face", [0, 0], [19, 19]),
    )
    a, b = read_faces(path, notes, corner_origin=False)
    assert (a.box, b.box) == ((3, 1, 9, 9), None)
    assert [str(note).removeprefix(f"{path}: ")[:7] for note in notes] == ["shape 5", "shape 6"]


def test_bad_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "good.json", shape("0", [1, 2]))
    (tmp_path / "broken.json").write_text('{"version": "5",\n"shapes": [}')
    (tmp_path / "deep.json").write_text('{"shapes": ' + "[" * 100_000)
    (tmp_path / "other.json").write_text('{"name": "not a LabelMe file"}')
    write(tmp_path / "noshapes.json", shapes=3)
    write(tmp_path / "nameless.json", imagePath=None)
    faces, skipped = faces_of(tmp_path)
    assert len(faces) == 1
    reasons = sorted(message.removeprefix(f"{tmp_path}/") for message in skipped)
    assert [reason.split(":")[0] for reason in reasons] == [
        "broken.json",
        "deep.json",
        "nameless.json",
        "noshapes.json",
    ]
    assert reasons[0].startswith("broken.json:2: not a JSON file: Expecting value")
    assert "imagePath must be a text, got None" in reasons[2]
    assert "'shapes' must be a list" in reasons[3]
    (tmp_path / "good.json").unlink()
    with pytest.raises(DataError, match="no usable face; 4 skipped"):
        read_annotations(tmp_path)


def test_written_files_are_labelme(tmp_path: Path) -> None:
    faces = Annotations.create(
        ["a"] * 3,
        np.array([[[1, 2], [np.nan, np.nan]], [[10, 20], [30, 20]], [[5, 6], [7, 8]]]),
        Scheme("two", 2, (1, 0)),
        visible=[[True, False], [True, False], [True, True]],
        boxes=np.array([[0, 0, 10, 8], [np.nan] * 4, [np.nan] * 4]),
        splits=["", "val", ""],
    )
    (tmp_path / "images").mkdir()
    for place in ("images/a.png", "b.png"):
        (tmp_path / place).write_bytes(b"P6 20 10 255\n" + bytes(600))
    assert write_faces(tmp_path, faces, ["images/a.png", "images/a.png", str(tmp_path / "b.png")]) == []
    content = json.loads((tmp_path / "images/a.json").read_text())
    assert (content["imagePath"], content["imageWidth"], content["imageHeight"]) == ("a.png", 20, 10)
    assert [(s["label"], s["shape_type"], s["group_id"], s["points"]) for s in content["shapes"]] == [
        ("face", "rectangle", 0, [[0.5, 0.5], [10.5, 8.5]]),
        ("0", "point", 0, [[1.5, 2.5]]),
        ("0", "point", 1, [[10.5, 20.5]]),
        ("1", "point", 1, [[30.5, 20.5]]),
    ]
    assert content["shapes"][3]["flags"] == {"occluded": True}
    assert content["faces"] == [{"group_id": 1, "person": "", "split": "val", "subsets": []}]
    content = json.loads((tmp_path / "b.json").read_text())
    assert content["imagePath"] == str(tmp_path / "b.png")
    assert {s["group_id"] for s in content["shapes"]} == {None}

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import Face
from acrloss.formats.coco import read_faces, recognises, write_faces
from acrloss.notes import Note, left_out
from acrloss.schemes import Scheme
from format_fakes import coco_roboflow

FACE = {"id": 3, "name": "face", "supercategory": "person", "keypoints": ["eye", "nose", "chin"], "skeleton": [[1, 2]]}
CAR = {"id": 1, "name": "car"}


def annotation(**changed: Any) -> dict[str, Any]:
    return {
        "id": 41,
        "image_id": 7,
        "category_id": 3,
        "iscrowd": 0,
        "num_keypoints": 2,
        "keypoints": [10, 20, 2, 30.5, 20, 1, 0, 0, 0],
        "bbox": [5, 10.5, 40, 30],
        "area": 1200.0,
    } | changed


def write(path: Path, *annotations: Any, **changed: Any) -> Path:
    content = {
        "info": {"description": "faces", "version": "1.0"},
        "licenses": [{"id": 1, "name": "none"}],
        "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 80}, {"id": 8, "file_name": "b.jpg"}],
        "annotations": list(annotations),
        "categories": [CAR, FACE],
    } | changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def faces_of(path: Path, **options: Any) -> tuple[list[Face], list[str]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, **options)), left_out(notes)


def test_a_coco_file(tmp_path: Path) -> None:
    about = {"person": "Ann", "subsets": ["hard", "full"], "occluded": False}
    path = write(
        tmp_path / "faces.json",
        annotation(),
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5]},
        annotation(id=42, image_id=8, keypoints=[1, 2, 2, 3, 4, 2, 5, 6, 2], bbox=None, attributes=about),
    )
    assert recognises(path)
    assert recognises(tmp_path)
    (a, b), skipped = faces_of(path)
    assert skipped == []
    assert a.where == f"{path}: annotation 41"
    assert (a.image, b.image) == (str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"))
    np.testing.assert_array_equal(a.landmarks, [[10, 20], [30.5, 20], [np.nan, np.nan]])
    assert a.visible is not None
    assert a.visible.tolist() == [True, False, False]
    # From the corner of the first pixel to the centre of it.
    assert a.box == (4.5, 10.0, 44.5, 40.0)
    assert b.box is None
    assert (b.person, b.split, b.subsets) == ("Ann", "", frozenset({"hard", "full"}))
    (a, _), _ = faces_of(path, corner_origin=True)
    np.testing.assert_array_equal(a.landmarks[:2], [[9.5, 19.5], [30, 19.5]])
    assert a.box == (4.5, 10.0, 44.5, 40.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"keypoints": [1, 2, 2]}, "keypoints: expected 9 numbers, got 3"),
        ({"keypoints": "12"}, "keypoints must be a list of numbers, got '12'"),
        ({"keypoints": None}, "no keypoints"),
        ({"keypoints": [1, 2, -1] * 3}, "v must be 0, 1 or 2, got -1"),
        ({"keypoints": [1, 2, "x"] * 3}, "keypoints: v: expected a number, got 'x'"),
        ({"keypoints": [None, 2, 1] * 3}, "keypoints: expected a number, got None"),
        ({"keypoints": [1, float("nan"), 2] * 3}, "coordinates must be finite, got nan"),
        ({"keypoints": [1, [2], 2] * 3}, r"expected a number, got [2]"),
        ({"keypoints": [1, 10**400, 2] * 3}, "expected a number, got 1000"),
        ({"keypoints": [1, True, 2] * 3}, "expected a number, got True"),
        ({"image_id": 9}, "no image has the id 9"),
        ({"image_id": [7]}, "no image has the id '[7]'"),
        ({"iscrowd": 1}, "a crowd, not one face"),
        ({"attributes": {"person": ["Ann"]}}, "person must be a text, got ['Ann']"),
        ({"attributes": {"subsets": ["a\nb"]}}, r"subsets must be a text, got 'a\nb'"),
    ],
)
def test_bad_annotations_are_left_out_with_file_and_id(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "faces.json", annotation(**changed), annotation(id="x"))
    faces, skipped = faces_of(path)
    assert [face.where for face in faces] == [f"{path}: annotation 'x'"]
    assert len(skipped) == 1
    assert skipped[0].startswith(f"{path}: annotation 41: ")
    assert message in skipped[0]


@pytest.mark.parametrize(
    ("bbox", "box", "note"),
    [
        (None, None, ""),
        ([], None, ""),
        # As CVAT writes it for eyes that are level.
        ([30, 40, 50, 0], None, "a box of 50 x 0 is none"),
        ([0, 0, 0, 0], None, "a box of 0 x 0 is none"),
        ([1, 2, 3], None, "bbox: expected x, y, width and height, got [1, 2, 3]"),
        ({"x": 1}, None, "bbox: expected x, y, width and height, got {'x': 1}"),
        ([1, 2, "a", 4], None, "bbox: expected x, y, width and height, got [1, 2, 'a', 4]"),
        ([45, 10.5, -40, 30], (4.5, 10, 44.5, 40), "the box's corners (44.5, 10) and (4.5, 40) are put in order"),
    ],
)
def test_a_bad_box_never_costs_a_face(bbox: Any, box: Any, note: str, tmp_path: Path) -> None:
    path = write(tmp_path / "faces.json", annotation(bbox=bbox))
    notes: list[Note] = []
    (face,) = read_faces(path, notes)
    np.testing.assert_array_equal(face.landmarks[:2], [[10, 20], [30.5, 20]])
    assert face.box == box
    assert [str(n) for n in notes] == ([f"{path}: annotation 41: {note}"] if note else [])


def test_flags_and_coordinates_as_people_write_them(tmp_path: Path) -> None:
    keypoints = [10, 20, 0.93, None, None, 0, 5, 6, 3]
    path = write(tmp_path / "faces.json", annotation(keypoints=keypoints), annotation(keypoints=[1, 2, True] * 3))
    notes: list[Note] = []
    a, b = read_faces(path, notes)
    np.testing.assert_array_equal(a.landmarks, [[10, 20], [np.nan, np.nan], [5, 6]])
    assert a.visible is not None
    assert a.visible.tolist() == [True, False, True]
    assert b.visible is not None
    assert b.visible.all()
    assert [(note.kind, note.count) for note in notes] == [("guessed", 2), ("guessed", 3)]
    anything = [10, 20, 1, float("nan"), "x", 0, 5, 6, False]
    (face,) = read_faces(write(tmp_path / "faces.json", annotation(keypoints=anything)), [])
    np.testing.assert_array_equal(face.landmarks, [[10, 20], [np.nan, np.nan], [np.nan, np.nan]])


def test_ids_are_one_as_numbers_and_as_texts(tmp_path: Path) -> None:
    path = write(tmp_path / "faces.json", annotation(image_id="7", category_id="3"), annotation(id=2, category_id=1))
    notes: list[Note] = []
    (face,) = read_faces(path, notes)
    assert face.image == str(tmp_path / "a.jpg")
    assert [str(note) for note in notes] == [f"{path}: 1 annotations are of another category than the one that is read"]
    # A category that names no keypoints takes any number of them.
    path = write(tmp_path / "faces.json", annotation(), categories=[{"id": 3, "name": "face", "keypoints": []}])
    assert len(faces_of(path)[0]) == 1


def test_the_face_of_wholebody_is_read(tmp_path: Path) -> None:
    face = {"face_kpts": [1, 2, 2, 3, 4, 1], "face_box": [0, 0, 9, 9], "face_valid": True}
    path = write(tmp_path / "faces.json", annotation(**face), annotation(id=9, **{**face, "face_valid": False}))
    notes: list[Note] = []
    (found,) = read_faces(path, notes)
    assert found.landmarks.tolist() == [[1, 2], [3, 4]]
    assert found.box == (-0.5, -0.5, 8.5, 8.5)
    assert [note.kind for note in notes] == ["guessed", "left out"]
    (body, _), skipped = faces_of(path, keypoints="keypoints")
    np.testing.assert_array_equal(body.landmarks[0], [10, 20])
    assert skipped == []


def test_paths_of_another_machine_count_by_name(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").touch()
    for name in ("C:\\data\\a.jpg", "D:/data/a.jpg", "/home/ann/a.jpg", "\\\\server\\data\\a.jpg"):
        path = write(tmp_path / "faces.json", annotation(), images=[{"id": 7, "file_name": name}])
        assert faces_of(path)[0][0].image == str(tmp_path / "images/a.jpg")


def test_bad_image_names(tmp_path: Path) -> None:
    for name in (None, "", 5, "a\x00b", "\ud800"):
        path = write(tmp_path / "faces.json", annotation(), images=[{"id": 7, "file_name": name}])
        faces, skipped = faces_of(path)
        assert faces == []
        assert "file_name must be a text" in skipped[0]
        assert skipped[0].isprintable()


def test_category_is_chosen_or_asked_for(tmp_path: Path) -> None:
    hand = FACE | {"id": 4, "name": "hand", "keypoints": ["thumb"]}
    both = [CAR, FACE, hand]
    path = write(tmp_path / "faces.json", annotation(), categories=both)
    assert len(faces_of(path)[0]) == 1, "only one of the two is used"
    path = write(tmp_path / "faces.json", annotation(), annotation(category_id=4, keypoints=[1, 2, 2]), categories=both)
    with pytest.raises(DataError, match=r"faces\.json: several categories have keypoints; .* one of 'face', 'hand'"):
        faces_of(path)
    assert len(faces_of(path, category="hand")[0][0].landmarks) == 1
    assert len(faces_of(path, category="face")[0][0].landmarks) == 3
    with pytest.raises(DataError, match="no category 'car' with keypoints"):
        faces_of(path, category="car")
    with pytest.raises(DataError, match="no annotation has keypoints; give a COCO keypoints file"):
        faces_of(write(tmp_path / "faces.json", {"image_id": 7, "category_id": 1}, categories=[CAR]))
    # Without a list of categories the annotations tell.
    assert len(faces_of(write(tmp_path / "faces.json", annotation(), categories=[]))[0]) == 1


def test_official_layout(tmp_path: Path) -> None:
    for part in ("train2017", "val2017"):
        write(tmp_path / f"annotations/person_keypoints_{part}.json", annotation())
        write(tmp_path / f"annotations/instances_{part}.json", {"image_id": 7, "category_id": 1}, categories=[CAR])
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.jpg").touch()
    assert recognises(tmp_path)
    (a, b), skipped = faces_of(tmp_path)
    assert skipped == []
    assert (a.split, b.split) == ("train", "val")
    assert Path(a.image).resolve() == tmp_path / "train2017/a.jpg"
    assert Path(b.image).resolve() == tmp_path / "val2017/a.jpg"
    file = tmp_path / "annotations/person_keypoints_val2017.json"
    assert len(faces_of(file)[0]) == 1
    (face,), _ = faces_of(file, images=str(tmp_path / "elsewhere"))
    assert face.image == str(tmp_path / "elsewhere/a.jpg")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [}', r"faces\.json:1: not a JSON file: Expecting value"),
        ('{"images": [],\n"annotations": [', r"faces\.json:2: not a JSON file"),
        ('{"images": 1, "annotations": [{"keypoints": [1, 2, 2]}]}', "'images' must be a list of objects"),
        ('{"images": [1], "annotations": [{"keypoints": [1, 2, 2]}]}', "'images' must be a list of objects"),
        ('{"annotations": {}}', "'annotations' must be a list of objects"),
        ('{"images": ' + "[" * 100_000, r"faces\.json.*(nested too deep|not a JSON file)"),
        ('{"images": ' + "1" * 5000 + "}", r"faces\.json: not a file of annotations: Exceeds the limit"),
    ],
)
def test_bad_files(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        faces_of(path)
    assert "\n" not in str(caught.value)


def test_written_file_is_coco(tmp_path: Path) -> None:
    scheme = Scheme("three", 3, (1, 0, 2), contours=(((0, 1, 2), True),))
    faces = Annotations.create(
        ["a"] * 2,
        np.array([[[1, 2], [3.5, 4.25], [np.nan, np.nan]], [[10, 20], [30, 20], [20, 40]]]),
        scheme,
        visible=[[True, False, False], [True] * 3],
        boxes=np.array([[0, 0, 10, 8], [np.nan] * 4]),
        persons=["Ann", ""],
        splits=["val", "my own"],
    )
    (tmp_path / "a.png").write_bytes(b"P6 20 10 255\n" + bytes(600))
    assert write_faces(tmp_path, faces, ["a.png"] * 2) == []
    content = json.loads((tmp_path / "val.json").read_text())
    assert content["categories"] == [
        {
            "id": 1,
            "name": "face",
            "supercategory": "face",
            "keypoints": ["0", "1", "2"],
            "skeleton": [[1, 2], [2, 3], [3, 1]],
        }
    ]
    assert content["images"] == [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}]
    (row,) = content["annotations"]
    assert row["keypoints"] == [1, 2, 2, 3.5, 4.25, 1, 0, 0, 0]
    assert row["bbox"] == [0.5, 0.5, 10, 8]
    assert (row["area"], row["num_keypoints"], row["iscrowd"]) == (80, 2, 0)
    assert row["attributes"] == {"person": "Ann", "split": "val"}
    (row,) = json.loads((tmp_path / "faces.json").read_text())["annotations"]
    assert "bbox" not in row
    assert row["area"] == 400
    assert row["attributes"] == {"split": "my own"}


def test_exports_of_roboflow(tmp_path: Path) -> None:
    faces, skipped = faces_of(coco_roboflow(tmp_path))
    assert skipped == []
    assert [face.split for face in faces] == ["test", "train", "val"]
    name = "a_jpg.rf.21d9ecc535939df6226dbf15204e64a1.jpg"
    assert [face.image for face in faces] == [str(tmp_path / part / name) for part in ("test", "train", "valid")]
    for face in faces:
        np.testing.assert_array_equal(face.landmarks, [[80, 50], [120, 50], [np.nan, np.nan]])
        assert face.box == (59.5, 19.5, 139.5, 79.5)
    # One of them, as a folder and as a file.
    for part in (tmp_path / "valid", tmp_path / "valid/_annotations.coco.json"):
        (face,), _ = faces_of(part)
        assert face.split == "val"


def test_files_in_subfolders_must_agree(tmp_path: Path) -> None:
    write(tmp_path / "b/faces.json", annotation())
    write(tmp_path / "a/faces.json", annotation())
    write(tmp_path / "a/person_keypoints.json", annotation())
    (tmp_path / "a/results.json").write_text("[]")
    faces, skipped = faces_of(tmp_path)
    assert skipped == []
    assert [Path(face.where.partition(": ")[0]) for face in faces] == [
        tmp_path / "a/person_keypoints.json",
        tmp_path / "b/faces.json",
    ]
    # A file directly in the folder is the data set.
    write(tmp_path / "faces.json", annotation())
    assert len(faces_of(tmp_path)[0]) == 1
    (tmp_path / "faces.json").unlink()
    other = FACE | {"keypoints": ["nose", "eye", "chin"]}
    path = write(tmp_path / "b/faces.json", annotation(), categories=[other])
    with pytest.raises(DataError, match=r"b/faces\.json: its keypoints are not named as in .*a/person_keypoints\.json"):
        faces_of(tmp_path)
    assert len(faces_of(path)[0]) == 1

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations, write_annotations
from acrloss.formats.labelstudio import read_faces, recognises
from acrloss.notes import Note
from acrloss.schemes import Scheme
from format_fakes import (
    label_studio,
    label_studio_box,
    label_studio_point,
    label_studio_region,
    label_studio_task,
    picture,
    write,
)

point, box, task = label_studio_point, label_studio_box, label_studio_task
# The labels sorted: left_eye, nose, right_eye; 40 % of 200 is 80 from the corner, 79.5 from the first pixel's centre.
MARKS = [[79.5, 24.5], [99.5, 49.5], [119.5, 24.5]]


def faces_of(path: Path, **options: Any) -> tuple[list[Face], list[Note]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, **options)), notes


def export(folder: Path, *tasks: Any) -> Path:
    picture(folder / "a.jpg")
    return write(folder / "tasks.json", json.dumps(tasks))


def three(x: float, **more: Any) -> list[dict[str, Any]]:
    """A face of three landmarks, x per cent to the right."""
    return [
        point("nose", 20 + x, 50, **more),
        point("left_eye", 10 + x, 25, **more),
        point("right_eye", 30 + x, 25, **more),
    ]


def test_an_export(tmp_path: Path) -> None:
    folder = label_studio(tmp_path)
    assert recognises(folder)
    (face,), notes = faces_of(folder)
    assert notes == []
    (file,) = folder.glob("*.json")
    assert face.where == f"{file}: task 10764"
    assert face.image == str(folder / "images/a.jpg")
    np.testing.assert_allclose(face.landmarks, MARKS)
    # 30 % to 70 % of 200 and 10 % to 70 % of 100, from the corner.
    assert face.box == pytest.approx((59.5, 9.5, 139.5, 69.5))
    assert face.visible is not None
    assert face.visible.all()
    (face,), _ = faces_of(folder, names=["nose", "left_eye", "right_eye"], corner_origin=False)
    np.testing.assert_allclose(face.landmarks, [[100, 50], [80, 25], [120, 25]])
    assert face.box == pytest.approx((59.5, 9.5, 139.5, 69.5))


def test_faces_by_their_parent(tmp_path: Path) -> None:
    results = [
        *three(0, parentID="one"),
        box("one", 5, 10, 30, 60),
        *three(50, parentID="two")[1:],
        box("two", 55, 10, 30, 60),
        box("plate", 1, 80, 5, 5, "plate"),
    ]
    (a, b), notes = faces_of(export(tmp_path, task("a.jpg", *results)))
    assert notes == []
    np.testing.assert_allclose(a.landmarks, [[19.5, 24.5], [39.5, 49.5], [59.5, 24.5]])
    np.testing.assert_allclose(b.landmarks, [[119.5, 24.5], [np.nan, np.nan], [159.5, 24.5]])
    assert a.box == pytest.approx((9.5, 9.5, 69.5, 69.5))
    assert b.box == pytest.approx((109.5, 9.5, 169.5, 69.5))


def test_a_face_without_parent_takes_the_rectangle_that_holds_it(tmp_path: Path) -> None:
    (face,), _ = faces_of(
        export(tmp_path, task("a.jpg", box("plate", 80, 80, 5, 5, "plate"), *three(0), box("face", 5, 10, 30, 60)))
    )
    assert face.box == pytest.approx((9.5, 9.5, 69.5, 69.5))
    (face,), _ = faces_of(export(tmp_path, task("a.jpg", box("plate", 80, 80, 5, 5, "plate"), *three(0))))
    assert face.box is None


def test_faces_without_parents_by_the_rectangles_around_them(tmp_path: Path) -> None:
    results = [*three(50)[:2], *three(0), box("one", 5, 10, 30, 60), box("two", 55, 10, 30, 60)]
    (a, b), notes = faces_of(export(tmp_path, task("a.jpg", *results)))
    assert notes == []
    np.testing.assert_allclose(a.landmarks, [[19.5, 24.5], [39.5, 49.5], [59.5, 24.5]])
    np.testing.assert_allclose(b.landmarks, [[119.5, 24.5], [139.5, 49.5], [np.nan, np.nan]])
    assert b.box == pytest.approx((109.5, 9.5, 169.5, 69.5))


def test_faces_without_parents_by_order_only_where_it_can_be_told(tmp_path: Path) -> None:
    first, second = three(0), three(50)
    interleaved = [shape for pair in zip(first, second, strict=True) for shape in pair]
    for results in ([*first, *second], interleaved):
        (a, b), (note,) = faces_of(export(tmp_path, task("a.jpg", *results)))
        np.testing.assert_allclose(a.landmarks, [[19.5, 24.5], [39.5, 49.5], [59.5, 24.5]])
        np.testing.assert_allclose(b.landmarks, [[119.5, 24.5], [139.5, 49.5], [159.5, 24.5]])
        assert (note.kind, note.reason, note.count) == ("guessed", "faces told apart by order", 2)
    # The second face lacks its nose: it would get the first one's.
    faces, (note,) = faces_of(export(tmp_path, task("a.jpg", *second[1:], *first)))
    assert faces == []
    assert (note.kind, note.reason) == ("left out", "whose landmarks cannot be told apart")
    assert "several faces without parentID, not all with every landmark" in str(note)


def test_one_label_for_all_landmarks(tmp_path: Path) -> None:
    """As mmpose's documents have it: the landmarks in their order, then the rectangle of the face."""

    def run(x: float) -> list[dict[str, Any]]:
        return [point("face", 10 + x, 25), point("face", 30 + x, 25), point("face", 20 + x, 50)]

    results = [*run(0), box("one", 5, 10, 30, 60), *run(50), box("two", 55, 10, 30, 60)]
    (a, b), _ = faces_of(export(tmp_path, task("a.jpg", *results)))
    np.testing.assert_allclose(a.landmarks, [[19.5, 24.5], [59.5, 24.5], [39.5, 49.5]])
    np.testing.assert_allclose(b.landmarks, [[119.5, 24.5], [159.5, 24.5], [139.5, 49.5]])
    assert a.box == pytest.approx((9.5, 9.5, 69.5, 69.5))
    assert b.box == pytest.approx((109.5, 9.5, 169.5, 69.5))


def test_hidden_landmarks(tmp_path: Path) -> None:
    nose, left, right = three(30)
    nose["value"]["hidden"] = True
    choice = label_studio_region("choices", left["id"], {"x": 40, "y": 25, "choices": ["Occluded"]})
    other = label_studio_region("choices", right["id"], {"choices": ["sharp"]})
    # The eye in the list of regions hides a region on the screen only.
    right["hidden"] = True
    (face,), _ = faces_of(export(tmp_path, task("a.jpg", nose, left, right, choice, other)))
    assert face.visible is not None
    assert face.visible.tolist() == [False, False, True]


def test_which_annotations_of_a_task_are_read(tmp_path: Path) -> None:
    def annotation(x: float, **more: Any) -> dict[str, Any]:
        return {"id": 1, "result": three(x), "was_cancelled": False, "ground_truth": False} | more

    annotations = [
        annotation(10, ground_truth=True),
        annotation(12),
        annotation(60, was_cancelled=True),
        annotation(0) | {"result": []},
    ]
    path = export(tmp_path, task("a.jpg", annotations=annotations), {"id": 2, "data": {"image": "b.jpg"}})
    (a, b), notes = faces_of(path)
    assert notes == []
    # The ground truth comes last, and the last one of a face counts.
    assert b.landmarks[1].tolist() == [59.5, 49.5]
    assert a.landmarks[1].tolist() == [63.5, 49.5]
    faces = read_annotations(path, scheme=Scheme("three", 3, (2, 1, 0)))
    assert len(faces) == 1
    assert faces.landmarks[0, 1].tolist() == [59.5, 49.5]
    # "completions", as the annotations were called before version 1.
    old = {"id": 0, "data": {"image": "a.jpg"}, "completions": [{"result": three(10)}]}
    assert len(faces_of(export(tmp_path, old))[0]) == 1


def test_without_a_stated_size_the_image_tells_it(tmp_path: Path) -> None:
    results = three(30)
    for shape in results:
        del shape["original_width"], shape["original_height"]
    (face,), notes = faces_of(export(tmp_path, task("a.jpg", *results)))
    assert notes == []
    assert face.stated_size is None
    np.testing.assert_allclose(face.landmarks, MARKS)


def test_an_image_of_another_size_than_the_export_says(tmp_path: Path) -> None:
    path = export(tmp_path, task("a.jpg", *three(30)))
    picture(tmp_path / "a.jpg", 100, 50)
    faces = read_annotations(path, scheme=Scheme("three", 3, (2, 1, 0)))
    # 40 % of 100 is 40 from the corner, 39.5 from the first pixel's centre.
    np.testing.assert_allclose(faces.landmarks[0], [[39.5, 12], [49.5, 24.5], [59.5, 12]])
    assert [note.kind for note in faces.notes] == ["changed"]
    picture(tmp_path / "a.jpg", 100, 100)
    with pytest.raises(DataError, match=r"no usable face.*200 x 100.* is 100 x 100"):
        read_annotations(path, scheme=Scheme("three", 3, (2, 1, 0)))


@pytest.mark.parametrize(
    ("reference", "place"),
    [
        ("/data/upload/18/1a2b3c4d-a b.jpg", "upload/18/1a2b3c4d-a b.jpg"),
        ("/data/upload/18/1a2b3c4d-a b.jpg", "1a2b3c4d-a b.jpg"),
        ("/data/upload/18/1a2b3c4d-a b.jpg", "images/a b.jpg"),
        ("/data/local-files/?d=sub%20folder/a.jpg", "sub folder/a.jpg"),
        ("http://localhost:8080/data/local-files/?d=sub/a.jpg", "sub/a.jpg"),
        ("/storage-data/uploaded/?filepath=upload/18/1a2b3c4d-a.jpg", "images/a.jpg"),
        ("https://example.org/photos/a%20b.jpg?size=large", "images/a b.jpg"),
        ("s3://bucket/photos/a.jpg", "a.jpg"),
        ("C:\\photos\\a.jpg", "images/a.jpg"),
        ("photos/a.jpg", "photos/a.jpg"),
    ],
)
def test_where_images_are(reference: str, place: str, tmp_path: Path) -> None:
    path = export(tmp_path, task(reference, *three(0)))
    (tmp_path / "a.jpg").unlink()
    picture(tmp_path / place)
    (face,), _ = faces_of(path)
    assert Path(face.image).resolve() == tmp_path / place
    # Local files may count from the root of the disk.
    absolute = task(f"/data/local-files/?d={str(tmp_path / place).lstrip('/')}", *three(0))
    (face,), _ = faces_of(write(tmp_path / "other/tasks.json", json.dumps([absolute])))
    assert face.image == str(tmp_path / place)


def test_two_uploads_of_one_name_are_not_taken_for_each_other(tmp_path: Path) -> None:
    tasks = [task(f"/data/upload/1/{digits}-a.jpg", *three(0)) for digits in ("11111111", "22222222", "22222222")]
    faces, notes = faces_of(export(tmp_path, *tasks))
    assert faces == []
    assert f"2 uploads are called a.jpg; rename {tmp_path / 'a.jpg'} as 11111111-a.jpg" in str(notes[0])
    picture(tmp_path / "22222222-a.jpg")
    (a, b), notes = faces_of(tmp_path)
    assert {a.image, b.image} == {str(tmp_path / "22222222-a.jpg")}
    assert len(notes) == 1


def test_the_image_is_found_by_what_it_looks_like(tmp_path: Path) -> None:
    data = {"caption": "a face", "photo": "/data/upload/1/1a2b3c4d-a.jpg", "mask": "m.png", "number": 3}
    (face,), _ = faces_of(export(tmp_path, task("x", *three(0), data=data)))
    assert face.image == str(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"value": {"x": "1e999", "y": 1, "keypointlabels": ["nose"]}}, "point: coordinates must be finite"),
        ({"value": {"x": None, "y": 1, "keypointlabels": ["nose"]}}, "point: expected a number, got None"),
        ({"value": {"y": 1, "keypointlabels": ["nose"]}}, "point: expected a number, got None"),
        ({"value": {"x": 1, "y": 1, "keypointlabels": []}}, "keypointlabels must be a text, got None"),
        ({"value": {"x": 1, "y": 1, "keypointlabels": [["nose"]]}}, "keypointlabels must be a text"),
        ({"value": {"x": 1, "y": 1, "keypointlabels": ["a\nb"]}}, "keypointlabels must be a text"),
        ({"original_width": 0}, "original_width and original_height must be at least 1"),
        ({"original_width": [200]}, "its points say different sizes of the image"),
        ({"original_width": 100}, "its points say different sizes of the image"),
        ({"image_rotation": 90}, "the picture was turned in Label Studio"),
    ],
)
def test_bad_regions(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    bad = [shape | changed for shape in three(0)[:1]] + three(0)[1:]
    if changed == {"original_width": 0}:
        bad = [shape | changed for shape in three(0)]
    path = export(tmp_path, task("a.jpg", *bad, id=7), task("a.jpg", *three(0)))
    faces, notes = faces_of(path)
    assert [face.where for face in faces] == [f"{path}: task 10764"]
    assert len(notes) == 1
    assert str(notes[0]).startswith(f"{path}: task 7: ")
    assert message in str(notes[0])
    assert "\n" not in str(notes[0])


def test_bad_tasks(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        3,
        {"id": 1, "annotations": 5},
        {"id": 2, "annotations": [{"result": three(0)}]},
        {"id": 3, "annotations": [{"result": 4}], "data": {"image": "a.jpg"}},
        task("data:image/png;base64,AAAA", *three(0), id=4),
        task("a.jpg", None, 3, {"type": "keypointlabels"}, {"value": 3}, *three(0), id={"a": 1}),
        task("a.jpg", *three(0), id=5, data={"image": "a.jpg", "person": 7, "split": "test"}),
    )
    faces, notes = faces_of(path)
    assert len(faces) == 2
    assert faces[1].split == ""
    assert [str(note) for note in notes] == [
        f"{path}: task 1: annotations must be a list of objects",
        f"{path}: task 2: the image in data must be a text, got ''",
        f"{path}: task 3: result must be a list",
        f"{path}: task 4: the image in data must be a text, got ''",
        f"{path}: task 5: person must be a text, got 7",
    ]
    turned = box("one", 5, 10, 30, 60)
    turned["value"]["rotation"] = 30
    (face,), (note,) = faces_of(export(tmp_path, task("a.jpg", *three(0, parentID="one"), turned)))
    assert face.box is None
    assert note.reason == "box that is turned"


def test_other_json(tmp_path: Path) -> None:
    minimal = [{"image": "a.jpg", "kp": [{"x": 1, "y": 2, "keypointlabels": ["nose"]}], "annotation_id": 1}]
    path = write(tmp_path / "min.json", json.dumps(minimal))
    assert not recognises(path)
    with pytest.raises(DataError, match=r"min\.json: no \.json file with tasks .* export as JSON, not JSON-MIN"):
        faces_of(path)
    path = write(tmp_path / "cut.json", '[{"annotations": [')
    with pytest.raises(DataError, match=r"cut\.json:1: not a JSON file"):
        faces_of(path)


def test_written_tasks(tmp_path: Path) -> None:
    image = str(picture(tmp_path / "source/a b.png"))
    faces = Annotations.create(
        [image, image],
        np.array([[*MARKS[:2], [np.nan, np.nan]], MARKS]),
        Scheme("three", 3, (2, 1, 0)),
        visible=[[True, False, False], [True] * 3],
        boxes=[[59.5, 9.5, 139.5, 69.5], [np.nan] * 4],
        persons=["Ann", ""],
        splits=["val", "my own"],
        subsets=[frozenset({"hard"}), frozenset()],
    )
    notes = write_annotations(faces, tmp_path / "out", "labelstudio", copy_images=True)
    assert len(notes) == 1
    (written,) = json.loads((tmp_path / "out/tasks.json").read_text())
    assert written["data"] == {
        "image": "/data/local-files/?d=images/a%20b.png",
        "faces": {"face0": {"person": "Ann", "split": "val", "subsets": ["hard"]}, "face1": {"split": "my own"}},
    }
    rectangle, eye, nose, *_ = written["annotations"][0]["result"]
    assert rectangle["id"] == eye["parentID"] == "face0"
    assert [rectangle["value"][key] for key in ("x", "y", "width", "height")] == pytest.approx([30, 10, 40, 60])
    assert (eye["type"], eye["original_width"], eye["original_height"]) == ("keypointlabels", 200, 100)
    assert [eye["value"]["x"], eye["value"]["y"]] == pytest.approx([40, 25])
    assert eye["value"]["keypointlabels"] == ["0"]
    assert "hidden" not in eye["value"]
    assert nose["value"]["hidden"] is True
    assert len(written["annotations"][0]["result"]) == 2 + 5
    labels = (tmp_path / "out/labels.xml").read_text()
    assert '<Label value="2" model_index="2"/>' in labels
    back = read_annotations(tmp_path / "out", scheme=faces.scheme, repeated="keep")
    assert back.persons == faces.persons
    assert back.splits == faces.splits
    assert back.subsets == faces.subsets

import shutil
from pathlib import Path

import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations, write_annotations
from acrloss.formats.yolo import own_scheme, read_faces, recognises, write_faces
from acrloss.notes import Note
from acrloss.schemes import Scheme, get_scheme
from format_fakes import YOLO_LINE, picture, write, yolo_cvat, yolo_roboflow, yolo_ultralytics

# YOLO_LINE on 200 x 100: 0.4 * 200 - 0.5, 0.5 * 100 - 0.5; the box's edges are 60, 20, 140, 80 from the image's corner.
MARKS = [[79.5, 49.5], [119.5, 49.5], [np.nan, np.nan]]
BOX = (59.5, 19.5, 139.5, 79.5)


def faces_of(path: Path, **options: object) -> tuple[list[Face], list[Note]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, **options)), notes  # type: ignore[arg-type]


def one(folder: Path, lines: str, shape: str = "[3, 3]", more: str = "names: [face]") -> Path:
    """A data set of one picture of 200 x 100 with these lines."""
    picture(folder / "images/a.png")
    write(folder / "labels/a.txt", lines)
    return write(folder / "data.yaml", f"train: images\nkpt_shape: {shape}\n{more}\n")


def test_a_data_set_of_ultralytics(tmp_path: Path) -> None:
    folder = yolo_ultralytics(tmp_path)
    assert recognises(folder)
    assert recognises(folder / "data.yaml")
    (a, b), notes = faces_of(folder)
    assert notes == []
    assert (a.split, b.split) == ("train", "val")
    assert a.image == str(folder / "images/train/a.jpg")
    assert a.where == f"{folder / 'labels/train/a.txt'}:1"
    for face in (a, b):
        np.testing.assert_allclose(face.landmarks, MARKS)
        assert face.visible is not None
        assert face.visible.tolist() == [True, False, False]
        assert face.box == pytest.approx(BOX)
    (a, _), _ = faces_of(folder / "data.yaml", corner_origin=False)
    np.testing.assert_allclose(a.landmarks[:2], [[80, 50], [120, 50]])
    # A box is a box: its edges count from the corner however landmarks are counted.
    assert a.box == pytest.approx(BOX)


def test_the_pairs_of_flip_idx_are_handed_on(tmp_path: Path) -> None:
    faces = read_annotations(yolo_ultralytics(tmp_path))
    assert faces.scheme == Scheme("yolo3", 3, (1, 0, 2))
    # The caller's scheme counts more.
    other = Scheme("mine", 3, (0, 1, 2))
    assert read_annotations(tmp_path, scheme=other).scheme == other


def test_schemes_that_a_file_tells(tmp_path: Path) -> None:
    ibug = get_scheme("ibug68")
    for number, (shape, flip, expected) in enumerate(
        (
            ("[68, 2]", list(ibug.flip), ibug),
            ("[68, 2]", [1, 0, *range(2, 68)], Scheme("yolo68", 68, (1, 0, *range(2, 68)))),
            # What Roboflow writes where nobody gave pairs says nothing.
            ("[68, 3]", list(range(68)), None),
            ("[3, 3]", None, None),
        )
    ):
        text = f"train: images\nkpt_shape: {shape}\n" + (f"flip_idx: {flip}\n" if flip else "")
        assert own_scheme(write(tmp_path / f"{number}.yaml", text)) == expected
    path = write(tmp_path / "bad.yaml", "train: images\nkpt_shape: [3, 3]\nflip_idx: [1, 2, 0]\n")
    with pytest.raises(DataError, match=r"bad\.yaml: flip_idx: .*must be an involution"):
        own_scheme(path)


def test_a_data_set_of_roboflow(tmp_path: Path) -> None:
    folder = yolo_roboflow(tmp_path / "faces")
    (a, b), notes = faces_of(folder)
    assert (a.split, b.split) == ("train", "val")
    np.testing.assert_allclose(a.landmarks, MARKS)
    assert b.image == str(folder / "valid/images/a_jpg.rf.21d9ecc535939df6226dbf15204e64a1.jpg")
    assert [(note.kind, note.reason) for note in notes] == [("ignored", "split without its folder")]
    assert str(notes[0]).startswith(f"{folder / 'data.yaml'}: test: no folder or list ../test/images")
    with pytest.raises(DataError, match=r"faces of 3 landmarks fit no built-in scheme .* acrloss data flip"):
        read_annotations(folder)


def test_a_data_set_of_cvat(tmp_path: Path) -> None:
    folder = yolo_cvat(tmp_path)
    (face,), notes = faces_of(folder)
    assert notes == []
    assert face.split == "train"
    assert face.image == str(folder / "images/train/a.jpg")
    np.testing.assert_allclose(face.landmarks, MARKS)


def test_places_of_another_machine_and_apart_from_the_file(tmp_path: Path) -> None:
    data = tmp_path / "data"
    yolo_ultralytics(data)
    text = (data / "data.yaml").read_text()
    moved = text.replace("train: images/train", "train: /home/ann/sets/data/images/train")
    (data / "data.yaml").write_text(moved.replace("val: images/val", "val: C:\\sets\\data\\images\\val"))
    assert [face.split for face in faces_of(data)[0]] == ["train", "val"]
    # A file in another folder, with the path to the data.
    (tmp_path / "configs").mkdir()
    write(tmp_path / "configs/faces.yaml", f"path: ../data\n{text}")
    (_, b), notes = faces_of(tmp_path / "configs/faces.yaml")
    assert notes == []
    assert Path(b.image).resolve() == data / "images/val/a.jpg"
    # Several places for one split.
    write(tmp_path / "configs/faces.yaml", f"path: {data}\ntrain: [images/train, images/val]\nkpt_shape: [3, 3]\n")
    assert [face.split for face in faces_of(tmp_path / "configs/faces.yaml")[0]] == ["train", "train"]


def test_a_face_is_in_one_split(tmp_path: Path) -> None:
    folder = yolo_ultralytics(tmp_path)
    text = (folder / "data.yaml").read_text()
    (folder / "data.yaml").write_text(text.replace("val: images/val", "val: images/train"))
    (face,), (note,) = faces_of(folder)
    assert face.split == "train"
    assert (note.kind, note.count) == ("ignored", 1)
    assert "val: 1 label files are of an earlier split, too, and stay there" in str(note)


def test_labels_beside_the_images(tmp_path: Path) -> None:
    """A folder that is not called images holds both, and other texts as well."""
    picture(tmp_path / "photos/a.png")
    write(tmp_path / "photos/a.txt", YOLO_LINE)
    write(tmp_path / "photos/classes.txt", "face\n")
    write(tmp_path / "data.yaml", "train: photos\nkpt_shape: [3, 3]\n")
    (face,), notes = faces_of(tmp_path)
    assert notes == []
    assert face.image == str(tmp_path / "photos/a.png")


def test_the_last_folder_called_images_counts(tmp_path: Path) -> None:
    root = tmp_path / "images/set"
    picture(root / "images/a.png")
    write(root / "labels/a.txt", YOLO_LINE)
    write(root / "data.yaml", "train: images\nkpt_shape: [3, 3]\n")
    (face,), _ = faces_of(root)
    assert face.image == str(root / "images/a.png")


def test_two_columns_have_no_visibility(tmp_path: Path) -> None:
    line = "0 0.5 0.5 0.4 0.6 0.4 0.5 0 0 -0.005 -0.01 0 0.25\n"
    (face,), notes = faces_of(one(tmp_path, line, "[4, 2]"))
    assert notes == []
    nan = [np.nan, np.nan]
    np.testing.assert_allclose(face.landmarks, [[79.5, 49.5], nan, nan, [-0.5, 24.5]])
    assert face.visible is not None
    assert face.visible.tolist() == [True, False, False, True]


def test_faces_with_odd_values(tmp_path: Path) -> None:
    def line(marks: str, box: str = "0.5 0.5 0.4 0.6") -> str:
        return f"0 {box} {marks}\n"

    good = "0.4 0.5 2 0.6 0.5 1 "
    lines = (
        line(good + "nan nan 0")  # what stands for a missing landmark
        + line(good + "0.5 0.5 2", box="0.5 0.5 0 0")  # no box
        + "\n"
        + line(good + "0.5 0.5 -1")
        + line(good + "0.5 nan 2")
        + line(good + "120 50 2")
        + line(good)
        + line(good + "0.5 1_0 2")
        + "face 0.5 0.5 0.4 0.6 "
        + good
        + "0 0 0\n"
    )
    (a, b), notes = faces_of(one(tmp_path, lines))
    np.testing.assert_allclose(a.landmarks, MARKS)
    assert b.box is None
    np.testing.assert_allclose(b.landmarks[2], [99.5, 49.5])
    where = tmp_path / "labels/a.txt"
    boxless, *notes = notes
    assert (str(boxless), boxless.kind) == (f"{where}:2: a box of 0 x 0 is none", "ignored")
    assert [str(note) for note in notes] == [
        f"{where}:4: visibility must be 0, 1 or 2, got -1",
        f"{where}:5: landmarks: coordinates must be finite, got 'nan'",
        f"{where}:6: 120 is no share of the image's side; YOLO's numbers lie between 0 and 1",
        f"{where}:7: 11 numbers, but class, box and 3 landmarks are 14",
        f"{where}:8: landmarks: expected a number, got '1_0'",
        f"{where}:9: the class: expected a number, got 'face'",
    ]
    assert {note.kind for note in notes} == {"left out"}


def test_confidences_for_visibility(tmp_path: Path) -> None:
    """As predictions are saved; what is not quite 0 is a landmark."""
    (face,), (note,) = faces_of(one(tmp_path, YOLO_LINE.replace("0.4 0.5 2", "0.4 0.5 0.93")))
    assert face.visible is not None
    assert face.visible.tolist() == [True, False, False]
    assert (note.kind, note.count, note.where) == ("guessed", 1, f"{tmp_path / 'labels/a.txt'}:1")


def test_classes(tmp_path: Path) -> None:
    lines = YOLO_LINE + "1" + YOLO_LINE[1:]
    path = one(tmp_path, lines, more="names: {0: face, 1: hand}")
    with pytest.raises(
        DataError, match=r"a\.txt:1 and .*a\.txt:2 are of different .* give category= one of face, hand"
    ):
        faces_of(path)
    (face,), notes = faces_of(path, category="hand")
    assert face.where.endswith("a.txt:2")
    assert notes == []
    with pytest.raises(DataError, match="no class 'foot'; give category= one of face, hand"):
        faces_of(path, category="foot")


def test_images_that_are_not_there(tmp_path: Path) -> None:
    folder = yolo_ultralytics(tmp_path)
    write(folder / "labels/train/b.txt", YOLO_LINE * 2)
    picture(folder / "images/train/a.png")
    write(folder / "images/val/a.jpg", "no image")
    faces, notes = faces_of(folder)
    assert faces == []
    assert [str(note) for note in notes] == [
        f"{folder / 'labels/train/a.txt'}: several images of its name: a.jpg, a.png",
        f"{folder / 'labels/train/b.txt'}: no image in {folder / 'images/train'}",
        f"{folder / 'labels/val/a.txt'}: {folder / 'images/val/a.jpg'}: not an image that can be read; "
        "replace the file",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kpt_shape: [3, 3]\n", "none of train, val and test says where the images are"),
        ("train: images\nkpt_shape: [3]\n", "kpt_shape must be the number of landmarks and 2 or 3"),
        ("train: images\nkpt_shape: [3, 4]\n", "kpt_shape must be the number of landmarks and 2 or 3"),
        ("train: images\nkpt_shape: [1e6, 3]\n", "kpt_shape must be the number of landmarks and 2 or 3"),
        ("train: images\nkpt_shape: [2.5, 3]\n", "kpt_shape must be the number of landmarks and 2 or 3"),
        ("train: images\nkpt_shape: 3\n", "kpt_shape must be a list of numbers, got '3'"),
        ("train: {a: b}\nkpt_shape: [3, 3]\n", "train must be a text"),
        ("train: images\nkpt_shape: [3, 3]\nflip_idx: [0, 1]\n", "flip_idx must hold each of 0 … 2 once"),
        ("train: images\nkpt_shape: [3, 3]\nflip_idx: a\n", "flip_idx must be a list of numbers"),
        ("train: images\nkpt_shape: [3, 3]\nnames: {face: 0}\n", "names: expected a number, got 'face'"),
        ("train: &x images\nval: *x\nkpt_shape: [3, 3]\n", r"data\.yaml: the alias \*x in line 2 is refused"),
        ("- 1\n- kpt_shape\nkpt_shape: 1", r"data\.yaml: not a YAML file: .* in line 3"),
        (
            "train: images\nkpt_shape: " + "[" * 5000,
            r"data\.yaml: (not a YAML file: exceeded maximum nesting depth|more than 20 levels)",
        ),
    ],
)
def test_bad_descriptions(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "data.yaml", text)
    with pytest.raises(DataError, match=message) as caught:
        faces_of(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_place_that_leads_anywhere_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acrloss.formats.fields.folders._MAX_FOLDERS", 20)
    for number in range(30):
        (tmp_path / f"much/{number}").mkdir(parents=True)
    path = write(tmp_path / "set/data.yaml", "train: ../much\nkpt_shape: [3, 3]\n")
    with pytest.raises(DataError, match="much: more than 20 folders"):
        faces_of(path)
    write(
        tmp_path / "set/data.yaml",
        "path: ../../../../../../../..\ntrain: /proc/self/fd\nval: /dev\nkpt_shape: [3, 3]\n",
    )
    with pytest.raises(DataError, match=r"no usable face|more than 20 folders"):
        read_annotations(path)


def test_written_files_are_what_ultralytics_reads(tmp_path: Path) -> None:
    scheme = Scheme("three", 3, (1, 0, 2))
    image = str(picture(tmp_path / "source/a.png"))
    faces = Annotations.create(
        [image, image],
        np.array([MARKS, [[10, 20], [30, 20], [20, 40]]]),
        scheme,
        visible=[[True, False, False], [True] * 3],
        boxes=[BOX, [np.nan] * 4],
        splits=["train", "train"],
    )
    out = tmp_path / "out"
    notes = write_annotations(faces, out, "yolo")
    assert notes == [
        "YOLO-pose has no face without a box: 1 faces got the box around their landmarks, at least a pixel wide"
    ]
    assert (out / "data.yaml").read_text() == (
        "train: images/train\nkpt_shape: [3, 3]\nflip_idx: [1, 0, 2]\nnames: {0: face}\n"
    )
    first, second = (out / "labels/train/a.txt").read_text().splitlines()
    assert first + "\n" == YOLO_LINE
    # The box around 10 … 30 and 20 … 40: centre 20.5 of 200 and 30.5 of 100, 20 wide and high.
    assert second == "0 0.1025 0.305 0.1 0.2 0.0525 0.205 2 0.1525 0.205 2 0.1025 0.405 2"
    assert (out / "images/train/a.png").is_file()


def test_what_ultralytics_refuses_is_said(tmp_path: Path) -> None:
    picture(tmp_path / "images/val/a.png")
    faces = Annotations.create(["a"], [[[1, 2], [250, 3], [5, 5]]], Scheme("three", 3, (0, 1, 2)), boxes=[[0, 0, 9, 9]])
    (note,) = write_faces(tmp_path, faces, ["images/val/a.png"])
    assert (
        note == "Ultralytics refuses label files with numbers beyond the image: 1 faces have a box or landmarks there"
    )


def test_splits_of_other_names_are_kept_apart(tmp_path: Path) -> None:
    image = str(picture(tmp_path / "source/a.png"))
    scheme = Scheme("three", 3, (0, 1, 2))
    faces = Annotations.create(
        [image] * 2, [[[1, 2], [3, 3], [5, 5]]] * 2, scheme, boxes=[[0, 0, 9, 9]] * 2, splits=["private", "train"]
    )
    notes = write_annotations(faces, tmp_path / "out", "yolo")
    assert notes[0].startswith("yolo cannot hold splits, which 1 of 2 faces have")
    assert notes[1] == "YOLO-pose knows the splits train, val and test: 1 faces of none of them are in unsplit"
    # A program that trains on train does not train on them.
    assert "train: images/train\nunsplit: images/unsplit\n" in (tmp_path / "out/data.yaml").read_text()
    shutil.rmtree(tmp_path / "source")
    assert sorted(read_annotations(tmp_path / "out", scheme=scheme).splits) == ["", "train"]

"""Splits, values that stand for nothing, and faces without an extent: read alike whatever the format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.data_check.check import find_problems
from acrloss.errors import DataError
from acrloss.formats import read_annotations, write_annotations
from acrloss.formats.registry import WRITERS
from acrloss.schemes import Scheme

FIVE = Scheme("five", 5, (1, 0, 2, 4, 3))
P5 = np.array([(40, 40), (80, 40), (60, 60), (45, 80), (75, 80)], dtype=float)


def image_in(folder: Path, name: str) -> str:
    cv2.imwrite(str(folder / name), np.full((100, 120, 3), 90, np.uint8))
    return str(folder / name)


def faces_of(folder: Path, marks: Sequence[np.ndarray], **known: Any) -> Annotations:
    images = [image_in(folder, f"{i}.png") for i in range(len(marks))]
    return Annotations.create(images, np.stack(marks), FIVE, **known)


@pytest.mark.parametrize("name", [name for name, format in WRITERS.items() if "splits" not in format.cannot_hold])
def test_splits_have_one_meaning(name: str, tmp_path: Path) -> None:
    words = ["training", "Validation", "TEST set", "dev", "val_2", "holdout", "train/test", ""]
    meant = ["train", "val", "test", "val", "val", "holdout", "train/test", ""]
    faces = faces_of(tmp_path, [P5 + i for i in range(8)], splits=words)
    said = " ".join(write_annotations(faces, tmp_path / "out", name))
    back = read_annotations(tmp_path / "out", scheme=FIVE)
    order = np.argsort(back.landmarks[:, 0, 0])
    if "split" in said:
        # Of this format only the usual splits can be asked for.
        assert {back.splits[i] for i in order} <= {*meant}
        return
    assert [back.splits[i] for i in order] == meant
    unused_too = [f"1 in {what}, used by nobody" for what in ("no split", "split 'holdout'", "split 'train/test'")]
    assert sorted(back.remarks()) == unused_too
    assert back.summary().endswith("; ".join(back.remarks()))
    with pytest.raises(DataError, match=r"out: .*1 in split 'holdout', used by nobody.*; mend the data"):
        read_annotations(tmp_path / "out", scheme=FIVE, strict=True)
    assert len(read_annotations(tmp_path / "out", scheme=FIVE)) == 8
    unused = [finding.message for finding in find_problems(back).of_kind("unused split")]
    assert sorted(unused) == ["1 object in no split", "1 object in split 'holdout'", "1 object in split 'train/test'"]


@pytest.mark.parametrize("folder", ["Validation", "valid", "val_set", "VAL"])
@pytest.mark.parametrize("name", ["pts", "labelme"])
def test_folders_of_splits_have_the_same_names(name: str, folder: str, tmp_path: Path) -> None:
    faces = faces_of(tmp_path, [P5])
    write_annotations(faces, tmp_path / "data", name, copy_images=True)
    moved = tmp_path / "set" / folder
    moved.parent.mkdir()
    (tmp_path / "data").rename(moved)
    assert read_annotations(tmp_path / "set", scheme=FIVE).splits == ("val",)


def write_csv(folder: Path, faces: Sequence[np.ndarray]) -> Path:
    header = "image," + ",".join(f"x{m},y{m}" for m in range(5))
    rows = [
        f"{image_in(folder, f'{i}.png')}," + ",".join(f"{v:g}" for v in marks.ravel()) for i, marks in enumerate(faces)
    ]
    (folder / "faces.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "faces.csv"


def with_points(value: float, *landmarks: int) -> np.ndarray:
    marks: np.ndarray = P5.copy()
    marks[list(landmarks)] = value
    return marks


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("one_based", [False, True])
def test_points_that_stand_for_missing(value: int, one_based: bool, tmp_path: Path) -> None:
    path = write_csv(tmp_path, [with_points(value, 1, 3), with_points(value, 2), P5])
    faces = read_annotations(path, scheme=FIVE, one_based=one_based)
    assert np.isnan(faces.landmarks[..., 0]).tolist() == [
        [False, True, False, True, False],
        [False, False, True, False, False],
        [False] * 5,
    ]
    assert not faces.visible[0, 1]
    assert [(note.kind, note.count) for note in faces.notes] == [("guessed", 2), ("guessed", 1)]
    assert faces.summary().endswith("guessed: 3 × landmark at 0,0 or -1,-1 taken for missing")


def test_points_that_stand_for_missing_in_other_coordinates(tmp_path: Path) -> None:
    # LabelMe and CVAT count from the corner, .pts from 1: what their files hold is 0, 0 or -1, -1 all the same.
    image = image_in(tmp_path, "a.png")
    points = ";".join(f"{x},{y}" for x, y in with_points(0, 1, 3))
    (tmp_path / "annotations.xml").write_text(
        f'<annotations><image name="{image}"><points label="f" points="{points}"/></image></annotations>'
    )
    faces = read_annotations(tmp_path / "annotations.xml", scheme=FIVE)
    assert np.isnan(faces.landmarks[0, :, 0]).tolist() == [False, True, False, True, False]
    (tmp_path / "pts").mkdir()
    for value in (0, -1):
        image_in(tmp_path / "pts", "a.png")
        (tmp_path / "pts/a.pts").write_text("\n".join(f"{x} {y}" for x, y in with_points(value, 1, 3)))
        faces = read_annotations(tmp_path / "pts", scheme=FIVE)
        assert np.isnan(faces.landmarks[0, :, 0]).tolist() == [False, True, False, True, False]


def test_one_landmark_in_the_corner_stays(tmp_path: Path) -> None:
    faces = read_annotations(write_csv(tmp_path, [with_points(0, 1), with_points(-1, 2), P5]), scheme=FIVE)
    assert not np.isnan(faces.landmarks).any()
    assert faces.notes == ()
    # One in each of three faces does not.
    three = [with_points(0, 1), with_points(0, 4), with_points(0, 1)]
    faces = read_annotations(write_csv(tmp_path, three), scheme=FIVE)
    assert np.isnan(faces.landmarks[..., 0]).sum() == 3


def test_many_landmarks_on_one_point_are_a_finding_in_any_number_of_faces(tmp_path: Path) -> None:
    marks = P5.copy()
    marks[1:4] = (50, 51)
    faces = read_annotations(write_csv(tmp_path, [marks, P5]), scheme=FIVE)
    (finding,) = find_problems(faces).of_kind("one point")
    assert (finding.faces, finding.landmarks) == ((0,), (1, 2, 3))
    assert finding.message.endswith("0.png: 3 landmarks at (50, 51)")
    marks[1] = (51, 51)
    faces = read_annotations(write_csv(tmp_path, [marks, P5]), scheme=FIVE)
    assert find_problems(faces).of_kind("one point") == []


def test_normalised_coordinates_are_no_face_of_a_pixel(tmp_path: Path) -> None:
    path = write_csv(tmp_path, [P5 / (120, 100), P5])
    faces = read_annotations(path, scheme=FIVE)
    assert len(faces) == 1
    assert faces.skipped == (
        f"{path}:2: all landmarks lie within one pixel; multiply by the image's size if these are normalised to 0 … 1",
    )
    with pytest.raises(DataError, match=r"no usable face; 1 skipped: .*normalised to 0 … 1"):
        read_annotations(write_csv(tmp_path, [P5 / (120, 100)]), scheme=FIVE)

"""The forms that found faces take."""

import json
from pathlib import Path

import numpy as np
import pytest

from acrloss.formats import read_annotations, write_annotations
from acrloss.formats.pts import read_pts
from acrloss.prediction.faces import Faces
from acrloss.schemes import get_scheme


def faces(image: str = "a.jpg", count: int = 2, confidence: float = 0.75) -> Faces:
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(10, 90, (count, 68, 2))
    boxes = np.concatenate([landmarks.min(axis=1), landmarks.max(axis=1)], axis=1)
    sure = np.full((count, 68), confidence)
    scores = np.linspace(0.9, 0.8, count)
    return Faces(image, get_scheme("ibug68"), landmarks, sure, boxes, scores, np.arange(count))


def test_json_holds_all_and_nan_is_null(tmp_path: Path) -> None:
    found = faces()
    about = json.loads(found.write_json(tmp_path / "a.json").read_text())
    assert (about["image"], about["scheme"], len(about["faces"])) == ("a.jpg", "ibug68", 2)
    assert np.abs(np.array(about["faces"][1]["landmarks"]) - found.landmarks[1]).max() < 1e-3
    assert about["faces"][1]["score"] == pytest.approx(0.8)
    assert about["faces"][0]["confidence"] == [0.75] * 68
    assert faces(confidence=np.nan).to_dict()["faces"][0]["confidence"] is None
    assert faces(count=0).to_dict()["faces"] == []


def test_pts_has_a_file_for_each_face(tmp_path: Path) -> None:
    found = faces()
    names = found.write_pts(tmp_path / "a.b.pts")
    assert [path.name for path in names] == ["a.b.pts", "a.b_2.pts"]
    assert read_pts(names[1]) == pytest.approx(found.landmarks[1], abs=1e-5)


def test_csv_and_pandas_have_a_row_for_each_face(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    found = faces()
    frame = found.to_pandas()
    assert frame.shape == (2, 7 + 3 * 68)
    assert frame[["px67", "py67"]].to_numpy() == pytest.approx(found.landmarks[:, 67], abs=1e-3)
    read = pandas.read_csv(found.write_csv(tmp_path / "a.csv"))
    assert list(read.columns) == list(frame.columns)
    assert read["c3"].tolist() == [0.75, 0.75]
    assert len(faces(count=0).to_pandas()) == 0


def test_supervision_takes_them() -> None:
    pytest.importorskip("supervision")
    points = faces().to_supervision()
    assert points.xy.shape == (2, 68, 2)
    assert points.keypoint_confidence is not None
    assert points.keypoint_confidence[0, 0] == pytest.approx(0.75)


def test_they_can_be_written_as_a_data_set(faces_300w: Path, tmp_path: Path) -> None:
    found = faces(str(faces_300w / "afw" / "face_0.jpg"))
    write_annotations(found.to_annotations(), tmp_path / "coco", "coco")
    again = read_annotations(tmp_path / "coco", scheme="ibug68", repeated="keep")
    assert again.landmarks == pytest.approx(found.landmarks, abs=1e-4)


def test_faces_know_how_sure_they_are_and_can_be_chosen() -> None:
    found = faces(count=3)
    found.confidence[:] = np.array([0.6, 0.4, np.nan])[:, None]
    assert found.certainty == pytest.approx([0.6, 0.4, np.nan], nan_ok=True)
    assert found.unsure.tolist() == [False, True, False]
    some = found.select(np.array([False, True, True]))
    assert (some.ids.tolist(), some.image, some.scheme) == ([1, 2], "a.jpg", found.scheme)
    assert some.boxes.tolist() == found.boxes[1:].tolist()
    assert some.scores.tolist() == found.scores[1:].tolist()
    assert (some.landmarks == found.landmarks[1:]).all()


def test_drawing_leaves_the_image_and_marks_every_face() -> None:
    image = np.full((400, 500, 3), 100, np.uint8)
    drawn = faces().draw(image)
    assert (image == 100).all()
    assert drawn.shape == image.shape
    assert (drawn != image).any()
    assert (drawn[200:] == 100).all(), "nothing is drawn where no face is"
    assert faces(count=0).draw(image).tolist() == image.tolist()

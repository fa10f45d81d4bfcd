"""What is done about faces and schemes that cannot be trained on as they are, and that it is said."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec
from acrloss.crops.dataset import LandmarkDataset
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.prediction.annotated import predict_annotated
from acrloss.schemes import generic_scheme
from acrloss.shapes.shape_model import ShapeModel
from acrloss.training.config import ModelConfig, OptimConfig, TrainConfig
from acrloss.training.fit import fit
from acrloss.training.usable_faces import usable_faces

TINY = TrainConfig(
    model=ModelConfig("test_efficientnet", "none"), crop=CropSpec(size=32), epochs=1, batch_size=4, workers=0, threads=1
)


@pytest.fixture
def faces(faces_csv: Path) -> Annotations:
    return read_annotations(faces_csv)


def changed(faces: Annotations, marks: NDArray[np.float64], **options: Any) -> Annotations:
    visible: Any = None  # what is there
    return replace(faces, landmarks=marks, visible=visible, **options)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_shares_of_the_image_are_no_pixels(faces: Annotations, tmp_path: Path) -> None:
    normalised = changed(faces, faces.landmarks / 400)
    for attempt in (lambda: usable_faces(normalised, CropSpec()), lambda: fit(normalised, TINY, tmp_path)):
        with pytest.raises(DataError, match=r"annotations.csv: the coordinates look normalised: .*multiply x by"):
            attempt()
    # Pixels begin at 0, too.
    first = faces.landmarks[:1] - np.nanmin(faces.landmarks[:1], axis=1, keepdims=True)
    assert len(usable_faces(changed(faces.select([0]), first), CropSpec())) == 1


def test_faces_of_a_few_pixels_are_left_out_and_named(faces: Annotations, tmp_path: Path) -> None:
    marks = faces.landmarks.copy()
    marks[3] = 50 + (marks[3] - 50) / 100
    # The crop is 1.15 times the box: 3.48 pixels of it are just enough, 3.47 are not.
    for face, side in ((5, 3.479), (7, 3.477)):
        low = marks[face].min(axis=0)
        marks[face] = 40 + (marks[face] - low) * side / np.ptp(marks[face], axis=0).max()
    with pytest.warns(UserWarning, match=r"acrloss: 2 of 24 faces are left out as too small; .*3\.jpg"):
        kept = usable_faces(changed(faces, marks), CropSpec())
    assert [Path(image).name for image in faces.images if image not in kept.images] == ["3.jpg", "7.jpg"]
    assert kept.skipped[0].endswith("4 are the least that can be used")
    with pytest.warns(UserWarning, match="too small"):
        fit(changed(faces, marks), TINY, tmp_path)
    assert [line.partition(":")[0] for line in lines(tmp_path / "left_out.txt")] == [faces.images[3], faces.images[7]]
    with pytest.raises(DataError, match="no face is large enough"):
        usable_faces(changed(faces, 50 + faces.landmarks / 200), CropSpec())


def test_nothing_is_said_where_nothing_is_left_out(faces: Annotations) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert usable_faces(faces, CropSpec()) is faces


def test_one_landmark_needs_boxes(faces: Annotations, tmp_path: Path) -> None:
    nose = replace(
        faces,
        landmarks=faces.landmarks[:, 30:31],
        visible=faces.visible[:, 30:31],
        scheme=generic_scheme(1),
        boxes=faces.landmark_boxes(),
    )
    with pytest.raises(DataError, match=r"a single landmark has no box.*--crop.box annotated"):
        fit(nose, TINY, tmp_path / "tight")
    assert not (tmp_path / "tight").exists()
    config = replace(TINY, crop=CropSpec(size=32, box="annotated"), optim=OptimConfig(ema_decay=0))
    row = fit(nose, config, tmp_path / "annotated").history[0]
    assert np.isfinite(row["train_loss"])
    # In % of the longer side of the box, which is what the crop is made from.
    val = nose.split("val")
    found = predict_annotated(LandmarkNet.load(tmp_path / "annotated" / "last.safetensors"), val)
    sides = (val.boxes[:, 2:] - val.boxes[:, :2]).max(axis=1)
    errors = 100 * np.linalg.norm(found - val.landmarks, axis=-1)[:, 0] / sides
    assert row["val_nme"] == pytest.approx(errors.mean(), rel=1e-3)


def test_a_scheme_without_pairs_does_not_mirror(faces: Annotations, tmp_path: Path) -> None:
    plain = replace(faces, scheme=generic_scheme(68))
    augmentation = Augmentation(mirror=1.0, rotation=0, scale=0, translation=0, box_jitter=0)
    samples = LandmarkDataset(plain, CropSpec(size=32), augmentation)
    for i in range(4):
        assert not samples[i]["mirrored"]
        np.testing.assert_array_equal(
            samples[i]["landmarks"], LandmarkDataset(plain, CropSpec(size=32))[i]["landmarks"]
        )
        assert LandmarkDataset(faces, CropSpec(size=32), augmentation)[i]["mirrored"]
    with pytest.warns(UserWarning, match="acrloss: scheme custom has no flip pairs, so no object is mirrored"):
        fit(plain, TINY, tmp_path / "run")
    (note,) = lines(tmp_path / "run" / "notes.txt")
    assert "scheme custom has no flip pairs" in note


def test_pairs_that_few_faces_cannot_confirm_are_noted(faces: Annotations, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="flip pairs of scheme ibug68 .* was not checked: 24 are complete"):
        fit(faces, TINY, tmp_path / "few")
    assert "was not checked" in (tmp_path / "few" / "notes.txt").read_text()
    fit(read_annotations("synthetic:60"), replace(TINY, crop=CropSpec(size=16), batch_size=32), tmp_path / "enough")
    assert lines(tmp_path / "enough" / "notes.txt") == []


@pytest.mark.parametrize("loss", ["l1", "acr", "acr-1"])
def test_no_face_need_be_complete(loss: str, faces: Annotations, tmp_path: Path) -> None:
    marks = faces.landmarks.copy()
    marks[np.arange(24), np.arange(24) % 7] = np.nan
    fitted = fit(changed(faces, marks), replace(TINY, loss=loss), tmp_path)
    assert np.isfinite(fitted.history[0]["train_loss"])
    model = ShapeModel.load(tmp_path / "shape_model.safetensors")
    assert (model.num_faces, model.num_completed) == (15, 15)
    assert any("15 lack landmarks" in note for note in lines(tmp_path / "notes.txt"))


def test_a_landmark_that_no_face_has_is_refused_by_number(faces: Annotations, tmp_path: Path) -> None:
    marks = faces.landmarks.copy()
    marks[:, [5, 40]] = np.nan
    with pytest.raises(DataError, match="no training face has landmark 5, 40, so nothing can be learnt"):
        fit(changed(faces, marks), replace(TINY, loss="l1"), tmp_path)


def test_only_losses_that_need_a_shape_model_are_refused_without(faces: Annotations, tmp_path: Path) -> None:
    same = np.broadcast_to(faces.landmarks[:1] + 0.0, faces.landmarks.shape).copy()
    with pytest.raises(DataError, match='--loss acr-1: loss "acr-1" needs a shape_model'):
        fit(changed(faces, same), replace(TINY, loss="acr-1"), tmp_path / "acr-1")
    fitted = fit(changed(faces, same), replace(TINY, loss="l1"), tmp_path / "l1")
    assert np.isfinite(fitted.history[0]["train_loss"])
    assert any(
        "there is no shape model: the 15 faces are all the same" in note for note in lines(tmp_path / "l1/notes.txt")
    )
    assert not (tmp_path / "l1" / "shape_model.safetensors").exists()

"""Confidence and box maps, measured on a trained network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec
from acrloss.crops.dataset import LandmarkDataset
from acrloss.detection.detector import Detections
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.networks.landmark_net import LandmarkNet, create_model
from acrloss.schemes import get_scheme
from acrloss.training.calibrate import detected_boxes, fit_confidence, fit_detector_boxes, fit_landmark_boxes


class Shifted:
    """Boxes every face a quarter to the left and twice as large; misses those of dark pictures."""

    name = "shifted"

    def __init__(self, boxes: np.ndarray, misses: int = 0) -> None:
        self.boxes, self.calls, self.misses = boxes, 0, misses

    def __call__(self, image: object) -> Detections:
        box = self.boxes[self.calls]
        self.calls += 1
        if self.calls <= self.misses:
            return Detections(np.empty((0, 4)), np.empty(0))
        centre, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
        corner = centre - side - (side / 4, 0)
        return Detections(np.concatenate([corner, corner + 2 * side])[None], np.ones(1))


@pytest.fixture
def network() -> LandmarkNet:
    torch.manual_seed(0)
    return create_model("test_efficientnet", get_scheme("ibug68"), CropSpec(size=32), pretrained="none").eval()


def test_confidence_is_learnt_and_lands_in_the_file(network: LandmarkNet, faces_300w: Path, tmp_path: Path) -> None:
    faces = read_annotations(faces_300w)
    train, val = faces.split("train"), faces.split("test")
    dataset = LandmarkDataset(val, network.crop)
    crops = np.stack([dataset[i]["image"].permute(1, 2, 0).numpy() for i in range(len(val))])
    before = network.locate_crops(crops)
    assert np.isnan(before[1]).all()
    fit_confidence(network, train, val, Augmentation())
    after = network.locate_crops(crops)
    assert (after[0] == before[0]).all(), "landmarks stay as they were"
    assert ((after[1] >= 0) & (after[1] <= 1)).all()
    # All its landmarks are in the middle: the jaw's are far off, the nose's are not.
    assert after[1][:, 30].mean() > after[1][:, [0, 8, 16]].mean()
    again = LandmarkNet.load(network.save(tmp_path / "a.safetensors"))
    assert again.locate_crops(crops)[1] == pytest.approx(after[1])


def test_the_expected_error_is_right_on_average(network: LandmarkNet, faces_300w: Path) -> None:
    faces = read_annotations(faces_300w)
    fit_confidence(network, faces.split("train"), faces.split("test"), Augmentation())
    rows = [LandmarkDataset(faces.split("test"), network.crop)[i] for i in range(10)]
    images = torch.stack([row["image"] for row in rows])
    with torch.inference_mode():
        assert network.spread is not None
        expected = network.spread(network.head.summary(network.features(images))).exp().mean()
        errors = (network(images) - torch.stack([row["landmarks"] for row in rows])).norm(dim=-1).mean()
    assert float(expected) == pytest.approx(float(errors), rel=0.02)


def test_missing_landmarks_take_no_part(network: LandmarkNet, faces_300w: Path) -> None:
    faces = read_annotations(faces_300w).split("train")
    marks = faces.landmarks.copy()
    marks[:, 5] = np.nan
    marks[::2, 40] = np.nan
    faces = replace(faces, landmarks=marks)
    fit_confidence(network, faces, faces.select(np.array([], dtype=int)), Augmentation())
    assert np.isfinite(network.locate_crops(np.zeros((1, 32, 32, 3), np.uint8))[1]).all()


def test_a_detectors_boxes_are_mapped(network: LandmarkNet, faces_300w: Path) -> None:
    faces = read_annotations(faces_300w)
    order = np.random.default_rng(0).permutation(len(faces))
    detector = Shifted(faces.landmark_boxes()[order], misses=3)
    assert fit_detector_boxes(network, faces, detector) == (21, 24)
    found = network.box_maps["shifted"]
    assert (found.dx, found.dy, found.scale) == pytest.approx((0.125, 0.0, 0.5), abs=1e-3)
    assert found.faces == 21
    boxes = detected_boxes(faces, faces.landmark_boxes(), Shifted(faces.landmark_boxes(), misses=2))
    assert np.isnan(boxes[:2]).all()
    assert network.crop.squares(found(boxes[2:])) == pytest.approx(
        network.crop.squares(faces.landmark_boxes()[2:]), abs=0.1
    )


def test_a_detector_that_finds_nothing_is_one_line(network: LandmarkNet, faces_300w: Path) -> None:
    faces = read_annotations(faces_300w)
    with pytest.raises(DataError, match="found none"):
        fit_detector_boxes(network, faces, Shifted(faces.landmark_boxes(), misses=99))


def test_annotated_crops_know_their_place_around_the_landmarks(faces_300w: Path) -> None:
    crop = CropSpec(size=32, box="annotated")
    network = create_model("test_efficientnet", get_scheme("ibug68"), crop, pretrained="none")
    faces = read_annotations(faces_300w)
    tight = faces.landmark_boxes()
    faces = replace(faces, boxes=np.concatenate([tight[:, :2] - 10, tight[:, 2:] + 10], axis=1))
    fit_landmark_boxes(network, faces)
    assert network.box_maps["landmarks"].scale > 1
    plain = create_model("test_efficientnet", get_scheme("ibug68"), CropSpec(size=32), pretrained="none")
    fit_landmark_boxes(plain, faces)
    assert plain.box_maps == {}

"""Confidence and box maps, measured on a trained network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from acrloss.annotations import Annotations
from acrloss.arrays import Image
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import BoxSource, CropSpec, crop_matrix, to_crop_units, warp
from acrloss.crops.dataset import LandmarkDataset
from acrloss.detection.detector import Detections
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.images import read_image
from acrloss.images.header import read_bytes
from acrloss.networks.landmark_net import LandmarkNet, create_model
from acrloss.prediction.predictor import Predictor
from acrloss.schemes import get_scheme
from acrloss.training.calibrate import (
    SecondLooks,
    Seen,
    detected_boxes,
    fit_confidence,
    fit_detector_boxes,
    fit_landmark_boxes,
    ridge,
    see,
)


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


def second_look(network: LandmarkNet, faces: Annotations) -> tuple[np.ndarray, np.ndarray]:
    """(N, M) errors, in sides of the second look's crop and at most one, and the confidence shown to the user."""
    predictor = Predictor(network)
    images = [read_image(image) for image in faces.images]
    first, _ = predictor.locate(images, network.crop.squares(network.crop.boxes(faces)))
    squares, _ = predictor.crops_around(first)
    landmarks, confidence = predictor.relocate(images, first)
    errors = np.linalg.norm(landmarks - faces.landmarks, axis=2) / squares[:, 2:]
    return np.minimum(errors, 1), confidence


def expected_error(confidence: np.ndarray) -> np.ndarray:
    """The mean error of which `confidence` is the share below 5 % of the crop: Rayleigh's distribution inverted."""
    return np.asarray(0.05 * np.sqrt(-np.pi / 4 / np.log1p(-np.clip(confidence, 1e-12, 1 - 1e-12))))


@pytest.mark.parametrize("box", ["landmarks", "annotated"])
def test_the_expected_error_is_right_on_average_where_it_is_shown(
    box: BoxSource, faces_300w: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the held-out faces, in the upright crops of the second look; not in those of the annotated boxes."""
    faces = read_annotations(faces_300w)
    tight = faces.landmark_boxes()
    faces = replace(faces, boxes=np.concatenate([tight[:, :2] - 20, tight[:, 2:] + 10], axis=1))
    torch.manual_seed(0)
    mean = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2))
    network = create_model("test_efficientnet", get_scheme("ibug68"), CropSpec(32, box), mean, pretrained="none").eval()
    torch.nn.init.normal_(network.get_parameter("head.weight"), std=0.02)
    fit_confidence(network, faces.split("train"), faces.split("test"), Augmentation())
    errors, confidence = second_look(network, faces.split("test"))
    assert expected_error(confidence).mean() == pytest.approx(errors.mean(), rel=0.03)
    # Landmark by landmark the harder ones are less sure.
    assert np.corrcoef(expected_error(confidence).mean(axis=0), errors.mean(axis=0))[0, 1] > 0.5


def test_ridge_regression_is_the_textbook_s() -> None:
    """Least squares with a row for each weight's penalty, a tenth of the features' mean variance."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, (50, 4)) * (1, 2, 3, 4), rng.normal(-1, 1, (50, 3))
    y[:, 0] += x[:, 1] / 2
    y[3:7, 2] = np.nan
    weight, bias = ridge(torch.from_numpy(x), torch.from_numpy(y))
    filled = np.where(np.isnan(y), np.nanmean(y, axis=0), y)
    centred = x - x.mean(axis=0)
    root = np.sqrt(50 * 0.1 * centred.var(axis=0).mean())
    rows = np.concatenate([centred, root * np.eye(4)])
    solved, *_ = np.linalg.lstsq(rows, np.concatenate([filled - filled.mean(axis=0), np.zeros((4, 3))]), rcond=None)
    assert weight.numpy() == pytest.approx(solved.T, abs=1e-9)
    assert bias.numpy() == pytest.approx(filled.mean(axis=0) - x.mean(axis=0) @ solved, abs=1e-9)


def constant(faces: Annotations, mean: np.ndarray) -> LandmarkNet:
    """A network that finds `mean` in every crop."""
    network = create_model("test_efficientnet", faces.scheme, CropSpec(32), mean, pretrained="none").eval()
    torch.nn.init.zeros_(network.get_parameter("head.weight"))
    return network


def test_a_network_that_sees_nothing_is_given_its_mean_error(faces_300w: Path) -> None:
    # As after a training in which all its features died: every picture gives the same.
    faces = read_annotations(faces_300w)
    network = create_model("test_efficientnet", get_scheme("ibug68"), CropSpec(size=32), pretrained="none")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    fit_confidence(network, faces, faces, Augmentation())
    assert network.spread is not None
    assert not network.spread.weight.any()
    looks = LandmarkDataset(faces, network.crop)
    seen = see(network, [looks[i] for i in range(len(faces))])
    expected = (seen.summary @ network.spread.weight.double().T + network.spread.bias.double()).exp()
    assert expected.isfinite().all()
    assert 0.3 < float(expected.detach().mean() / seen.errors.mean()) < 3


def test_ridge_without_anything_to_tell_from_gives_the_mean() -> None:
    y = torch.tensor([[1.0, torch.nan], [3.0, 4.0]], dtype=torch.float64)
    for x in (torch.zeros(2, 3, dtype=torch.float64), torch.full((2, 3), 7.0, dtype=torch.float64)):
        weight, bias = ridge(x, y)
        assert weight.tolist() == [[0, 0, 0], [0, 0, 0]]
        assert bias.tolist() == [2, 4]


def test_what_is_found_is_laid_back_into_each_face_s_picture(faces_300w: Path) -> None:
    """With augmentation too (here of no strength)."""
    faces = read_annotations(faces_300w)
    mean = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2)).astype(np.float32).astype(float)
    network = constant(faces, mean)
    x0, y0, x1, y1 = faces.landmark_boxes().T
    centres, sides = np.stack([x0 + x1, y0 + y1], axis=1) / 2, np.maximum(x1 - x0, y1 - y0) * 1.15
    expected = centres[:, None] + (mean - 0.5) * sides[:, None, None]
    still = Augmentation(*[0.0] * 11)
    for augmentation in (None, still):
        dataset = LandmarkDataset(faces, network.crop, augmentation, keep=False)
        seen = see(network, [dataset[i] for i in range(len(dataset))])
        np.testing.assert_allclose(seen.landmarks, expected, atol=1e-3)
        errors = np.linalg.norm(expected - faces.landmarks, axis=2) / sides[:, None]
        np.testing.assert_allclose(np.sort(seen.errors.mean(dim=1)), np.sort(errors.mean(axis=1)), atol=1e-5)
    # The second look is at the upright crop around them: all of one shape here, so that none is turned.
    second = SecondLooks(network, faces, seen)
    assert len(second) == 24
    extent = np.ptp(mean, axis=0).max() * sides * 1.15
    middle = centres + ((mean.max(axis=0) + mean.min(axis=0)) / 2 - 0.5) * sides[:, None]
    for i in (0, 5, 23):
        marks = (faces.landmarks[i] - middle[i]) / extent[i] + 0.5
        np.testing.assert_allclose(second[i]["landmarks"], marks, atol=1e-4)
        image = read_image(faces.images[i])
        whole = warp(image, crop_matrix(np.array([*middle[i], extent[i]]), 32), 32)
        difference = second[i]["image"].permute(1, 2, 0).numpy().astype(int) - whole
        assert np.abs(difference).mean() < 3


def test_second_looks_turn_faces_upright(faces_300w: Path) -> None:
    """Landmarks of a head that leans to its side lie in its second look as those of an upright one."""
    faces = read_annotations(faces_300w).split("train")
    network = constant(faces, np.full((68, 2), 0.5))
    upright = to_crop_units(faces.landmarks[0], crop_matrix(network.crop.squares(faces.landmark_boxes())[0], 32), 32)
    network.mean_shape = upright - upright.mean(axis=0) + 0.5
    for degrees in (40.0, -70.0):
        angle = np.deg2rad(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        leaning = replace(faces, landmarks=(faces.landmarks - 60) @ turn.T + 60)
        seen = Seen(torch.zeros(0, 1), torch.zeros(0, 68), leaning.landmarks)
        found = SecondLooks(network, leaning, seen)[0]["landmarks"].numpy()
        still = SecondLooks(network, faces, Seen(torch.zeros(0, 1), torch.zeros(0, 68), faces.landmarks))[0]
        np.testing.assert_allclose(found, still["landmarks"], atol=1e-4)


def test_faces_that_are_lost_are_unsure(faces_300w: Path) -> None:
    """After a first look at the wrong place the second look must not be sure of what it sees there."""
    faces = read_annotations(faces_300w)
    train = faces.split("train")
    torch.manual_seed(0)
    network = create_model("test_efficientnet", faces.scheme, CropSpec(32), pretrained="none").train()
    rows = [LandmarkDataset(train, network.crop)[i] for i in range(len(train))]
    images, marks = (torch.stack([row[key] for row in rows]) for key in ("image", "landmarks"))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for _ in range(40):
        optimizer.zero_grad()
        (network(images) - marks).abs().mean().backward()
        optimizer.step()
    network.eval()
    fit_confidence(network, train, train.select(np.array([], dtype=int)), Augmentation())
    predictor = Predictor(network)
    pictures = [read_image(image) for image in train.images]
    placed = predictor.relocate(pictures, train.landmarks)[1].mean()
    astray = predictor.relocate(pictures, train.landmarks + 45)[1].mean()
    assert placed > 0.6
    assert astray < placed - 0.2


def test_every_face_is_read_once(network: LandmarkNet, faces_300w: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is looked at twice as in training, twice badly placed, and those held out twice."""
    faces = read_annotations(faces_300w)
    decoded: list[str] = []
    wanted: list[tuple[str, int]] = []

    def decoding(reference: str, most: int) -> bytes:
        decoded.append(reference)
        return read_bytes(reference, most)

    def reading(reference: str, reduce: int) -> Image:
        wanted.append((reference, reduce))
        return read_image(reference, reduce)

    monkeypatch.setattr("acrloss.images.read.read_bytes", decoding)
    monkeypatch.setattr("acrloss.images.read_once.read_image", reading)
    fit_confidence(network, faces.split("train"), faces.split("test"), Augmentation())
    assert set(decoded) == set(faces.images)
    # A face that is to be seen from further off may be decoded smaller, which is another decoding.
    assert len(decoded) == len(set(wanted))


def test_batches_change_nothing(network: LandmarkNet, faces_300w: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = read_annotations(faces_300w)
    layers = []
    for batch in (64, 5):
        monkeypatch.setattr("acrloss.training.calibrate._BATCH", batch)
        fit_confidence(network, faces.split("train"), faces.split("test"), Augmentation())
        assert network.spread is not None
        layers.append(network.spread.weight.detach().numpy())
        network.spread = None
    np.testing.assert_allclose(layers[0], layers[1], rtol=1e-4, atol=1e-4)


def test_networks_without_numbers_are_refused(faces_300w: Path) -> None:
    faces = read_annotations(faces_300w)
    network = constant(faces, np.full((68, 2), 0.5))
    with torch.no_grad():
        network.get_parameter("head.bias")[:] = torch.nan
    with pytest.raises(DataError, match="landmarks are not finite"):
        fit_confidence(network, faces.split("train"), faces.split("test"), Augmentation())


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


def test_a_detector_looks_at_no_more_faces_than_the_medians_need(network: LandmarkNet, faces_300w: Path) -> None:
    faces = read_annotations(faces_300w)
    many = faces.select(np.tile(np.arange(24), 5))
    order = np.random.default_rng(0).permutation(len(many))
    detector = Shifted(many.landmark_boxes()[order])
    assert fit_detector_boxes(network, many, detector) == (40, 40), "all its boxes are alike"
    assert detector.calls == 40
    assert network.box_maps["shifted"].faces == 40
    # Boxes that are off by a tenth this way and that: 1.253 · 0.1/√n falls below a hundredth from n = 157 on.
    noisy = many.landmark_boxes()[order]
    noisy = noisy + np.repeat(np.random.default_rng(1).normal(0, 0.2, (len(noisy), 2)), 2, axis=0).reshape(-1, 4)[
        : len(noisy)
    ] * np.ptp(noisy.reshape(-1, 2, 2), axis=1).max(axis=1, keepdims=True)
    assert fit_detector_boxes(network, many, Shifted(noisy))[1] == 120


def test_a_map_to_annotated_boxes_is_worked_out_by_hand(faces_300w: Path) -> None:
    """Boxes one and a half times as large as the tight box's √area, a tenth of it lower and a fifth to the left."""
    faces = read_annotations(faces_300w)
    tight = faces.landmark_boxes()
    size = np.sqrt((tight[:, 2] - tight[:, 0]) * (tight[:, 3] - tight[:, 1]))[:, None]
    middle = (tight[:, :2] + tight[:, 2:]) / 2 + size * (-0.2, 0.1)
    faces = replace(faces, boxes=np.concatenate([middle - 0.75 * size, middle + 0.75 * size], axis=1))
    crop = CropSpec(size=32, box="annotated")
    network = create_model("test_efficientnet", get_scheme("ibug68"), crop, pretrained="none")
    fit_landmark_boxes(network, faces)
    found = network.box_maps["landmarks"]
    assert (found.dx, found.dy, found.scale, found.faces) == pytest.approx((-0.2, 0.1, 1.5, 24), abs=1e-5)

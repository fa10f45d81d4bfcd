"""What training does with the loss: Φ of mirrored faces, the schedule's epochs, and parameters of the loss's own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from acrloss import ACRLoss, ModeSchedule, ShapeModel
from acrloss.crops.crop import CropSpec, normalized_landmarks
from acrloss.formats import read_annotations
from acrloss.networks.landmark_net import create_model
from acrloss.training.config import ModelConfig, TrainConfig
from acrloss.training.criterion import create_criterion
from acrloss.training.fit import fit
from acrloss.training.lightning_module import LandmarkTraining

TINY = TrainConfig(
    model=ModelConfig("test_efficientnet", "none"), crop=CropSpec(size=32), epochs=3, batch_size=8, workers=0, threads=1
)


class Recorded(L.Callback):
    """Epoch and modes of the loss at the end of each epoch, and its parameters before and after."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, int]] = []
        self.before: list[Tensor] = []
        self.after: list[Tensor] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.before = [p.detach().clone() for p in pl_module.criterion.parameters()]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.after = [p.detach().clone() for p in pl_module.criterion.parameters()]
        if isinstance(pl_module.criterion, ACRLoss):
            self.epochs.append((int(pl_module.criterion.epoch), pl_module.criterion.modes))


def test_the_loss_hears_every_epoch(faces_csv: Path, tmp_path: Path) -> None:
    recorded = Recorded()
    fit(read_annotations(faces_csv), replace(TINY, loss="acr-1"), tmp_path, callbacks=[recorded])
    model = ShapeModel.load(tmp_path / "shape_model.safetensors")
    # Of the paper's five stages a run of three epochs keeps the first, and those that its other epochs are in.
    shares = [0.80, 0.90, 0.95]
    assert recorded.epochs == [(e, model.modes(share, "variance")) for e, share in enumerate(shares)]
    assert len({modes for _, modes in recorded.epochs}) > 1


def test_the_schedule_follows_the_length_of_the_run(faces_csv: Path) -> None:
    shapes = np.random.default_rng(0).normal(0.5, 0.1, (400, 7, 2))
    for option, expected in (("stretched", ModeSchedule().stretched(3)), ("paper", ModeSchedule())):
        config = replace(TINY, loss="acr-1", loss_options={"schedule": option})
        criterion = create_criterion(config, ShapeModel.fit(shapes), TINY.crop, None)
        assert isinstance(criterion, ACRLoss)
        assert criterion.schedule == expected
    criterion = create_criterion(replace(TINY, loss="acr-1"), ShapeModel.fit(shapes), TINY.crop, None)
    assert isinstance(criterion, ACRLoss)
    assert criterion.schedule == ModeSchedule().stretched(3)
    assert create_criterion(replace(TINY, loss="l1"), None, TINY.crop, None).unit == "crop"


def test_parameters_of_the_loss_are_trained(faces_csv: Path, tmp_path: Path) -> None:
    recorded = Recorded()
    fit(read_annotations(faces_csv), replace(TINY, loss="rle", epochs=2), tmp_path, callbacks=[recorded])
    assert len(recorded.before) == len(recorded.after) > 0
    moved = [not torch.equal(a, b) for a, b in zip(recorded.before, recorded.after, strict=True)]
    assert all(moved)


def test_a_mirrored_face_has_the_difficulty_of_its_landmarks(faces_csv: Path) -> None:
    """With another error at every landmark, so that a Φ that belongs to another landmark cannot hide in the mean."""
    faces = read_annotations(faces_csv)
    shapes = normalized_landmarks(faces, TINY.crop)
    config = replace(TINY, loss="acr-paper", loss_options={"schedule": 0.05})
    criterion = create_criterion(config, ShapeModel.fit(shapes), TINY.crop, faces.scheme.interocular)
    assert isinstance(criterion, ACRLoss)
    network = create_model("test_efficientnet", faces.scheme, TINY.crop, pretrained="none")
    module = LandmarkTraining(network, criterion, config)
    annotated = torch.from_numpy(shapes[:3])
    mirrored = torch.tensor([True, False, True])
    flipped = faces.scheme.permute(annotated * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0]))
    target = torch.where(mirrored[:, None, None], flipped, annotated)
    error = torch.linspace(0.01, 0.9, 68 * 2, dtype=torch.float64).reshape(68, 2)
    batch = {"landmarks": target, "annotated": annotated, "mirrored": mirrored}
    found = float(module.loss_of(target + error, batch))
    # By hand: ln(1 + Δ^(2 - Φ)), Φ of the landmark that the point was before it was mirrored.
    model = ShapeModel.fit(shapes)
    phi = model.difficulty(shapes[:3], model.modes(0.05, "count"))
    partner = list(faces.scheme.flip)
    own = np.stack([phi[0][partner], phi[1], phi[2][partner]])
    assert np.isclose(found, np.log1p(error.numpy() ** (2 - own)).mean(), rtol=1e-9)
    assert not np.isclose(found, np.log1p(error.numpy() ** (2 - phi)).mean(), rtol=1e-4)
    # Of the augmented face Φ is measured anew, and needs no permuting.
    augmented = LandmarkTraining(network, criterion, replace(config, difficulty_frame="augmented"))
    phi = model.difficulty(target.numpy(), model.modes(0.05, "count"))
    expected = np.log1p(error.numpy() ** (2 - phi)).mean()
    assert np.isclose(float(augmented.loss_of(target + error, batch)), expected, rtol=1e-9)

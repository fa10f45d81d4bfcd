"""Every head of the registry starts at the mean shape, learns, is saved and loaded, calibrated and exported."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec
from acrloss.crops.dataset import LandmarkDataset
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.networks.export import TOLERANCE, export
from acrloss.networks.heads.head import OutputLayer
from acrloss.networks.heads.registry import HEADS
from acrloss.networks.landmark_net import LandmarkNet, create_model
from acrloss.networks.onnx_model import OnnxModel
from acrloss.schemes import get_scheme
from acrloss.training.calibrate import fit_confidence

IBUG = get_scheme("ibug68")
# Not a multiple of the strides: maps of 3 × 3 and 2 × 2.
SIZE = 48


@pytest.mark.parametrize("name", HEADS)
def test_a_head_can_be_all_that_networks_are(name: str, faces_300w: Path, tmp_path: Path) -> None:
    faces = read_annotations(faces_300w)
    data = LandmarkDataset(faces, CropSpec(SIZE))
    rows = [data[i] for i in range(len(data))]
    images, landmarks = (torch.stack([row[key] for row in rows]) for key in ("image", "landmarks"))
    mean = landmarks.mean(dim=0)
    torch.manual_seed(0)
    network = create_model("test_efficientnet", IBUG, data.crop, mean, 4, "none", name)

    # The mean shape, and 0 for the logarithms of spreads.
    with torch.no_grad():
        begun = network(images)
    assert begun.shape == (24, 68, 4)
    assert (begun[..., :2] - mean).abs().mean() < 0.05
    assert begun[..., 2:].abs().mean() < 0.05

    # The optimiser, learning rate and warm-up of training (see acrloss.training): the error never runs away.
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, eps=1e-12)
    errors = []
    for step in range(40):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 10)
        found = network(images)[..., :2]
        error = (found - landmarks).norm(dim=-1).mean()
        optimizer.zero_grad()
        error.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step()
        errors.append(float(error.detach()))
    of_mean = float((mean - landmarks).norm(dim=-1).mean())
    assert errors[0] == pytest.approx(of_mean, rel=0.2)
    assert max(errors) < 1.5 * of_mean
    assert errors[-1] < 0.5 * of_mean

    network.eval()
    with torch.no_grad():
        summary = network.head.summary(network.features(images))
    assert summary.shape[0] == 24
    assert summary.ndim == 2
    assert summary.shape[1] <= 4096, "calibration solves a system of this size"
    few, none = faces.select(np.arange(8)), faces.select(np.array([], dtype=int))
    fit_confidence(network, few, none, Augmentation())

    loaded = LandmarkNet.load(network.save(tmp_path / "a.safetensors"))
    crops = images.permute(0, 2, 3, 1).contiguous().numpy()
    expected = network.locate_crops(crops)
    assert all((a == b).all() for a, b in zip(loaded.locate_crops(crops), expected, strict=True))
    assert type(loaded.head) is HEADS[name]

    assert export(loaded, tmp_path / "a.onnx", "onnx") <= TOLERANCE
    by_onnx = OnnxModel(tmp_path / "a.onnx").locate_crops(crops[:5])
    assert by_onnx[0] == pytest.approx(expected[0][:5], abs=1e-4)
    assert by_onnx[1] == pytest.approx(expected[1][:5], abs=1e-4)


def test_unknown_heads_and_backbones_without_maps_are_one_line() -> None:
    with pytest.raises(DataError, match=r"unknown head 'pooling'; did you mean pooled\?; known: pooled, soft_argmax"):
        create_model("test_efficientnet", IBUG, CropSpec(SIZE), pretrained="none", head="pooling")
    with pytest.raises(DataError, match=r"mixer_s32_224 gives no feature maps .* --model.head pooled"):
        create_model("mixer_s32_224", IBUG, CropSpec(224), pretrained="none", head="soft_argmax")


@pytest.mark.parametrize(
    ("backbone", "size", "shapes"),
    [
        ("resnet18", 64, [(256, 4, 4), (512, 2, 2)]),
        ("efficientnet_lite0", 48, [(112, 3, 3), (1280, 2, 2)]),
        ("test_vit", 64, [(64, 4, 4), (64, 4, 4)]),  # tokens, laid out as the patches lie
        ("swin_tiny_patch4_window7_224", 224, [(384, 14, 14), (768, 7, 7)]),  # channels last
    ],
)
def test_maps_come_from_any_kind_of_backbone(backbone: str, size: int, shapes: list[tuple[int, ...]]) -> None:
    network = create_model(backbone, IBUG, CropSpec(size), None, 2, "none", "soft_argmax").eval()
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    with torch.no_grad():
        features = network.features(images)
        assert [tuple(part.shape[1:]) for part in features.maps] == shapes
        assert torch.equal(features.pooled, network.backbone((images - network.mean) / network.std))
        assert network(images).shape == (2, 68, 2)


def test_old_files_are_of_the_pooled_head_and_new_ones_of_it_are_as_before(tmp_path: Path) -> None:
    plain = create_model("test_efficientnet", IBUG, CropSpec(SIZE), pretrained="none")
    assert '"version": 2, "settings": {"backbone": "test_efficientnet", "channels": 2}' in plain.description()
    assert {"head.weight", "head.bias"} <= plain.state_dict().keys()
    other = create_model("test_efficientnet", IBUG, CropSpec(SIZE), pretrained="none", head="soft_argmax")
    assert '"version": 3' in other.description()
    assert LandmarkNet.load(plain.save(tmp_path / "a.safetensors")).settings == plain.settings


class Stub(nn.Module):
    """In the place of a head's maps: gives what it was told."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.told = maps

    def forward(self, fused: torch.Tensor) -> torch.Tensor:
        return self.told


def test_a_soft_argmax_is_the_mean_place_of_its_map() -> None:
    network = create_model("test_efficientnet", get_scheme("cofw29"), CropSpec(SIZE), None, 2, "none", "soft_argmax")
    logits = np.random.default_rng(0).normal(0, 3, (29, 3, 3))
    network.head.maps = Stub(torch.from_numpy(logits)[None].float())
    for layer in ("head.pooled.weight", "head.pooled.bias"):
        nn.init.zeros_(network.get_parameter(layer))
    with torch.no_grad():
        found = network(torch.zeros(1, 3, SIZE, SIZE))[0].numpy()
    for m, small in enumerate(logits):
        # Twice as fine, by straight lines between the centres of cells: 3 cells of 2 become 6.
        at = np.clip((np.arange(6) + 0.5) / 2 - 0.5, 0, 2)
        large = np.stack([np.interp(at, range(3), row) for row in small])
        large = np.stack([np.interp(at, range(3), column) for column in large.T], axis=1)
        share = np.exp(large) / np.exp(large).sum()
        grid = [-0.1, 0.14, 0.38, 0.62, 0.86, 1.1]
        x = sum(share[r, c] * grid[c] for r in range(6) for c in range(6))
        y = sum(share[r, c] * grid[r] for r in range(6) for c in range(6))
        assert found[m] == pytest.approx([x, y], abs=1e-5)


def test_an_output_layer_learns_as_fast_from_many_inputs() -> None:
    """One step of the optimiser moves landmarks alike, whether 1,280 pooled features or a normalised map is seen."""
    moved = []
    for inputs, magnitude in ((1280, 0.4), (20_480, 0.4), (20_480, 0.8)):
        layer = OutputLayer(inputs, torch.full((5, 2), 0.5), magnitude)
        values = torch.full((1, inputs), magnitude)
        optimizer = torch.optim.AdamW(layer.parameters(), lr=2e-3, weight_decay=0.0, eps=1e-12)
        before = layer(values)
        assert (before - 0.5).abs().max() < 0.1
        before.sum().backward()
        optimizer.step()
        moved.append(float((layer(values) - before).detach().mean()))
    # 1280 weights and 0.4 of each: 0.002 · 512, and 0.002 more by the bias.
    assert moved == pytest.approx([-1.026] * 3, rel=1e-3)

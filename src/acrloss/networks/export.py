"""A trained network in the formats that other programs run: ONNX, TorchScript and OpenVINO.

Every exported network takes (N, size, size, 3) uint8 RGB crops, as image libraries give them, normalises them itself,
and gives `landmarks` (N, M, 2) in crop units and `confidence` (N, M). What it finds is compared with the original
before the file is kept.
"""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable
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
from acrloss.networks.onnx_model import OnnxModel

Crops = NDArray[np.uint8]

# The most by which an exported landmark may differ, as a share of the crop's side.
TOLERANCE = 1e-4
OPSET = 18
SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt", "openvino": ".xml"}


class _FromCrops(nn.Module):
    """The network behind the exported interface."""

    def __init__(self, network: LandmarkNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.locate(crops.permute(0, 3, 1, 2).float())


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


def export(network: LandmarkNet, path: str | Path, format: str) -> float:
    """Write `network` in another format.

    Args:
        network: a trained network.
        path: the file to write; OpenVINO's weights go beside it (.bin).
        format: "onnx", "torchscript" or "openvino".

    Returns:
        The largest difference of a landmark between original and export on eight faces, as a share of the crop's side.

    Raises:
        DataError: an unknown format, its package is not installed, the file cannot be written, or the difference is
            above `TOLERANCE`.
    """
    if format not in SUFFIXES:
        raise DataError(f"unknown format {format!r}; give one of {', '.join(SUFFIXES)}")
    path = Path(path)
    network = network.cpu().eval()
    crops = sample_crops(network.crop.size)
    expected = network.locate_crops(crops)[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model{SUFFIXES[format]}"
        try:
            with quiet():
                run = {"onnx": _onnx, "torchscript": _torchscript, "openvino": _openvino}[format](network, file)
        except ImportError as error:
            raise DataError(
                f"{format} needs a package that is not installed ({error}); pip install 'acrloss[export]'"
            ) from error
        difference = float(np.abs(run(crops) - expected).max())
        if not difference <= TOLERANCE:
            raise DataError(
                f"the {format} export differs from the network by {difference:.2g} of the crop's side, more than "
                f"{TOLERANCE:g}; it was not kept. Try another version of its exporter"
            )
        for written in sorted(Path(folder).iterdir()):
            write_atomic(path.with_suffix(written.suffix) if len(written.suffix) > 1 else path, written.read_bytes())
    return difference


def _onnx(network: LandmarkNet, file: Path) -> Callable[[Crops], Float]:
    import onnx

    crops = torch.from_numpy(sample_crops(network.crop.size, 2))
    program = torch.onnx.export(
        _FromCrops(network).eval(),
        (crops,),
        dynamo=True,
        opset_version=OPSET,
        input_names=["crops"],
        output_names=["landmarks", "confidence"],
        dynamic_shapes={"crops": {0: torch.export.Dim("faces")}},
        optimize=True,
        verbose=False,
    )
    assert program is not None
    model: Any = program.model_proto
    _describe(model, network)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())
    return lambda batch: OnnxModel(file).locate_crops(batch)[0]


def _describe(model: Any, network: LandmarkNet) -> None:
    """Put the network's description into an ONNX model, and nothing of the machine that exported it."""
    for node in model.graph.node:
        del node.metadata_props[:]
    for entry in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del entry.metadata_props[:]
    del model.metadata_props[:], model.graph.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = FORMAT, network.description()


def _torchscript(network: LandmarkNet, file: Path) -> Callable[[Crops], Float]:
    traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
        _FromCrops(network).eval(), (torch.from_numpy(sample_crops(network.crop.size, 2)),)
    )
    torch.jit.save(traced, str(file), _extra_files={FORMAT: network.description()})
    loaded: Any = torch.jit.load(str(file))  # type: ignore[no-untyped-call]

    def run(crops: Crops) -> Float:
        with torch.inference_mode():
            return np.asarray(loaded(torch.from_numpy(crops))[0], dtype=np.float64)

    return run


def _openvino(network: LandmarkNet, file: Path) -> Callable[[Crops], Float]:
    import openvino

    crops = torch.from_numpy(sample_crops(network.crop.size, 2))
    size = network.crop.size
    model = openvino.convert_model(_FromCrops(network).eval(), example_input=crops, input=[-1, size, size, 3])
    for output, name in zip(model.outputs, ("landmarks", "confidence"), strict=True):
        output.get_tensor().set_names({name})
    model.set_rt_info(network.description(), FORMAT)
    openvino.save_model(model, file, compress_to_fp16=False)
    # Its own choice of precision is bfloat16 where the processor has it.
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: np.asarray(compiled(batch)[0], dtype=np.float64)


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

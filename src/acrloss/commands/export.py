"""Write a network for other programs: onnx, torchscript or openvino; with INT8 weights as well if asked.

The file takes RGB crops, normalises them itself, and gives landmarks in crop units (the crop spans 0 to 1) and
confidences. It is compared with the original before it is kept.
"""

from pathlib import Path
from typing import Any, Literal

from acrloss.commands.terminal import notes, results_in
from acrloss.errors import DataError


def add_arguments(parser: Any) -> None:
    parser.add_argument("model", type=str, help="run folder, model file (.safetensors) or packaged model")
    parser.add_argument("--format", type=str, default="onnx", help="one of onnx, torchscript, openvino")
    parser.add_argument(
        "--output", type=Path | None, default=None, help="file or folder to write; beside the model if not given"
    )
    parser.add_argument(
        "--int8",
        type=str | None,
        default=None,
        help="write an INT8 form too; its ranges are set on the training faces of this data (onnx only)",
    )
    parser.add_argument(
        "--layout",
        type=Literal["uint8_nhwc", "float_nchw"],
        default="uint8_nhwc",
        help="how it takes crops: (N, size, size, 3) uint8, or (N, 3, size, size) float32; values 0 to 255 in both",
    )
    parser.add_argument("--batch", type=int, default=0, help="number N of crops that it takes; 0 for any")
    parser.add_argument("--opset", type=int | None, default=None, help="ONNX's version of operators; 18 if not given")


def run(parsed: Any) -> None:
    from acrloss.formats import read_annotations
    from acrloss.networks.export import OPSET, SUFFIXES, Form, export, export_file
    from acrloss.networks.landmark_net import LandmarkNet
    from acrloss.networks.model_files import find_model
    from acrloss.networks.quantize import quantization_crops, quantize

    _, values = parsed
    for option in ("int8", "opset"):
        if values[option] is not None and values.format != "onnx":
            raise DataError(f"--{option} goes with --format onnx")
    form = Form(values.layout, values.batch, OPSET if values.opset is None else values.opset)
    path = find_model(values.model)
    if path.suffix != ".safetensors":
        raise DataError(f"{path} is exported already; give the run folder or .safetensors file")
    # A packaged model lies in the installation, which is no place for results.
    name = path.stem if Path(values.model).exists() else str(values.model)
    beside = path.parent if Path(values.model).exists() else Path()
    file = export_file(values.output or beside / f"{name}{SUFFIXES.get(values.format, '')}", values.format, name)
    # Read now, so that a mistake in its name is known before any work.
    annotations = None if values.int8 is None else read_annotations(values.int8)
    network = LandmarkNet.load(path)
    difference = export(network, file, values.format, form)
    notes.print(f"largest difference from the original: {difference:.1g} of the crop's side")
    if annotations is not None:
        train = annotations.split("train") if "train" in annotations.split_names else annotations
        quantized = file.with_stem(f"{file.stem}.int8")
        quantize(file, quantized, quantization_crops(network, train))
        notes.print(f"INT8: {quantized} (compare: acrloss evaluate {quantized} --data …)", soft_wrap=True, markup=False)
    results_in(file)

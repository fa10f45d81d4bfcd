"""Write a network for other programs: onnx, torchscript or openvino; with INT8 weights as well if asked.

The file takes (N, size, size, 3) uint8 RGB crops, normalises them itself, and gives landmarks in crop units (the crop
spans 0 to 1) and confidences. It is compared with the original before it is kept.
"""

from pathlib import Path
from typing import Any

from acrloss.commands.terminal import notes, results_in
from acrloss.errors import DataError


def add_arguments(parser: Any) -> None:
    parser.add_argument("model", type=str, help="run folder, model file (.safetensors) or packaged model")
    parser.add_argument("--format", type=str, default="onnx", help="one of onnx, torchscript, openvino")
    parser.add_argument("--output", type=Path | None, default=None, help="file to write; beside the model if not given")
    parser.add_argument(
        "--int8",
        type=str | None,
        default=None,
        help="write an INT8 form too; its ranges are set on the training faces of this data (onnx only)",
    )


def run(parsed: Any) -> None:
    from acrloss.formats import read_annotations
    from acrloss.networks.export import SUFFIXES, export
    from acrloss.networks.landmark_net import LandmarkNet
    from acrloss.networks.model_files import find_model
    from acrloss.networks.quantize import quantization_crops, quantize

    _, values = parsed
    if values.int8 is not None and values.format != "onnx":
        raise DataError("--int8 goes with --format onnx")
    path = find_model(values.model)
    if path.suffix != ".safetensors":
        raise DataError(f"{path} is exported already; give the run folder or .safetensors file")
    network = LandmarkNet.load(path)
    suffix = SUFFIXES.get(values.format, "")
    # A packaged model lies in the installation, which is no place for results.
    beside = path.with_suffix(suffix) if Path(values.model).exists() else Path(f"{values.model}{suffix}")
    file = Path(values.output or beside)
    difference = export(network, file, values.format)
    notes.print(f"largest difference from the original: {difference:.1g} of the crop's side")
    if values.int8 is not None:
        annotations = read_annotations(values.int8)
        train = annotations.split("train") if "train" in annotations.split_names else annotations
        quantized = file.with_stem(f"{file.stem}.int8")
        quantize(file, quantized, quantization_crops(network, train))
        notes.print(f"INT8: {quantized} (compare: acrloss evaluate {quantized} --data …)", soft_wrap=True)
    results_in(file)

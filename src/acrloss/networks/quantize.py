"""Networks in 8-bit integers: smaller, and faster where the processor has instructions for them."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from acrloss.annotations import Annotations
from acrloss.crops.dataset import LandmarkDataset
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.networks.export import Crops, quiet
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.networks.onnx_model import LAYOUTS, as_input

# How the names of a head's weights begin in what `export` writes.
HEAD = "network.head."


def quantization_crops(network: LandmarkNet, annotations: Annotations, count: int = 128) -> Iterator[Crops]:
    """Batches of faces, at most `count` in all, on which `quantize` can set its ranges."""
    chosen = annotations.select(np.random.default_rng(0).permutation(len(annotations))[:count])
    for batch in DataLoader(LandmarkDataset(chosen, network.crop, keep=False), batch_size=16):
        yield batch["image"].permute(0, 2, 3, 1).numpy()


def quantize(onnx_file: str | Path, path: str | Path, crops: Iterable[Crops]) -> None:
    """Write the INT8 form of an exported ONNX network: weights a channel, activations a tensor.

    Args:
        onnx_file: what `export` wrote.
        path: the file to write.
        crops: batches of (N, size, size, 3) uint8 faces like those of use; they set the activations' ranges.

    Raises:
        DataError: its package is not installed, or the file cannot be written.
    """
    try:
        import onnx
        from onnxruntime.quantization import (
            CalibrationDataReader,
            QuantFormat,
            QuantType,
            quantize_static,
        )
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise DataError(
            f"quantising needs a package that is not installed ({error}); pip install 'acrloss[export]'"
        ) from error

    taken = onnx.load(onnx_file).graph.input[0].type.tensor_type
    layout, count = LAYOUTS[taken.elem_type == onnx.TensorProto.FLOAT], taken.shape.dim[0].dim_value or 1

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            # As many as the network takes, or one by one: batches of unequal sizes are refused.
            self.crops = (np.repeat(crop[None], count, axis=0) for batch in crops for crop in batch)

        def get_next(self) -> dict[str, Any] | None:
            crop = next(self.crops, None)
            return None if crop is None else {"crops": as_input(crop, layout)}

    with tempfile.TemporaryDirectory() as folder, quiet():
        prepared, file = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(onnx_file), str(prepared))
        model = onnx.load(prepared)
        # All between the pixels and the features. The clip of ReLU6 and the sums must be among it: in floating point
        # they would cost more time than INT8 saves. The head stays: its values are the coordinates themselves.
        head = [node.name for node in model.graph.node if any(name.startswith(HEAD) for name in node.input)]
        quantize_static(
            str(prepared),
            str(file),
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "Clip", "Add"],
            nodes_to_exclude=head,
        )
        quantized = onnx.load(file)
        for entry in model.metadata_props:
            if entry.key not in {known.key for known in quantized.metadata_props}:
                quantized.metadata_props.add(key=entry.key, value=entry.value)
        write_atomic(path, quantized.SerializeToString())

"""Networks in 8-bit integers: smaller, and faster where the processor has instructions for them."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader

from acrloss.annotations import Annotations
from acrloss.crops.dataset import LandmarkDataset
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.networks.export import Crops, quiet
from acrloss.networks.landmark_net import LandmarkNet


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

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            # One by one: batches of unequal sizes are refused.
            self.crops = (crop[None] for batch in crops for crop in batch)

        def get_next(self) -> dict[str, Crops] | None:
            crop = next(self.crops, None)
            return None if crop is None else {"crops": crop}

    with tempfile.TemporaryDirectory() as folder, quiet():
        prepared, file = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(onnx_file), str(prepared))
        model = onnx.load(prepared)
        # All between the pixels and the features. The clip of ReLU6 and the sums must be among it: in floating point
        # they would cost more time than INT8 saves. The last layers stay: their values are the coordinates themselves.
        quantize_static(
            str(prepared),
            str(file),
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "Clip", "Add"],
        )
        quantized = onnx.load(file)
        for entry in model.metadata_props:
            if entry.key not in {known.key for known in quantized.metadata_props}:
                quantized.metadata_props.add(key=entry.key, value=entry.value)
        write_atomic(path, quantized.SerializeToString())

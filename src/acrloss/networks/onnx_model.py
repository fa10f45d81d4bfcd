"""An exported network, run by onnxruntime: neither torch nor timm is needed."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import box_maps_from
from acrloss.errors import DataError
from acrloss.schemes import Scheme

# The entry of an ONNX file's metadata that describes the network.
FORMAT = "acrloss-model"
_MAX_BYTES = 1 << 30


class OnnxModel:
    """The network of an .onnx file that `acrloss export` wrote.

    Attributes:
        scheme: which landmarks it gives.
        crop: how faces must be cut out for it.
        mean_shape: (M, 2) in crop units, an upright face; None if unknown.
        box_maps: name of a face detector -> how its boxes map to those that the crop is made from.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        """
        Args:
            path: the .onnx file.
            threads: of the CPU; 0 leaves onnxruntime's choice.

        Raises:
            DataError: there is no such file, or it is no network that `acrloss export` wrote.
        """
        import onnxruntime

        self._made_of = (path, threads)
        path = Path(path)
        if not path.is_file():
            raise DataError(f"there is no model file {path}; give an .onnx file that acrloss export wrote")
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path} has more than {_MAX_BYTES} bytes; it is no model of acrloss")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Its warnings are for its developers; errors come as exceptions.
        options.log_severity_level = 4
        content = path.read_bytes()
        # A tensor may lie in another file, at a "location" of the author's choice, and onnxruntime would read it.
        if b"location" in content:
            raise DataError(f"{path} keeps tensors in other files; give an .onnx file that acrloss export wrote")
        try:
            self._session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
            about = json.loads(self._session.get_modelmeta().custom_metadata_map[FORMAT])
            self.scheme = Scheme.from_dict(about["scheme"])
            self.crop = CropSpec(**about["crop"])
            mean = about["mean_shape"]
            self.mean_shape = None if mean is None else np.array(mean, dtype=np.float64)
            if self.mean_shape is not None and self.mean_shape.shape != (self.scheme.num_landmarks, 2):
                raise ValueError("its mean shape has another number of landmarks")
            self.box_maps = box_maps_from(about["box_maps"])
            self._input = self._session.get_inputs()[0].name
            if [output.name for output in self._session.get_outputs()] != ["landmarks", "confidence"]:
                raise ValueError("its outputs are others")
        except Exception as error:  # a stranger's file fails in whatever way it is malformed
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise DataError(f"{path} is no model that acrloss export wrote ({reason}); export it again") from error

    def __reduce__(self) -> tuple[type["OnnxModel"], tuple[str | Path, int]]:
        """Pickled as its file and threads: a session cannot be."""
        return OnnxModel, self._made_of

    def locate_crops(self, crops: NDArray[np.uint8]) -> tuple[Float, Float]:
        """(N, size, size, 3) RGB crops to (N, M, 2) landmarks in crop units and (N, M) confidence (NaN if unknown)."""
        landmarks, confidence = self._session.run(["landmarks", "confidence"], {self._input: crops})
        return np.asarray(landmarks, dtype=np.float64), np.asarray(confidence, dtype=np.float64)

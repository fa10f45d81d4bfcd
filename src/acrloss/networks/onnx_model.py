"""An exported network, run by onnxruntime: neither torch nor timm is needed."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float, Image
from acrloss.errors import DataError
from acrloss.networks.description import FORMAT, read_description
from acrloss.networks.onnx_file import look_into

_MAX_BYTES = 1 << 30
# All that the networks of a process take for what they compute; a file of a few bytes can ask for any amount.
_MOST_MEMORY = 1 << 30
# Pixels that a network sees at once: 32 crops of 128 px, and of larger crops as many fewer.
_MOST_PIXELS = 32 * 128 * 128
# How exported networks take crops: (N, size, size, 3) uint8, or (N, 3, size, size) float32.
LAYOUTS = ("uint8_nhwc", "float_nchw")
# No network of ours has them: they can go on for ever.
_LOOPS = {"Loop", "Scan", "If", "SequenceMap"}
# Landmarks in crop units beyond it are no places. Networks that were hardly trained miss by some crops.
_FARTHEST = 1e4


def as_input(crops: Image, layout: str) -> NDArray[Any]:
    """(N, size, size, 3) uint8 crops as a network of that layout takes them."""
    return crops if layout == LAYOUTS[0] else np.ascontiguousarray(crops.transpose(0, 3, 1, 2), dtype=np.float32)


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
        self._made_of = (path, threads)
        path = Path(path)
        if not path.is_file():
            raise DataError(f"there is no model file {path}; give an .onnx file that acrloss export wrote")
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path} has more than {_MAX_BYTES} bytes; it is no model of acrloss")
        self._path = path
        content = path.read_bytes()
        try:
            file = look_into(content)
            # onnxruntime would read a tensor from any file that the author names.
            if file.external:
                raise DataError(f"{path} keeps tensors in other files; give an .onnx file that acrloss export wrote")
            if loops := sorted(file.operators & _LOOPS):
                raise ValueError(f"it has the operator {loops[0]}")
            about = read_description(file.metadata[FORMAT], path)
            self.scheme, self.crop, self.mean_shape = about.scheme, about.crop, about.mean_shape
            self.box_maps = dict(about.box_maps)
            self._session = _session(content, threads)
            taken = self._session.get_inputs()[0]
            self._input, self._layout = taken.name, LAYOUTS[taken.type == "tensor(float)"]
            # Of so many crops at once, where it takes no other number.
            self._batch = taken.shape[0] if isinstance(taken.shape[0], int) else 0
            outputs = {output.name: output.shape for output in self._session.get_outputs()}
            if list(outputs) != ["landmarks", "confidence"]:
                raise ValueError("its outputs are others")
            if list(outputs["landmarks"][1:]) != [self.scheme.num_landmarks, 2]:
                raise ValueError(f"it does not give the {self.scheme.num_landmarks} landmarks of {self.scheme.name}")
        except DataError:
            raise
        except Exception as error:  # a stranger's file fails in whatever way it is malformed
            raise DataError(
                f"{path} is no model that acrloss export wrote ({_reason(error)}); export it again"
            ) from error

    def __reduce__(self) -> tuple[type["OnnxModel"], tuple[str | Path, int]]:
        """Pickled as its file and threads: a session cannot be."""
        return OnnxModel, self._made_of

    def locate_crops(self, crops: NDArray[np.uint8]) -> tuple[Float, Float]:
        """(N, size, size, 3) RGB crops to (N, M, 2) landmarks in crop units and (N, M) confidence (NaN if unknown).

        Raises:
            DataError: the network cannot be run, or gives other than it should.
        """
        count, points = len(crops), self.scheme.num_landmarks
        landmarks, confidence = np.empty((count, points, 2)), np.empty((count, points))
        step = self._batch or max(1, _MOST_PIXELS // self.crop.size**2)
        for start in range(0, count, step):
            part = slice(start, min(start + step, count))
            landmarks[part], confidence[part] = self._run(crops[part])
        return landmarks, confidence

    def _run(self, crops: Image) -> tuple[Float, Float]:
        """As `locate_crops`, for as many crops as the network takes at once, or fewer."""
        count, points = len(crops), self.scheme.num_landmarks
        if count < self._batch:
            crops = np.concatenate([crops, np.zeros((self._batch - count, *crops.shape[1:]), np.uint8)])
        try:
            given = {self._input: as_input(crops, self._layout)}
            landmarks, confidence = self._session.run(["landmarks", "confidence"], given)
        except Exception as error:
            raise DataError(f"{self._path} cannot be run ({_reason(error)}); export it again") from error
        wanted = ((len(crops), points, 2), (len(crops), points))
        if (landmarks.shape, confidence.shape) != wanted:
            raise DataError(
                f"{self._path} gives arrays of {landmarks.shape} and {confidence.shape} for {len(crops)} faces, "
                f"not {wanted[0]} and {wanted[1]}; export it again"
            )
        if not (np.abs(landmarks) <= _FARTHEST).all():
            raise DataError(f"{self._path} gives landmarks that are no places (NaN, or far away); train it anew")
        return landmarks[:count].astype(np.float64), confidence[:count].astype(np.float64)


_arena: list[Any] = []


def _session(content: bytes, threads: int) -> Any:
    """An onnxruntime session whose memory is bounded."""
    import onnxruntime

    if not _arena:
        place = onnxruntime.OrtMemoryInfo(
            "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
        )
        # Strategy 1 takes what is asked for; the usual one doubles, and would reach the bound at half of it.
        bound = onnxruntime.OrtArenaCfg({"max_mem": _MOST_MEMORY, "arena_extend_strategy": 1})
        # Of the whole process, but used only by sessions that ask for it.
        onnxruntime.create_and_register_allocator(place, bound)
        _arena.append(bound)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Its warnings are for its developers; errors come as exceptions.
    options.log_severity_level = 4
    options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]

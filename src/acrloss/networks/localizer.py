"""What predicting needs of a network, and loading one from any of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from acrloss.arrays import Float, Image
from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import BoxMap
from acrloss.networks.model_files import find_model
from acrloss.schemes import Scheme


class Localizer(Protocol):
    """A network as the predictor needs it; `LandmarkNet` and `OnnxModel` are such."""

    @property
    def scheme(self) -> Scheme: ...
    @property
    def crop(self) -> CropSpec: ...
    @property
    def mean_shape(self) -> Float | None: ...
    @property
    def box_maps(self) -> dict[str, BoxMap]: ...

    def locate_crops(self, crops: Image) -> tuple[Float, Float]:
        """(N, size, size, 3) RGB crops to (N, M, 2) landmarks in crop units and (N, M) confidence."""
        ...


def load_model(name: str | Path, threads: int = 0) -> Localizer:
    """A network to predict with.

    Args:
        name: a packaged model (`acrloss models` lists them), a run folder, or a .safetensors or .onnx file.
        threads: of the CPU, for this network alone and while it runs; 0 leaves the library's choice.

    Raises:
        DataError: there is no such model, or its file is damaged.
    """
    path = find_model(name, ".onnx")
    if path.suffix == ".onnx":
        from acrloss.networks.onnx_model import OnnxModel

        return OnnxModel(path, threads)
    # Only here: torch and timm take longer to load than a photograph takes to process.
    from acrloss.networks.landmark_net import LandmarkNet

    network = LandmarkNet.load(path)
    network.threads = threads
    return network

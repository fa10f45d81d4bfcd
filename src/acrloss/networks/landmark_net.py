"""A landmark regressor: any timm backbone, and a head that starts at the mean shape."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import BoxMap
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.networks.backbone import (
    ALIASES,
    Features,
    backbone_features,
    create_backbone,
    example_features,
    load_pretrained,
)
from acrloss.networks.description import FORMAT, Description, read_description
from acrloss.networks.heads.registry import find_head
from acrloss.schemes import Scheme

# A landmark's confidence is the probability that it lies within this share of the crop's side of the truth.
CLOSE = 0.05


class LandmarkNet(nn.Module):
    """Images to landmarks, with all that is needed to use it on a photograph.

    Attributes:
        scheme: which landmarks the network gives.
        crop: how faces must be cut out for it.
        settings: the keyword arguments that build the same network again (for the checkpoint).
        mean_shape: (M, 2) in crop units, an upright face: what tells how far a face is turned; None if unknown.
        box_maps: name of a face detector -> how its boxes map to those that the crop is made from; "landmarks" stands
            for the tight box around the landmarks, where the crop is made from another.
        spread: gives the logarithm of each landmark's expected error, in crop units, from the head's summary; None
            until `acrloss.training.calibrate` has measured it.
        threads: of the CPU, while `locate_crops` runs; 0 leaves PyTorch's choice.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str,
        scheme: Scheme,
        crop: CropSpec,
        mean_shape: NDArray[np.float64] | Tensor | None = None,
        channels: int = 2,
        spread: bool = False,
        head: str = "pooled",
    ) -> None:
        """
        Args:
            backbone: a timm model name, or "mobilenetv2".
            scheme: the landmark scheme.
            crop: the crop that the network sees.
            mean_shape: (M, 2) in crop units, where the untrained network puts the landmarks; the middle if None.
            channels: outputs per landmark: 2 for x and y, 4 with the logarithm of a spread for each.
            spread: make room for the layer `spread`.
            head: a name of `acrloss.networks.heads.registry`.

        Raises:
            DataError: the backbone or head is unknown, or they do not go together.
            ValueError: the mean shape is not finite or not of the scheme's number of landmarks.
        """
        super().__init__()
        self.scheme, self.crop = scheme, crop
        self.box_maps: dict[str, BoxMap] = {}
        self.threads = 0
        self.mean_shape = None if mean_shape is None else np.asarray(mean_shape, dtype=np.float64)
        if self.mean_shape is not None and (
            self.mean_shape.shape != (scheme.num_landmarks, 2) or not np.isfinite(self.mean_shape).all()
        ):
            raise ValueError(f"expected a finite mean shape ({scheme.num_landmarks}, 2), got {self.mean_shape.shape}")
        self.settings: dict[str, Any] = {"backbone": backbone, "channels": channels}
        if head != "pooled":  # only where it is said, so that older versions read the files of all other networks
            self.settings["head"] = head
        kind = find_head(head)
        self.backbone = create_backbone(backbone, crop.size)
        config = cast("dict[str, Any]", self.backbone.pretrained_cfg)
        # Normalisation is part of the network and of its file: whoever runs it feeds plain RGB pixels, and a newer timm
        # with other constants changes no trained model.
        self.register_buffer("mean", 255 * torch.tensor(config["mean"]).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(config["std"]).view(1, 3, 1, 1))
        start = torch.zeros(scheme.num_landmarks, channels)
        start[:, :2] = 0.5
        if self.mean_shape is not None:
            start[:, :2] = torch.as_tensor(self.mean_shape, dtype=torch.float32)
        self._needs_maps = kind.needs_maps
        example = example_features(backbone, crop.size, kind.needs_maps)
        self.head = kind(example, start)
        self.spread: nn.Linear | None = None
        if spread:
            self.add_spread(nn.Linear(self.head.summary(example).shape[1], scheme.num_landmarks))
        # Mobile networks train 1.6 times as fast on a CPU in this layout (benchmarks/training.py); GPUs like it too.
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, size, size) RGB images with values 0 to 255, uint8 or float, to (N, M, channels) in crop units."""
        landmarks: Tensor = self.head(self.features(images))
        return landmarks

    def features(self, images: Tensor) -> Features:
        """What the backbone makes of (N, 3, size, size) RGB images with values 0 to 255, uint8 or float."""
        return backbone_features(self.backbone, (images.to(self.mean.dtype) - self.mean) / self.std, self._needs_maps)

    def add_spread(self, layer: nn.Linear) -> None:
        """Take `layer`, the head's summary to (N, M) logarithms of the expected error in crop units, as `spread`."""
        self.spread = layer
        self.settings["spread"] = True

    def locate(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks and confidence.

        Args:
            images: (N, 3, size, size) RGB images with values 0 to 255, uint8 or float.

        Returns:
            (N, M, 2) landmarks in crop units; and (N, M) probabilities that a landmark lies within `CLOSE` of the
            truth, for errors that follow a Rayleigh distribution; NaN where the network has no `spread`.
        """
        features = self.features(images)
        landmarks: Tensor = self.head(features)[..., :2]
        if self.spread is None:
            return landmarks, torch.full_like(landmarks[..., 0], torch.nan)
        expected = self.spread(self.head.summary(features)).clamp(-20, 5).exp()
        return landmarks, -torch.expm1(-torch.pi / 4 * (CLOSE / expected) ** 2)

    def locate_crops(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """As `locate`, for an array of (N, size, size, 3) uint8 RGB crops; puts the network into evaluation mode."""
        self.eval()
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).to(self.mean.device)
        with torch.inference_mode(), _torch_threads(self.threads):
            landmarks, confidence = self.locate(images)
        return landmarks.double().cpu().numpy(), confidence.double().cpu().numpy()

    def description(self) -> str:
        """What a file needs besides the tensors, as JSON."""
        return Description(self.scheme, self.crop, self.mean_shape, self.box_maps, self.settings).to_json()

    def save(self, path: str | Path) -> Path:
        """Write the network with its scheme and crop as one .safetensors file, atomically."""
        from safetensors.torch import save

        tensors = {name: value.contiguous() for name, value in self.state_dict().items()}
        # All in one entry: safetensors writes several in random order, and equal networks should be equal files.
        return write_atomic(path, save(tensors, {FORMAT: self.description()}))

    @classmethod
    def load(cls, path: str | Path) -> "LandmarkNet":
        """Read a network that `save` wrote, in evaluation mode.

        Raises:
            DataError: there is no such file, or it is no acrloss model.
        """
        from safetensors import safe_open

        path = Path(path)
        if not path.is_file():
            raise DataError(
                f"there is no model file {path}; give a run folder or a .safetensors file that training wrote"
            )
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if FORMAT not in metadata:
                    raise DataError(f"{path} is no acrloss model; give the best.safetensors of a run")
                about = read_description(metadata[FORMAT], path)
                # First without memory, as the file may name any network with any number of landmarks.
                with torch.device("meta"):
                    expected = cls(scheme=about.scheme, crop=about.crop, **about.settings).state_dict()
                shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
                if shapes != {name: tuple(value.shape) for name, value in expected.items()}:
                    raise ValueError("its tensors are those of another network than it says")
                network = cls(scheme=about.scheme, crop=about.crop, mean_shape=about.mean_shape, **about.settings)
                network.box_maps = dict(about.box_maps)
                network.load_state_dict({name: file.get_tensor(name) for name in shapes})
        except DataError:
            raise
        except Exception as error:  # a damaged description can ask for anything
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise DataError(f"{path} is damaged ({reason}); copy it again or retrain") from error
        return network.eval()


@contextlib.contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """So many threads of PyTorch's while it lasts; 0 leaves them. The number is the whole process's."""
    before = torch.get_num_threads()
    if count in (0, before):
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def create_model(
    backbone: str,
    scheme: Scheme,
    crop: CropSpec | None = None,
    mean_shape: NDArray[np.float64] | Tensor | None = None,
    channels: int = 2,
    pretrained: str = "auto",
    head: str = "pooled",
) -> LandmarkNet:
    """A network ready to train.

    Args:
        backbone: a timm model name, or "mobilenetv2".
        scheme: the landmark scheme.
        crop: the crop that the network sees; the default `CropSpec` if None.
        mean_shape: (M, 2) in crop units, where the untrained network puts the landmarks.
        channels: outputs per landmark, the loss's `channels`.
        pretrained: "auto" takes the ImageNet weights of an installed package or else timm's own download; "none"
            starts from random weights; anything else is the path of a weight file for the backbone.
        head: what makes landmarks of the backbone's features: "pooled" or "soft_argmax" (docs/extend/heads.md).

    Raises:
        DataError: the backbone or head is unknown, or the backbone's weights cannot be had.
    """
    network = LandmarkNet(backbone, scheme, crop or CropSpec(), mean_shape, channels, head=head)
    if pretrained != "none":
        load_pretrained(network.backbone, ALIASES.get(backbone, backbone), network.crop.size, pretrained)
    return network.train()

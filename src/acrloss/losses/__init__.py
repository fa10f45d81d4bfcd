"""Landmark losses: each is a pure function and an `nn.Module` called as `criterion(pred, target)`."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from acrloss.losses.acr import ACRLoss, acr_likelihood_loss, acr_loss, smooth_acr_loss
from acrloss.losses.acr_controls import ACRControlLoss
from acrloss.losses.base import LandmarkLoss
from acrloss.losses.gaussian_nll import GaussianNLLLoss, gaussian_nll_loss
from acrloss.losses.l1 import L1Loss, l1_loss
from acrloss.losses.l2 import L2Loss, l2_loss
from acrloss.losses.rectified_wing import RectifiedWingLoss, rectified_wing_loss
from acrloss.losses.rle import RLELoss, rle_loss
from acrloss.losses.smooth_l1 import SmoothL1Loss, smooth_l1_loss
from acrloss.losses.soft_wing import SoftWingLoss, soft_wing_loss
from acrloss.losses.wing import WingLoss, wing_loss
from acrloss.shapes.shape_model import ShapeModel

__all__ = [
    "ACRControlLoss",
    "ACRLoss",
    "GaussianNLLLoss",
    "L1Loss",
    "L2Loss",
    "LandmarkLoss",
    "RLELoss",
    "RectifiedWingLoss",
    "SmoothL1Loss",
    "SoftWingLoss",
    "WingLoss",
    "acr_likelihood_loss",
    "acr_loss",
    "create_loss",
    "gaussian_nll_loss",
    "l1_loss",
    "l2_loss",
    "loss_names",
    "rectified_wing_loss",
    "rle_loss",
    "smooth_acr_loss",
    "smooth_l1_loss",
    "soft_wing_loss",
    "wing_loss",
]

_LOSSES: dict[str, type[LandmarkLoss]] = {
    "l1": L1Loss,
    "l2": L2Loss,
    "smooth_l1": SmoothL1Loss,
    "wing": WingLoss,
    "soft_wing": SoftWingLoss,
    "rectified_wing": RectifiedWingLoss,
    "gaussian_nll": GaussianNLLLoss,
    "rle": RLELoss,
}
# Wing's scale and unit on a C¹ curve, with the reading of Φ that agrees best with a network's errors.
_FIRST: dict[str, Any] = {
    "curve": "smooth",
    "lam": 10.0,
    "epsilon": 2.0,
    "omega": 10.0,
    "unit": 224.0,
    "rule": "variance",
    "per": "landmark",
}
# Presets never change: a better one gets the next number, and studies and saved configurations mean what they meant.
_PRESETS: dict[str, tuple[type[ACRLoss], dict[str, Any]]] = {
    "acr-1": (ACRLoss, _FIRST),
    "acr-2": (ACRLoss, {**_FIRST, "phi": 0.0}),
    "acr-3": (ACRLoss, {"curve": "likelihood", "lam": 1.0, "unit": 20.0, "phi": 1.0}),
    "acr-paper": (
        ACRLoss,
        {"curve": "paper", "lam": 1.0, "unit": "crop", "rule": "count", "per": "coordinate"},
    ),
    "acr-control": (ACRControlLoss, _FIRST),
}
_NEWEST = "acr-3"


def loss_names() -> list[str]:
    """Names that `create_loss` knows."""
    return ["acr", *_PRESETS, *_LOSSES]


def versioned(name: str) -> str:
    """The name that always means the same loss: the newest preset's for "acr", else `name`."""
    return _NEWEST if name == "acr" else name


def create_loss(name: str, shape_model: ShapeModel | None = None, **options: Any) -> LandmarkLoss:
    """Build a loss by name.

    Args:
        name: one of `loss_names()`. "acr" is the newest preset, "acr-3".

            - "acr-3": widths predicted by the network, which must give (N, M, 4); Φ = 1 (`acr_likelihood_loss`).
            - "acr-2": for networks that give (N, M, 2): the C¹ curve at Wing's scale (λ = ω = 10, ε = 2, in pixels of a
              224-pixel crop), Φ = 0. The same as `ACRLoss()`.
            - "acr-1": the curve of acr-2 with Φ from the shape model, per landmark by the variance rule.
            - "acr-paper": the paper's loss in crop units with Φ per coordinate by the count rule.
            - "acr-control": acr-1 with options to put something else in the place of Φ, for studies.

            Those with a shape model follow the paper's schedule. Inter-ocular NME with EfficientNet-Lite0 at 64 px
            after 20 epochs, mean of three seeds (docs/study.md, section 8): on 300-W's test faces acr-3 4.80, acr-2
            5.13; for comparison Gaussian NLL 4.84, RLE 4.95, L1 5.18, Wing 5.23, L2 5.47. On YTF-68's test faces acr-3
            5.83, RLE 5.82, Gaussian NLL 5.86, Wing 6.10, L2 6.61. Longer trainings and larger pictures make the
            differences smaller: after 60 epochs acr-3 is 8 % below L2 (section 7).
        shape_model: needed by "acr-1", "acr-paper" and "acr-control"; the others do without.
        options: arguments of the loss's class; they override the preset's.

    Raises:
        ValueError: an unknown name or option, an option out of range, or no shape model where one is needed.
    """
    if name not in loss_names():
        nearest = difflib.get_close_matches(name, loss_names(), n=1, cutoff=0.0)[0]
        raise ValueError(f'unknown loss "{name}"; did you mean "{nearest}"? Known: {", ".join(loss_names())}')
    kind, preset = _PRESETS.get(versioned(name)) or (_LOSSES[name], {})
    accepted = _options(kind)
    for option in options:
        if option not in accepted:
            raise ValueError(f'loss "{name}" has no option "{option}"; it has {", ".join(accepted)}')
    if not issubclass(kind, ACRLoss):
        return kind(**options)
    if "phi" in preset:
        return kind(**{**preset, **options})
    if shape_model is None:
        raise ValueError(f'loss "{name}" needs a shape_model')
    return kind(shape_model, **{**preset, **options})


def _options(kind: type[LandmarkLoss]) -> list[str]:
    """Names of the options of a loss, its own first."""
    names = [name for name in inspect.signature(kind).parameters if name not in ("shape_model", "options")]
    if kind is ACRControlLoss:
        names += [name for name in _options(ACRLoss) if name not in names]
    return names

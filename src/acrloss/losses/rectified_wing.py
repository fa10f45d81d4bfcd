"""Rectified Wing loss (Feng et al., IJCV 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from acrloss.arrays import Float
from acrloss.losses.base import (
    CommonOptions,
    LandmarkLoss,
    Reduction,
    capped,
    check_positive,
    difference,
    paired,
    reduce,
)
from acrloss.losses.registration import Registration
from acrloss.shapes.landmarks import Landmarks, visible

if TYPE_CHECKING:
    from typing_extensions import Unpack


def _check(omega: float, epsilon: float, rectified: float) -> None:
    check_positive(omega=omega, epsilon=epsilon, rectified=rectified)
    if rectified >= omega:
        raise ValueError(f"rectified: expected less than omega = {omega!r}, got {rectified!r}")


def rectified_wing_loss(
    pred: Landmarks,
    target: Landmarks,
    omega: float = 10.0,
    epsilon: float = 2.0,
    rectified: float = 0.5,
    reduction: Reduction = "mean",
) -> Tensor:
    """0 where |d| < r, ω·ln(1 + (|d| - r)/ε) where r <= |d| < ω, else |d| - C, C = ω - ω·ln(1 + (ω - r)/ε).

    d = pred - target per coordinate. Errors below r, as small as the annotators' own, cost nothing.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        omega: ω > r, where the linear part begins, in the unit of the landmarks.
        epsilon: ε > 0, curvature of the logarithm, same unit.
        rectified: r > 0, the error that is forgiven, same unit.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other, or not 0 < r <
            ω, or ε <= 0.
    """
    _check(omega, epsilon, rectified)
    pred, target = paired(pred, target)
    present = visible(target)
    delta = difference(pred, target, present).abs()
    core = (capped(delta, omega) - rectified).relu()
    tail = (delta - omega).relu()
    return reduce(omega * (core / epsilon).log1p() + tail, present, reduction)


class RectifiedWingLoss(LandmarkLoss):
    """Rectified Wing loss with ω, ε and r in pixels of a 224-pixel crop unless `unit` says otherwise."""

    default_unit = 224.0

    def __init__(
        self,
        omega: float = 10.0,
        epsilon: float = 2.0,
        rectified: float = 0.5,
        **common: Unpack[CommonOptions],
    ) -> None:
        super().__init__(**common)
        _check(omega, epsilon, rectified)
        self.omega = omega
        self.epsilon = epsilon
        self.rectified = rectified

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return rectified_wing_loss(pred, target, self.omega, self.epsilon, self.rectified, self.reduction)


def _oracle(pred: Float, target: Float, loss: Any, _: Float) -> Float:
    d, w, e, r = np.abs(pred - target), loss.omega, loss.epsilon, loss.rectified
    inner = w * np.log(1 + np.maximum(d - r, 0) / e)
    return np.where(d < r, 0, np.where(d < w, inner, d - (w - w * np.log(1 + (w - r) / e))))


LOSS = Registration(
    RectifiedWingLoss,
    "Wing that forgives errors below r",
    oracle=_oracle,
    examples=({"omega": 4.0, "epsilon": 0.5, "rectified": 1.0},),
)

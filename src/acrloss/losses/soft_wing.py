"""Soft-Wing loss (Lin et al., "Structure-Coherent Deep Feature Learning", TIP 2021)."""

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


def soft_wing_loss(
    pred: Landmarks,
    target: Landmarks,
    omega1: float = 2.0,
    omega2: float = 20.0,
    epsilon: float = 0.5,
    reduction: Reduction = "mean",
) -> Tensor:
    """|d| where |d| < ω₁, else ω₂·ln(1 + |d|/ε) + B, B = ω₁ - ω₂·ln(1 + ω₁/ε).

    d = pred - target per coordinate. Linear for small errors and logarithmic for large ones, the reverse of
    Wing.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        omega1: ω₁ > 0, where the logarithm begins, in the unit of the landmarks.
        omega2: ω₂ > 0, height of the logarithm.
        epsilon: ε > 0, curvature of the logarithm, in the unit of the landmarks.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other, or ω₁, ω₂ or ε
            <= 0.
    """
    check_positive(omega1=omega1, omega2=omega2, epsilon=epsilon)
    pred, target = paired(pred, target)
    present = visible(target)
    delta = difference(pred, target, present).abs()
    linear = capped(delta, omega1)
    # ln(1 + |d|/ε) - ln(1 + ω₁/ε), written so that it is exactly 0 up to ω₁
    logarithm = ((delta - linear) / (epsilon + omega1)).log1p()
    return reduce(linear + omega2 * logarithm, present, reduction)


class SoftWingLoss(LandmarkLoss):
    """Soft-Wing; ω₁, ε in pixels of a 224-pixel crop unless `unit` says otherwise. See `soft_wing_loss`."""

    default_unit = 224.0

    def __init__(
        self,
        omega1: float = 2.0,
        omega2: float = 20.0,
        epsilon: float = 0.5,
        **common: Unpack[CommonOptions],
    ) -> None:
        super().__init__(**common)
        check_positive(omega1=omega1, omega2=omega2, epsilon=epsilon)
        self.omega1 = omega1
        self.omega2 = omega2
        self.epsilon = epsilon

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return soft_wing_loss(pred, target, self.omega1, self.omega2, self.epsilon, self.reduction)


def _oracle(pred: Float, target: Float, loss: Any, _: Float) -> Float:
    d, w1, w2, e = np.abs(pred - target), loss.omega1, loss.omega2, loss.epsilon
    return np.where(d < w1, d, w2 * np.log(1 + d / e) + w1 - w2 * np.log(1 + w1 / e))


LOSS = Registration(
    SoftWingLoss,
    "linear up to ω₁, then a logarithm",
    oracle=_oracle,
    examples=({"omega1": 5.0, "omega2": 4.0, "epsilon": 1.5},),
)

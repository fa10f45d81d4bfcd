"""Wing loss (Feng et al., CVPR 2018)."""

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


def wing_loss(
    pred: Landmarks,
    target: Landmarks,
    omega: float = 10.0,
    epsilon: float = 2.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """ω·ln(1 + |d|/ε) where |d| < ω, else |d| - C, C = ω - ω·ln(1 + ω/ε) (eq. 5).

    d = pred - target per coordinate. Continuous, but its slope jumps at ω from ω/(ω + ε) to 1.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        omega: ω > 0, width of the logarithm, in the unit of the landmarks.
        epsilon: ε > 0, curvature of the logarithm, same unit.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other, or ω or ε <= 0.
    """
    check_positive(omega=omega, epsilon=epsilon)
    pred, target = paired(pred, target)
    present = visible(target)
    delta = difference(pred, target, present).abs()
    core = capped(delta, omega)
    return reduce(omega * (core / epsilon).log1p() + (delta - core), present, reduction)


class WingLoss(LandmarkLoss):
    """Wing loss; ω and ε in pixels of a 224-pixel crop unless `unit` says otherwise. See `wing_loss`."""

    default_unit = 224.0

    def __init__(
        self,
        omega: float = 10.0,
        epsilon: float = 2.0,
        **common: Unpack[CommonOptions],
    ) -> None:
        super().__init__(**common)
        check_positive(omega=omega, epsilon=epsilon)
        self.omega = omega
        self.epsilon = epsilon

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return wing_loss(pred, target, self.omega, self.epsilon, self.reduction)


def _oracle(pred: Float, target: Float, loss: Any, _: Float) -> Float:
    d, w, e = np.abs(pred - target), loss.omega, loss.epsilon
    return np.asarray(np.where(d < w, w * np.log(1 + d / e), d - (w - w * np.log(1 + w / e))))


LOSS = Registration(
    WingLoss, "logarithm up to ω, then linear", oracle=_oracle, examples=({"omega": 3.0, "epsilon": 0.7},)
)

"""Smooth L1 error (Girshick 2015)."""

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


def smooth_l1_loss(pred: Landmarks, target: Landmarks, beta: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """d²/(2β) where |d| < β, else |d| - β/2; d = pred - target per coordinate (Fast R-CNN, eq. 3).

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        beta: β > 0, where the square ends, in the unit of the landmarks.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other, or β <= 0.
    """
    check_positive(beta=beta)
    pred, target = paired(pred, target)
    present = visible(target)
    delta = difference(pred, target, present).abs()
    square = capped(delta, beta)
    return reduce(square.square() / (2 * beta) + (delta - square), present, reduction)


class SmoothL1Loss(LandmarkLoss):
    """Smooth L1; β in pixels of a 224-pixel crop unless `unit` says otherwise. See `smooth_l1_loss`."""

    default_unit = 224.0

    def __init__(
        self,
        beta: float = 1.0,
        **common: Unpack[CommonOptions],
    ) -> None:
        super().__init__(**common)
        check_positive(beta=beta)
        self.beta = beta

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return smooth_l1_loss(pred, target, self.beta, self.reduction)


def _oracle(pred: Float, target: Float, loss: Any, _: Float) -> Float:
    d, beta = np.abs(pred - target), loss.beta
    return np.asarray(np.where(d < beta, d**2 / (2 * beta), d - beta / 2))


LOSS = Registration(SmoothL1Loss, "square up to β, then linear", oracle=_oracle, examples=({"beta": 7.0},))

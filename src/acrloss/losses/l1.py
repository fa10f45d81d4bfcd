"""Absolute error."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from acrloss.arrays import Float
from acrloss.losses.base import LandmarkLoss, Reduction, difference, paired, reduce
from acrloss.losses.registration import Registration
from acrloss.shapes.landmarks import Landmarks, visible


def l1_loss(pred: Landmarks, target: Landmarks, reduction: Reduction = "mean") -> Tensor:
    """|d| per coordinate, d = pred - target.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other.
    """
    pred, target = paired(pred, target)
    present = visible(target)
    delta = difference(pred, target, present).abs()
    return reduce(delta, present, reduction)


class L1Loss(LandmarkLoss):
    """|d| per coordinate; unit: crop sides. See `l1_loss` and `LandmarkLoss`."""

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return l1_loss(pred, target, self.reduction)


def _oracle(pred: Float, target: Float, _: Any, __: Float) -> Float:
    return np.abs(pred - target)


LOSS = Registration(L1Loss, "absolute error", oracle=_oracle)

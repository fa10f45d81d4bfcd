"""Squared error."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from acrloss.arrays import Float
from acrloss.losses.base import LandmarkLoss, Reduction, difference, paired, reduce
from acrloss.losses.registration import Registration
from acrloss.shapes.landmarks import Landmarks, visible


def l2_loss(pred: Landmarks, target: Landmarks, reduction: Reduction = "mean") -> Tensor:
    """d² per coordinate, d = pred - target (no factor ½).

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other.
    """
    pred, target = paired(pred, target)
    present = visible(target)
    delta = difference(pred, target, present)
    return reduce(delta.square(), present, reduction)


class L2Loss(LandmarkLoss):
    """d² per coordinate; unit: crop sides. See `l2_loss` and `LandmarkLoss`."""

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return l2_loss(pred, target, self.reduction)


def _oracle(pred: Float, target: Float, _: Any, __: Float) -> Float:
    return np.asarray((pred - target) ** 2)


LOSS = Registration(L2Loss, "squared error, without a factor ½", oracle=_oracle)

"""Negative log-likelihood of a Gaussian with predicted variance (Nix & Weigend 1994)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from acrloss.arrays import Float
from acrloss.losses.base import Reduction, SpreadLoss, difference, paired, reduce
from acrloss.losses.registration import Registration
from acrloss.shapes.landmarks import Landmarks, visible

LOG_VARIANCE_RANGE = (-15.0, 15.0)


def gaussian_nll_loss(pred: Landmarks, target: Landmarks, reduction: Reduction = "mean") -> Tensor:
    """½·(s + d²·e^(-s)) per coordinate, d = mean - target, s = log-variance.

    The constant ½·ln 2π is left out; s is clamped to [-15, 15] (standard deviations from 5.5e-4 to 1808 of
    the unit), beyond which its gradient is 0.

    Args:
        pred: (N, M, 4): mean x, mean y, log-variance x, log-variance y.
        target: (N, M, 2) in the same unit; NaN marks a missing landmark, which is left out.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other.
    """
    pred, target = paired(pred, target, channels_per_coordinate=2)
    mean, log_variance = pred.chunk(2, dim=-1)
    present = visible(target)
    delta = difference(mean, target, present)
    # Zero-filled so that nothing a network says about a missing landmark can reach the gradient.
    log_variance = torch.where(present, log_variance, 0.0).clamp(*LOG_VARIANCE_RANGE)
    return reduce(0.5 * (log_variance + delta.square() * (-log_variance).exp()), present, reduction)


class GaussianNLLLoss(SpreadLoss):
    """Gaussian negative log-likelihood; unit: 20 to the crop side.

    The unit applies to the means and targets; log-variances are predicted in it (of its square) directly.
    See `gaussian_nll_loss` and `LandmarkLoss`.
    """

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return gaussian_nll_loss(pred, target, self.reduction)


def _oracle(pred: Float, target: Float, _: Any, __: Float) -> Float:
    sigma = np.sqrt(np.exp(pred[..., 2:]))
    # The logarithm of a normal distribution's density, without its constant.
    return np.asarray(((pred[..., :2] - target) / sigma) ** 2 / 2 + np.log(sigma))


LOSS = Registration(GaussianNLLLoss, "likelihood of a Gaussian of predicted variance", oracle=_oracle)

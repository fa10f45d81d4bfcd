"""Residual log-likelihood estimation (RLE; Li et al., ICCV 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from acrloss.arrays import Float
from acrloss.losses.base import CommonOptions, Reduction, SpreadLoss, difference, paired, reduce
from acrloss.losses.registration import Registration
from acrloss.shapes.landmarks import Landmarks, visible

if TYPE_CHECKING:
    from typing_extensions import Unpack

LOG_SCALE_RANGE = (-12.0, 12.0)


class RealNVP(nn.Module):
    """Density of two-dimensional points: a standard normal after six affine couplings (Dinh et al., ICLR 2017).

    Each coupling keeps one coordinate and scales and moves the other by small networks of the one kept. The weights
    start near 0, so that the density starts near the normal's.
    """

    def __init__(self, couplings: int = 6, width: int = 64) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_small_network(width, nn.Tanh()) for _ in range(couplings))
        self.moves = nn.ModuleList(_small_network(width) for _ in range(couplings))

    def log_prob(self, points: Tensor) -> Tensor:
        """(N, 2) points to (N,) logarithms of their density."""
        first, second = points.unbind(dim=-1)
        log_scale = torch.zeros_like(first)
        for scale, move in zip(self.scales, self.moves, strict=True):
            s = scale(first[:, None])[:, 0]
            # Taking turns: what is kept now is changed next.
            first, second = (second - move(first[:, None])[:, 0]) * (-s).exp(), first
            log_scale = log_scale - s
        return log_scale - 0.5 * (first.square() + second.square()) - math.log(2 * math.pi)


def _small_network(width: int, *last: nn.Module) -> nn.Sequential:
    layers = [nn.Linear(1, width), nn.LeakyReLU(), nn.Linear(width, width), nn.LeakyReLU(), nn.Linear(width, 1)]
    for layer in layers[::2]:
        nn.init.xavier_uniform_(layer.weight, gain=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return nn.Sequential(*layers, *last)


def rle_loss(pred: Landmarks, target: Landmarks, flow: RealNVP, reduction: Reduction = "mean") -> Tensor:
    """-log of the density of the target, per coordinate: ln 2σ + |d|/σ + ln σ - ½·ln g(d_x/σ_x, d_y/σ_y).

    d = mean - target; the first two terms are a Laplace distribution's, and the flow's density g, learned with the
    network, corrects it (the residual log-likelihood, eq. 8, with the Laplace distribution as Q). ln σ = s is clamped
    to [-12, 12]. The paper's σ is a sigmoid of the output; its exponential, as here, holds for any unit.

    Args:
        pred: (N, M, 4): mean x, mean y, ln σ_x, ln σ_y.
        target: (N, M, 2) in the same unit; NaN marks a missing landmark, which is left out.
        flow: g.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of two-dimensional faces or do not fit each other.
    """
    pred, target = paired(pred, target, channels_per_coordinate=2)
    if target.shape[-1] != 2:
        raise ValueError(f"target: expected two coordinates, got shape {tuple(target.shape)}")
    mean, log_scale = pred.chunk(2, dim=-1)
    present = visible(target)
    log_scale = torch.where(present, log_scale, 0.0).clamp(*LOG_SCALE_RANGE)
    error = difference(mean, target, present) * (-log_scale).exp()
    weights = next(flow.parameters())
    with torch.autocast(error.device.type, enabled=False):
        log_density = flow.log_prob(error.flatten(0, 1).to(weights.dtype)).to(error.dtype)
    log_density = log_density.reshape(*error.shape[:2], 1)
    return reduce(math.log(2) + 2 * log_scale + error.abs() - 0.5 * log_density, present, reduction)


class RLELoss(SpreadLoss):
    """Residual log-likelihood estimation; unit: 20 to the crop side.

    The flow's parameters are the loss's: give them to the optimiser beside the network's. The unit applies to means
    and targets; ln σ is predicted in it directly. See `rle_loss` and `LandmarkLoss`.
    """

    def __init__(self, **common: Unpack[CommonOptions]) -> None:
        super().__init__(**common)
        self.flow = RealNVP()

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return rle_loss(pred, target, self.flow, self.reduction)


def _applied(layers: Iterable[nn.Module], x: Float) -> Float:
    values = x[..., None]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            weight, bias = (part.detach().numpy() for part in (layer.weight, layer.bias))
            values = values @ weight.T + bias
        else:
            values = np.tanh(values) if isinstance(layer, nn.Tanh) else np.where(values > 0, values, 0.01 * values)
    return np.asarray(values[..., 0])


def _oracle(pred: Float, target: Float, loss: Any, _: Float) -> Float:
    sigma = np.exp(pred[..., 2:])
    error = (pred[..., :2] - target) / sigma
    x, y = error[..., 0], error[..., 1]
    density = np.full(x.shape, -np.log(2 * np.pi))
    for scale, move in zip(loss.flow.scales, loss.flow.moves, strict=True):
        s = _applied(scale, x)
        x, y = (y - _applied(move, x)) * np.exp(-s), x
        density -= s
    density -= (x**2 + y**2) / 2
    return np.asarray(np.log(2 * sigma) + np.abs(error) + np.log(sigma) - density[..., None] / 2)


LOSS = Registration(
    RLELoss,
    "residual log-likelihood estimation: a Laplace distribution with a learned correction",
    oracle=_oracle,
    # The most probable place under its density need not be the mean.
    least_at_target=False,
)

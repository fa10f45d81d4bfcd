"""Adaptive coordinate-based regression loss (ACR, arXiv 2203.15835) as functions of Φ, as printed and corrected."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from acrloss.losses.base import Reduction, capped, check_positive, difference, paired, reduce
from acrloss.shapes.landmarks import Landmarks, as_landmarks, values_can_be_checked, visible

Offset: TypeAlias = Literal["paper", "continuous"]
Tail: TypeAlias = Literal["linear", "quadratic"]
Distance: TypeAlias = Literal["coordinate", "landmark", "face"]

LOG_WIDTH_RANGE = (-15.0, 15.0)


def _inputs(pred: Landmarks, target: Landmarks, difficulty: Landmarks) -> tuple[Tensor, Tensor, Tensor]:
    """Checked (|pred - target|, Φ, present), each (N, M, d); the first two are 0 where missing."""
    pred, target = paired(pred, target)
    phi = as_landmarks(difficulty, "difficulty").detach()
    if phi.shape != target.shape:
        raise ValueError(f"difficulty: expected the target's shape {tuple(target.shape)}, got {tuple(phi.shape)}")
    present = visible(target)
    phi = torch.where(present, phi.to(pred.device, pred.dtype), 0.0)
    if values_can_be_checked(phi) and not bool(((phi >= 0) & (phi <= 1)).all()):
        raise ValueError("difficulty: expected values in [0, 1]")
    return difference(pred, target, present).abs(), phi, present


def _mean_square_root(squares: Tensor, present: Tensor, dims: int | tuple[int, int]) -> Tensor:
    """Root of the mean over `dims` where present, with gradient 0 where it is 0 or nothing is present."""
    mean = squares.sum(dims, keepdim=True) / present.sum(dims, keepdim=True).clamp(min=1)
    return torch.where(mean > 0, torch.where(mean > 0, mean, 1.0).sqrt(), 0.0)


def _grouped(delta: Tensor, phi: Tensor, present: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Δ and Φ of `distance`, in shapes that broadcast to (N, M, d)."""
    if distance == "coordinate":
        return delta, phi
    if distance == "landmark":
        return math.sqrt(delta.shape[-1]) * _mean_square_root(delta.square(), present, -1), phi.mean(-1, keepdim=True)
    length = math.sqrt(delta.shape[-1]) * _mean_square_root(delta.square(), present, (1, 2))
    return length, phi.sum((1, 2), keepdim=True) / present.sum((1, 2), keepdim=True).clamp(min=1)


def acr_loss(
    pred: Landmarks,
    target: Landmarks,
    difficulty: Landmarks,
    lam: float = 1.0,
    offset: Offset = "paper",
    reduction: Reduction = "mean",
) -> Tensor:
    """ACR loss (eqs. 5-7): λ·ln(1 + Δ^(2-Φ)) where Δ <= 1, else Δ² + C; Δ = |pred - target| per coordinate.

    The paper's C = Φ·ln 2 - 1 makes the loss jump at Δ = 1 unless Φ = λ, and its slope jumps there from
    λ(2-Φ)/2 to 2. What an error of 1 is, is up to the caller: in crop units the square branch is never
    reached, in pixels almost always.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        difficulty: Φ in [0, 1], (N, M, 2); no gradient flows into it. Its range is checked on the CPU only,
            outside torch.compile, where that costs no synchronisation.
        lam: λ > 0.
        offset: "paper" for its C, "continuous" for C = λ·ln 2 - 1, which removes the jump (not the kink).
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other, Φ outside [0,
            1], λ <= 0, or an unknown offset or reduction.
    """
    check_positive(lam=lam)
    if offset not in ("paper", "continuous"):
        raise ValueError(f'offset: expected "paper" or "continuous", got {offset!r}')
    delta, phi, present = _inputs(pred, target, difficulty)
    small = lam * capped(delta, 1.0).pow(2 - phi).log1p()
    constant = phi * math.log(2) - 1 if offset == "paper" else lam * math.log(2) - 1
    return reduce(torch.where(delta <= 1, small, delta.square() + constant), present, reduction)


def smooth_acr_loss(
    pred: Landmarks,
    target: Landmarks,
    difficulty: Landmarks,
    lam: float = 1.0,
    epsilon: float = 1.0,
    omega: float = 1.0,
    tail: Tail = "linear",
    reduction: Reduction = "mean",
    distance: Distance = "coordinate",
) -> Tensor:
    """The ACR family without jump or kink: λ·ln(1 + x^p) where Δ <= ω, then a tail of equal value and slope.

    x = Δ/ε, p = 2 - Φ, and Δ is what `distance` says: |pred - target| of each coordinate, as in the paper; the
    Euclidean distance of each landmark; or the root mean square of a face's distances. The coarser it is, the less the
    curve's steepness at small errors answers to noise in single coordinates, while it still tells easy from hard
    landmarks or faces. Φ is averaged over what a distance covers. With w = ω/ε and
    s = λ·p·w^(p-1)/(1 + w^p), the slope in x, the tail adds s·(x - w) ("linear") or s·(x² - w²)/(2w)
    ("quadratic": the paper's square, scaled to fit).

    - ε = ω = 1 is the corrected, C¹ form of the paper's loss.
    - Φ ≡ 1, λ = ω is Wing(ω, ε) up to ω. There Wing jumps to slope 1; this keeps the slope ω/(ω + ε).
    - The linear tail makes it Adaptive Wing (Wang et al., ICCV 2019) with Φ in the place of the heatmap's
      value, its alpha = 2, θ = ω and weight λ.

    At Δ = 0 the slope is 0 for Φ < 1; for Φ = 1 it jumps from -λ/ε to λ/ε, as Wing's and L1's do.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        difficulty: Φ in [0, 1], (N, M, 2), checked as in `acr_loss`; no gradient flows into it.
        lam: λ > 0.
        epsilon: ε > 0, curvature, in the unit of the landmarks.
        omega: ω > 0, where the tail begins, in the unit of the landmarks.
        tail: "linear" or "quadratic".
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2), in which the coordinates that share
            a distance share its loss.
        distance: "coordinate", "landmark" or "face".

    Raises:
        TypeError, ValueError: as `acr_loss`; ε or ω <= 0, or an unknown tail or distance.
    """
    check_positive(lam=lam, epsilon=epsilon, omega=omega)
    if tail not in ("linear", "quadratic"):
        raise ValueError(f'tail: expected "linear" or "quadratic", got {tail!r}')
    check_distance(distance)
    delta, phi, present = _inputs(pred, target, difficulty)
    delta, phi = _grouped(delta, phi, present, distance)
    loss = lam * _curve(delta / epsilon, 2 - phi, omega / epsilon, tail)
    return reduce(loss.expand(present.shape), present, reduction)


def acr_likelihood_loss(
    pred: Landmarks,
    target: Landmarks,
    difficulty: Landmarks,
    lam: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """ACR whose width the network predicts for each coordinate: λ·a(Δ/ε) + ln ε, Δ = |pred - target|, ε = e^s.

    a is the curve of `smooth_acr_loss` with ω = ε = 1 and the quadratic tail: ln(1 + x^p) up to x = 1 with p = 2 - Φ,
    then ln 2 + p/4·(x² - 1): the paper's two branches, without its jump. What is an error of 1 is thereby no choice of
    the user's any more: it is what the network expects of this coordinate of this face, and ln ε keeps it from
    expecting too much. Up to a constant this is the negative logarithm of a density (ours; with |x| + x²/2 in the place
    of a it would be RLE's, Li et al., ICCV 2021, before its flow has learned anything).

    Args:
        pred: (N, M, 4): x, y, ln ε_x, ln ε_y. ln ε is clamped to [-15, 15], beyond which its gradient is 0.
        target: (N, M, 2) in the same unit; NaN marks a missing landmark, which is left out.
        difficulty: Φ in [0, 1], (N, M, 2), checked as in `acr_loss`; no gradient flows into it.
        lam: λ > 0.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: as `acr_loss`.
    """
    check_positive(lam=lam)
    pred, target = paired(pred, target, channels_per_coordinate=2)
    mean, log_width = pred.chunk(2, dim=-1)
    delta, phi, present = _inputs(mean, target, difficulty)
    log_width = torch.where(present, log_width, 0.0).clamp(*LOG_WIDTH_RANGE)
    return reduce(lam * _curve(delta * (-log_width).exp(), 2 - phi, 1.0, "quadratic") + log_width, present, reduction)


def _curve(x: Tensor, p: Tensor, width: float, tail: Tail) -> Tensor:
    """ln(1 + x^p) up to x = width, then the tail of equal value and slope."""
    raised = torch.pow(width, p)
    slope = p * raised / (width * (1 + raised))
    excess = (x - width).relu()
    if tail == "quadratic":
        excess = excess + excess.square() / (2 * width)
    return capped(x, width).pow(p).log1p() + slope * excess


def check_distance(distance: str) -> None:
    """Raise ValueError unless `distance` is one of "coordinate", "landmark", "face"."""
    if distance not in ("coordinate", "landmark", "face"):
        raise ValueError(f'distance: expected "coordinate", "landmark" or "face", got {distance!r}')

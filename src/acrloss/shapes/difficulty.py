"""Smooth-Face and the difficulty Φ as functions of tensors (eqs. 2 to 4 of arXiv 2203.15835)."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from acrloss.shapes.landmarks import values_can_be_checked, visible

Rule: TypeAlias = Literal["count", "variance"]

Per: TypeAlias = Literal["coordinate", "landmark"]

_CHUNK = 256  # incomplete faces solved at once; bounds the memory that their normal equations take


def compute_dtype(device: torch.device) -> torch.dtype:
    """The precision of shape-model arithmetic: float64, or float32 on Apple's MPS, which has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def count_modes(eigenvalues: Tensor, dimensions: int, share: float, rule: Rule) -> int:
    """Number of modes k that `share` stands for; see `ShapeModel.modes`.

    Args:
        eigenvalues: (R,) falling.
        dimensions: D, the number of coordinates of a face.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share: expected a number in (0, 1], got {share!r}")
    rank = len(eigenvalues)
    if rule == "count":
        # The guard keeps 0.29 * 100 = 28.999999999999996 at 29.
        return min(max(math.floor(share * dimensions + 1e-9), 1), rank)
    if rule == "variance":
        if share == 1:
            return rank
        explained = torch.cumsum(eigenvalues.to(torch.float64), 0) / eigenvalues.sum()
        return min(int((explained < share - 1e-12).sum()) + 1, rank)
    raise ValueError(f'rule: expected "count" or "variance", got {rule!r}')


def check_faces(faces: Tensor, num_landmarks: int, dimensions: int) -> None:
    """Raise ValueError unless faces (N, M, d) fit the model and, where looking is free, are not infinite."""
    expected = (num_landmarks, dimensions // num_landmarks)
    if tuple(faces.shape[1:]) != expected:
        raise ValueError(
            f"landmarks: expected faces of shape {expected} as in the shape model, got {tuple(faces.shape[1:])}"
        )
    if values_can_be_checked(faces) and bool(faces.isinf().any()):
        raise ValueError("landmarks: expected finite coordinates (NaN where missing), got infinite ones")


def check_per_and_clamp(per: str, clamp: float | None) -> None:
    """Raise ValueError for an unknown `per` or a `clamp` that is not positive."""
    if per not in ("coordinate", "landmark"):
        raise ValueError(f'per: expected "coordinate" or "landmark", got {per!r}')
    if clamp is not None and not clamp > 0:
        raise ValueError(f"clamp: expected None or a number of standard deviations > 0, got {clamp!r}")


def _masked_least_squares(projected: Tensor, weights: Tensor, components: Tensor) -> Tensor:
    """Coefficients (n, k) that fit each face's visible coordinates best.

    Solves (VᵀWV) b = VᵀWc by iterated Tikhonov regularisation: exact to rounding in every direction that the
    visible coordinates see, and close to zero (the mean face) in those that they do not.

    Args:
        projected: (n, k) VᵀWc, zero-filled where a coordinate is missing.
        weights: (n, D) 1 at visible coordinates, 0 at missing ones.
        components: (D, k); columns of zeros (modes switched off) get coefficient 0.
    """
    # Not `.T`: torch before 2.11 takes that for an alias of what goes into `torch.cond`.
    gram = (components.transpose(0, 1) * weights[:, None, :]) @ components
    ridge = math.sqrt(torch.finfo(gram.dtype).eps)
    regularised = gram + ridge * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    factor, _ = torch.linalg.cholesky_ex(regularised)
    right = projected[..., None]
    solution = torch.cholesky_solve(right, factor)
    for _ in range(2):
        solution = solution + torch.cholesky_solve(right - gram @ solution, factor)
    return solution[..., 0]


def mode_coefficients(centred: Tensor, present: Tensor, components: Tensor) -> Tensor:
    """Coefficients (N, k) of faces whose missing coordinates are zero-filled in `centred` (N, D)."""
    projected = centred @ components
    weights = present.to(centred.dtype)
    if torch.compiler.is_compiling():
        # A traced graph cannot branch on data in Python; complete batches must not pay for the solver.
        solved: Tensor = torch.cond(
            present.all(),
            lambda projected, weights, components: projected.clone(),
            _masked_least_squares,
            (projected, weights, components),
        )
        return solved
    incomplete = (~present.all(dim=1)).nonzero()[:, 0]
    for rows in torch.split(incomplete, _CHUNK):
        projected[rows] = _masked_least_squares(projected[rows], weights[rows], components)
    return projected


def smooth_faces(
    landmarks: Tensor, mean: Tensor, components: Tensor, eigenvalues: Tensor, clamp: float | None
) -> Tensor:
    """Smooth-Face (N, M, d) in the model's precision; see `ShapeModel.smooth`.

    Args:
        landmarks: (N, M, d) in the model's precision and on its device.
        mean: (D,).
        components: (D, k), the modes in use; a column of zeros is a mode that is switched off.
        eigenvalues: (k,) of these modes.
    """
    present = visible(landmarks).flatten(1)
    centred = torch.where(present, landmarks.flatten(1) - mean, 0.0)
    coefficients = mode_coefficients(centred, present, components)
    if clamp is not None:
        limit = clamp * eigenvalues.sqrt()
        coefficients = torch.minimum(torch.maximum(coefficients, -limit), limit)
    return (mean + coefficients @ components.T).reshape(landmarks.shape)


def difficulty_of(landmarks: Tensor, smooth: Tensor, mean: Tensor, per: Per, eps: float) -> Tensor:
    """Φ (N, M, d) of faces with a known Smooth-Face; see `ShapeModel.difficulty`.

    A face counts as reproduced when no residual exceeds 4·√D·eps·(max |y| + max |μ|), the rounding error of D
    coordinates given with relative precision `eps`; for a face with missing landmarks eps is at least the
    square root of the arithmetic's own, which is as exactly as its coefficients are determined.
    """
    present = visible(landmarks)
    residual = torch.where(present, (smooth - landmarks).abs(), 0.0)
    if per == "landmark":
        residual = torch.linalg.vector_norm(residual, dim=-1, keepdim=True).expand(landmarks.shape)
    largest = residual.amax(dim=(1, 2), keepdim=True)
    scale = torch.where(present, landmarks.abs(), 0.0).amax(dim=(1, 2), keepdim=True) + mean.abs().max()
    solver_eps = max(eps, math.sqrt(torch.finfo(landmarks.dtype).eps))
    precision = torch.where(present.flatten(1).all(dim=1)[:, None, None], eps, solver_eps)
    reproduced = largest <= 4 * math.sqrt(mean.numel()) * precision * scale
    return torch.where(reproduced, 0.0, residual / torch.where(reproduced, 1.0, largest))


def input_eps(dtype: torch.dtype) -> float:
    """Relative precision of given coordinates.

    float32's for the half precisions too: their own is as coarse as real residuals and would call every face
    reproduced.
    """
    return torch.finfo(torch.promote_types(dtype, torch.float32)).eps

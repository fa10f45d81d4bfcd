"""The active shape model: mean face, modes, Smooth-Face and the difficulty Φ (ACR paper, eqs. 1-4)."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.landmarks import Kind, Landmarks, as_landmarks, like, values_can_be_checked, visible

Rule: TypeAlias = Literal["count", "variance"]
Per: TypeAlias = Literal["coordinate", "landmark"]

_FORMAT = "acrloss.shape_model"
_VERSION = "1"
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
    gram = (components.T * weights[:, None, :]) @ components
    ridge = math.sqrt(torch.finfo(gram.dtype).eps)
    regularised = gram + ridge * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    factor, _ = torch.linalg.cholesky_ex(regularised)
    right = projected[..., None]
    solution = torch.cholesky_solve(right, factor)
    for _ in range(2):
        solution = solution + torch.cholesky_solve(right - gram @ solution, factor)
    return solution[..., 0]


def _coefficients(centred: Tensor, present: Tensor, components: Tensor) -> Tensor:
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
    coefficients = _coefficients(centred, present, components)
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


class _Moments(NamedTuple):
    """Count, mean (D,) and scatter (D, D) of a set of faces: all that a shape model needs to know of it."""

    num_faces: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, faces: Tensor) -> _Moments:
        mean = faces.mean(dim=0)
        centred = faces - mean
        return cls(len(faces), mean, centred.T @ centred)

    def combine(self, other: _Moments) -> _Moments:
        """Moments of the union (Chan, Golub & LeVeque 1979), without cancellation."""
        total = self.num_faces + other.num_faces
        shift = other.mean - self.mean
        between = torch.outer(shift, shift) * (self.num_faces * other.num_faces / total)
        return _Moments(
            total,
            self.mean + shift * (other.num_faces / total),
            self.scatter + other.scatter + between,
        )


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """Principal component analysis of faces as vectors y = (x0, y0, x1, y1, …) of D = M·d coordinates.

    Coordinates stay in the frame and unit of the faces it was fitted on; faces compared with it must share
    them. All tensors are float64 on the CPU; methods compute on the device of their input.

    Attributes:
        mean: (D,) mean face μ.
        components: (D, R) orthonormal modes, by falling eigenvalue. The first entry of (nearly) largest
            magnitude of each is positive, so that one set of faces has one model.
        eigenvalues: (R,) variances over N - 1 along the modes, positive. R <= min(N - 1, D): rounding noise
            is dropped.
        num_landmarks: M.
        num_faces: N, complete faces that were fitted.
        num_skipped: faces left out because landmarks were missing (NaN).

    Raises:
        ValueError: tensors that do not belong together or are not finite, falling and orthonormal.
    """

    mean: Tensor = field(repr=False)
    components: Tensor = field(repr=False)
    eigenvalues: Tensor = field(repr=False)
    num_landmarks: int
    num_faces: int
    num_skipped: int = 0

    def __post_init__(self) -> None:
        for name in ("mean", "components", "eigenvalues"):
            tensor: Tensor = getattr(self, name)
            if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
                raise ValueError(f"{name}: expected finite floating-point numbers")
            object.__setattr__(self, name, tensor.detach().to("cpu", torch.float64).contiguous())
        size, rank = self.mean.numel(), self.eigenvalues.numel()
        if self.mean.shape != (size,) or self.num_landmarks < 1 or size < 1 or size % self.num_landmarks:
            raise ValueError(f"mean: expected shape (M*d,) with M = {self.num_landmarks}, got {tuple(self.mean.shape)}")
        if self.eigenvalues.shape != (rank,) or self.components.shape != (size, rank) or not (1 <= rank <= size):
            raise ValueError(
                f"components and eigenvalues: expected shapes ({size}, R) and (R,) with 1 <= R <= {size}, "
                f"got {tuple(self.components.shape)} and {tuple(self.eigenvalues.shape)}"
            )
        if not bool((self.eigenvalues > 0).all()) or bool((self.eigenvalues.diff() > 0).any()):
            raise ValueError("eigenvalues: expected positive, falling numbers")
        gram = self.components.T @ self.components
        if float((gram - torch.eye(rank, dtype=torch.float64)).abs().max()) > 1e-6:
            raise ValueError("components: expected orthonormal columns")
        if self.num_faces < 2 or self.num_skipped < 0:
            raise ValueError(
                f"expected num_faces >= 2 and num_skipped >= 0, got {self.num_faces} and {self.num_skipped}"
            )

    @classmethod
    def fit(cls, landmarks: Landmarks | Iterable[Landmarks]) -> ShapeModel:
        """Fit to faces (N, M, d): an array, a tensor or an iterable of batches.

        Batches are read once and in constant memory. Faces with a missing landmark (NaN) are left out and
        counted in `num_skipped`.

        Raises:
            TypeError, ValueError: wrong type or shape, batches of different shapes, infinite coordinates,
                fewer than two complete faces, or faces that are all the same.
        """
        batches = [landmarks] if isinstance(landmarks, Tensor | np.ndarray) else landmarks
        if not isinstance(batches, Iterable):
            raise TypeError(f"landmarks: expected (N, M, 2) or batches of it, got {type(landmarks).__name__}")
        moments: _Moments | None = None
        shape: tuple[int, ...] | None = None
        skipped = 0
        for number, batch in enumerate(batches):
            faces = as_landmarks(batch, f"landmarks, batch {number}").detach().to("cpu", torch.float64)
            shape = shape or tuple(faces.shape[1:])
            if faces.shape[1:] != shape:
                raise ValueError(
                    f"landmarks, batch {number}: expected faces of shape {shape} as in the first batch, "
                    f"got {tuple(faces.shape[1:])}"
                )
            infinite = faces.isinf().flatten(1).any(dim=1)
            if bool(infinite.any()):
                face = int(infinite.nonzero()[0, 0])
                raise ValueError(
                    f"landmarks, batch {number}: face {face} has an infinite coordinate; mark missing landmarks as NaN"
                )
            faces = faces.flatten(1)
            complete = faces[~faces.isnan().any(dim=1)]
            skipped += len(faces) - len(complete)
            if len(complete):
                part = _Moments.of(complete)
                moments = part if moments is None else moments.combine(part)
        if shape is None or moments is None or moments.num_faces < 2:
            found = 0 if moments is None else moments.num_faces
            raise ValueError(
                f"a shape model needs at least 2 complete faces, got {found} (and {skipped} with missing landmarks)"
            )
        return cls._from_moments(moments, shape[0], skipped)

    @classmethod
    def _from_moments(cls, moments: _Moments, num_landmarks: int, num_skipped: int) -> ShapeModel:
        size = len(moments.mean)
        ascending, vectors = torch.linalg.eigh(moments.scatter / (moments.num_faces - 1))
        eigenvalues, components = ascending.flip(0), vectors.flip(1)
        eps = torch.finfo(torch.float64).eps
        # What rounding makes of a zero eigenvalue: by `eigh`, and by subtracting the mean.
        noise = size * max(eps * float(eigenvalues[0]), (4 * eps * float(moments.mean.abs().max())) ** 2)
        rank = min(int((eigenvalues > noise).sum()), moments.num_faces - 1)
        if rank < 1:
            raise ValueError(f"the {moments.num_faces} faces are all the same: there is no variation to model")
        eigenvalues, components = eigenvalues[:rank], components[:, :rank]
        # Mirrored faces make modes with ties in magnitude, which rounding must not decide: hence a tolerance.
        magnitude = components.abs()
        leading = (magnitude >= magnitude.amax(dim=0) * (1 - 1e-6)).to(torch.uint8).argmax(dim=0)
        signs = torch.where(components[leading, torch.arange(rank)] < 0, -1.0, 1.0)
        return cls(moments.mean, components * signs, eigenvalues, num_landmarks, moments.num_faces, num_skipped)

    def merge(self, *others: ShapeModel) -> ShapeModel:
        """The model of all faces together: the same as one fit of them, to rounding error.

        The scatter matrices are rebuilt from the eigenpairs (only rounding noise was dropped), so fitted,
        merged and loaded models merge alike.

        Raises:
            ValueError: models of another number of landmarks or coordinates.
        """
        moments, skipped = self._moments(), self.num_skipped
        for other in others:
            if (other.num_landmarks, len(other.mean)) != (self.num_landmarks, len(self.mean)):
                raise ValueError(
                    f"merge: expected models of {self.num_landmarks} landmarks "
                    f"({len(self.mean)} coordinates), got {other.num_landmarks} ({len(other.mean)})"
                )
            moments, skipped = moments.combine(other._moments()), skipped + other.num_skipped
        return self._from_moments(moments, self.num_landmarks, skipped)

    def _moments(self) -> _Moments:
        scatter = (self.components * (self.eigenvalues * (self.num_faces - 1))) @ self.components.T
        return _Moments(self.num_faces, self.mean, scatter)

    def modes(self, share: float, rule: Rule = "count") -> int:
        """Number of modes k for a share in (0, 1].

        Args:
            rule: "count" is floor(share·D), at least 1 and at most R (the paper's derivation); "variance" is
                the fewest modes that explain the share of the variance (the authors' code).

        Raises:
            ValueError: share outside (0, 1], or an unknown rule.
        """
        return count_modes(self.eigenvalues, len(self.mean), share, rule)

    def smooth(self, landmarks: Kind, modes: int, clamp: float | None = None) -> Kind:
        """Smooth-Face S_k(y) = μ + V_k b, b = V_kᵀ(y - μ) (eqs. 2-3), of faces (N, M, d).

        A face with missing landmarks (NaN in any coordinate) has its coefficients estimated by least squares
        from the visible landmarks only; its Smooth-Face is complete (the model's estimate stands at the
        missing points; with nothing visible it is the mean face). Where visible coordinates do not determine
        a coefficient, it stays near 0.

        Args:
            modes: k, 1 to R.
            clamp: limit |b_i| <= clamp·√λ_i (the authors' code: 3); None for no limit (the paper).

        Returns:
            Same kind, shape, dtype and device as `landmarks`; computed in float64 (float32 on MPS), no
            gradient.

        Raises:
            TypeError, ValueError: wrong type or shape, another number of landmarks, infinite coordinates
                (looked for on the CPU only), k or clamp out of range.
        """
        _, smooth = self._smooth(landmarks, modes, clamp)
        return like(landmarks, smooth)

    def difficulty(self, landmarks: Kind, modes: int, per: Per = "coordinate", clamp: float | None = None) -> Kind:
        """Difficulty Φ in [0, 1] (eq. 4) of faces (N, M, d): |S_k(y) - y| over its maximum in the face.

        A face that the model reproduces to rounding error (so every face at k = D) has Φ = 0, where the paper
        has 0/0. Missing landmarks have Φ = 0 and do not influence the others.

        Args:
            modes: k, 1 to R.
            per: "coordinate" for a residual per coordinate (the authors' code), "landmark" for the Euclidean
                residual of each point, shared by its coordinates.
            clamp: as for `smooth`.

        Returns:
            Φ of the kind, shape, dtype and device of `landmarks`; computed in float64 (float32 on MPS), no
            gradient.

        Raises:
            TypeError, ValueError: as for `smooth`, and an unknown `per`.
        """
        check_per_and_clamp(per, clamp)
        faces, smooth = self._smooth(landmarks, modes, clamp)
        mean = self.mean.to(smooth)
        phi = difficulty_of(faces.to(smooth), smooth, mean, per, input_eps(faces.dtype))
        return like(landmarks, phi)

    def _smooth(self, landmarks: Landmarks, modes: int, clamp: float | None) -> tuple[Tensor, Tensor]:
        faces = as_landmarks(landmarks).detach()
        check_faces(faces, self.num_landmarks, len(self.mean))
        check_per_and_clamp("coordinate", clamp)
        k = operator.index(modes)
        if not 1 <= k <= len(self.eigenvalues):
            raise ValueError(f"modes: expected 1 to {len(self.eigenvalues)} (the model's rank), got {k}")
        exact = faces.to(compute_dtype(faces.device))
        mean, components, eigenvalues = (t.to(exact) for t in (self.mean, self.components, self.eigenvalues))
        return faces, smooth_faces(exact, mean, components[:, :k], eigenvalues[:k], clamp)

    def save(self, path: str | Path) -> Path:
        """Write the model to a safetensors file, atomically (the package safetensors is needed here only).

        Raises:
            DataError: the file cannot be written.
        """
        import safetensors.torch

        metadata = {
            "format": _FORMAT,
            "version": _VERSION,
            "num_landmarks": str(self.num_landmarks),
            "num_faces": str(self.num_faces),
            "num_skipped": str(self.num_skipped),
        }
        tensors = {"mean": self.mean, "components": self.components, "eigenvalues": self.eigenvalues}
        return write_atomic(path, safetensors.torch.save(tensors, metadata))

    @classmethod
    def load(cls, path: str | Path) -> ShapeModel:
        """Read a model that `save` wrote; nothing in the file is executed.

        Raises:
            DataError: the file is missing, truncated, of another format or version, or its numbers are not a
                model.
        """
        import safetensors

        remedy = "give a file written by ShapeModel.save (shape_model.safetensors of a run)"
        try:
            with safetensors.safe_open(str(path), framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != _FORMAT or metadata.get("version") != _VERSION:
                    found = f"{metadata.get('format')} {metadata.get('version')}"
                    raise DataError(f"{path}: not a shape model of version {_VERSION} (it says {found}); {remedy}")
                tensors = {name: file.get_tensor(name) for name in ("mean", "components", "eigenvalues")}
            return cls(
                tensors["mean"],
                tensors["components"],
                tensors["eigenvalues"],
                int(metadata["num_landmarks"]),
                int(metadata["num_faces"]),
                int(metadata["num_skipped"]),
            )
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}; {remedy}") from error
        except DataError:
            raise
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise DataError(f"{path}: not a valid shape model ({error}); {remedy}") from error

"""The active shape model: mean face, modes, Smooth-Face and the difficulty Φ (ACR paper, eqs. 1-4)."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.shapes.difficulty import (
    Per,
    Rule,
    check_faces,
    check_per_and_clamp,
    compute_dtype,
    count_modes,
    difficulty_of,
    input_eps,
    smooth_faces,
)
from acrloss.shapes.incomplete import estimate_moments
from acrloss.shapes.landmarks import Kind, Landmarks, as_landmarks, like, visible

_FORMAT = "acrloss.shape_model"
_VERSION = "1"


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
        num_faces: N, faces that were fitted.
        num_skipped: faces left out because landmarks were missing (NaN), or others suffice.
        num_completed: those of the N whose missing landmarks were estimated.

    Raises:
        ValueError: tensors that do not belong together or are not finite, falling and orthonormal.
    """

    mean: Tensor = field(repr=False)
    components: Tensor = field(repr=False)
    eigenvalues: Tensor = field(repr=False)
    num_landmarks: int
    num_faces: int
    num_skipped: int = 0
    num_completed: int = field(default=0, repr=False)

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
        if self.num_faces < 2 or self.num_skipped < 0 or not 0 <= self.num_completed <= self.num_faces:
            raise ValueError(
                f"expected num_faces >= 2, num_skipped >= 0 and num_completed of the faces, got {self.num_faces}, "
                f"{self.num_skipped} and {self.num_completed}"
            )

    @classmethod
    def fit(cls, landmarks: Landmarks | Iterable[Landmarks]) -> ShapeModel:
        """Fit to faces (N, M, d): an array, a tensor or an iterable of batches.

        Batches are read once. Where more faces are complete than a face has coordinates they alone are fitted, in
        constant memory, and those with a missing landmark (NaN) are counted in `num_skipped`. Where fewer are, all take
        part (at most 2,000): what is missing is estimated from what is there (`acrloss.shapes.incomplete`).

        Raises:
            TypeError, ValueError: wrong type or shape, batches of different shapes, infinite coordinates,
                fewer than two faces, a landmark that is missing in all of them, or faces that are all the same.
        """
        batches = [landmarks] if isinstance(landmarks, Tensor | np.ndarray) else landmarks
        if not isinstance(batches, Iterable):
            raise TypeError(f"landmarks: expected (N, M, 2) or batches of it, got {type(landmarks).__name__}")
        moments: _Moments | None = None
        shape: tuple[int, ...] | None = None
        skipped = 0
        # Faces with any landmark, until it is clear that the complete ones suffice.
        seen: list[Tensor] = []
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
            # A landmark of which one coordinate is missing is missing as a whole.
            faces = torch.where(visible(faces), faces, torch.nan).flatten(1)
            complete = faces[~faces.isnan().any(dim=1)]
            skipped += len(faces) - len(complete)
            if len(complete):
                part = _Moments.of(complete)
                moments = part if moments is None else moments.combine(part)
            if moments is not None and moments.num_faces > faces.shape[1]:
                seen.clear()
            else:
                seen.append(faces[~faces.isnan().all(dim=1)])
        found = 0 if moments is None else moments.num_faces
        usable = torch.cat(seen) if seen else torch.empty(0, 0)
        if shape is None or (found < 2 and len(usable) < 2):
            raise ValueError(
                f"a shape model needs at least 2 complete faces, got {found} (and {skipped} with missing landmarks)"
            )
        if moments is not None and (len(usable) in (0, found)):
            return cls._from_moments(moments, shape[0], skipped)
        nowhere = usable.isnan().all(dim=0).view(shape).any(dim=1).nonzero()[:, 0].tolist()
        if nowhere:
            raise ValueError(
                f"{_landmarks_text(nowhere)} missing in every face; leave what no face has out of the scheme"
            )
        estimate = estimate_moments(usable)
        moments = _Moments(estimate.num_faces, estimate.mean, estimate.scatter)
        skipped += found - estimate.num_faces
        return cls._from_moments(moments, shape[0], skipped, estimate.num_completed)

    @classmethod
    def _from_moments(
        cls, moments: _Moments, num_landmarks: int, num_skipped: int, num_completed: int = 0
    ) -> ShapeModel:
        size = len(moments.mean)
        if not bool(moments.scatter.isfinite().all()):
            raise ValueError("landmarks: their squares are beyond what float64 holds; use a smaller unit")
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
        counts = (moments.num_faces, num_skipped, num_completed)
        return cls(moments.mean, components * signs, eigenvalues, num_landmarks, *counts)

    def merge(self, *others: ShapeModel) -> ShapeModel:
        """The model of all faces together: the same as one fit of them, to rounding error.

        The scatter matrices are rebuilt from the eigenpairs (only rounding noise was dropped), so fitted,
        merged and loaded models merge alike.

        Raises:
            ValueError: models of another number of landmarks or coordinates.
        """
        moments, skipped, completed = self._moments(), self.num_skipped, self.num_completed
        for other in others:
            if (other.num_landmarks, len(other.mean)) != (self.num_landmarks, len(self.mean)):
                raise ValueError(
                    f"merge: expected models of {self.num_landmarks} landmarks "
                    f"({len(self.mean)} coordinates), got {other.num_landmarks} ({len(other.mean)})"
                )
            moments = moments.combine(other._moments())
            skipped, completed = skipped + other.num_skipped, completed + other.num_completed
        return self._from_moments(moments, self.num_landmarks, skipped, completed)

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
            "num_completed": str(self.num_completed),
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
                # Older files have none.
                int(metadata.get("num_completed", "0")),
            )
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}; {remedy}") from error
        except DataError:
            raise
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise DataError(f"{path}: not a valid shape model ({error}); {remedy}") from error


def _landmarks_text(numbers: list[int]) -> str:
    """The landmarks as the subject of a sentence: "landmark 5 is", "landmarks 5, 7 and 9 are"."""
    if len(numbers) == 1:
        return f"landmark {numbers[0]} is"
    return f"landmarks {', '.join(map(str, numbers[:-1]))} and {numbers[-1]} are"

"""Faces whose landmarks do not look like the others': judged by the shape model, robust against bad faces in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from acrloss.arrays import Float
from acrloss.errors import DataError
from acrloss.shapes.alignment import align_faces
from acrloss.shapes.shape_model import ShapeModel

# Rounds of leaving out the faces that fit worst and fitting the model anew.
_ROUNDS = 5

FEWEST_FACES = 50
"""Fewer complete faces say nothing about what is unusual."""
FEWEST_LANDMARKS = 5
"""A similarity takes four coordinates away; what is left of fewer landmarks is no shape to judge."""
_VARIANCE = 0.98
_KEPT = 3.0  # robust z up to which a face takes part in the fit


def robust_z(values: Float, among: Float | None = None) -> Float:
    """How far positive values lie above the median of `among` (default: their own), in robust standard deviations of
    the logarithm.

    NaN stays NaN. The standard deviation is 1.4826 times the median absolute deviation, and at least 0.05.
    """
    logs = np.log(np.maximum(values if among is None else among, 1e-12))
    middle = float(np.nanmedian(logs))
    spread = max(1.4826 * float(np.nanmedian(np.abs(logs - middle))), 0.05)
    return np.asarray((np.log(np.maximum(values, 1e-12)) - middle) / spread)


@dataclass(frozen=True, eq=False)
class ShapeJudge:
    """The shape model of the ordinary majority of some faces, in the frame of their mean shape.

    Coordinates y of an aligned face are taken as Gaussian: variances λ along the k modes that explain 98 % of the
    variance, and one variance σ² along all others (probabilistic principal component analysis, Tipping & Bishop
    1999), so that the precision is P = V (1/λ - 1/σ²) Vᵀ + 1/σ².

    Attributes:
        model: the modes, of the faces that took part.
        modes: k.
        mean: (M, 2) the shape to align with.
        precision: (D, D) P.
    """

    model: ShapeModel
    modes: int
    mean: Float
    precision: Float

    @classmethod
    def fit(cls, landmarks: ArrayLike) -> ShapeJudge:
        """Fit to faces (N, M, 2), NaN where missing: first to the half nearest to the mean, then to all that this
        model finds ordinary.

        Raises:
            DataError: fewer than FEWEST_FACES complete faces or FEWEST_LANDMARKS landmarks, or faces that are all
                the same.
        """
        aligned, mean = align_faces(landmarks)
        complete = aligned[np.isfinite(aligned).all(axis=(1, 2))]
        count, marks = complete.shape[:2]
        if count < FEWEST_FACES or marks < FEWEST_LANDMARKS:
            raise DataError(
                f"{count} complete faces of {marks} landmarks are too few to say which are unusual; "
                f"at least {FEWEST_FACES} faces and {FEWEST_LANDMARKS} landmarks are needed"
            )
        distance = np.abs(complete - mean).mean(axis=(1, 2))
        kept = distance <= np.median(distance)
        for _ in range(_ROUNDS):
            judge = cls._of(complete[kept], mean)
            kept = robust_z(judge._distance(complete)) < _KEPT
        return cls._of(complete[kept], mean)

    @classmethod
    def _of(cls, aligned: Float, mean: Float) -> ShapeJudge:
        try:
            model = ShapeModel.fit(aligned)
        except ValueError as error:
            raise DataError(f"no shape model can be fitted: {error}") from error
        size = len(model.mean)
        eigenvalues, components = model.eigenvalues.numpy(), model.components.numpy()
        # A similarity took four dimensions away; few faces determine few modes.
        modes = max(1, min(model.modes(_VARIANCE, "variance"), (size - 4) // 2, len(aligned) // 10))
        noise = max(eigenvalues[modes:].sum() / (size - 4 - modes), 1e-6 * eigenvalues[0])
        inner = components[:, :modes]
        precision = inner * (1 / eigenvalues[:modes] - 1 / noise) @ inner.T + np.eye(size) / noise
        return cls(model, modes, mean, precision)

    def align(self, landmarks: ArrayLike) -> Float:
        """Faces (N, M, 2) in the model's frame; missing landmarks stand where the model expects them.

        A face without extent is NaN.
        """
        aligned, _ = align_faces(landmarks, self.mean)
        known = np.asarray(np.isfinite(aligned).all(axis=2))
        partly = known.any(axis=1) & ~known.all(axis=1)
        if partly.any():
            smooth = self.model.smooth(aligned[partly], self.modes)
            aligned[partly] = np.where(known[partly][..., None], aligned[partly], smooth)
        return aligned

    def distance(self, landmarks: ArrayLike) -> Float:
        """(N,) squared Mahalanobis distance (y - μ)ᵀ P (y - μ) over D of faces (N, M, 2); about 1 for ordinary ones.

        Infinite for a face without extent.
        """
        return self._distance(self.align(landmarks))

    def _distance(self, aligned: Float) -> Float:
        centred = aligned.reshape(len(aligned), -1) - self.model.mean.numpy()
        squared = (centred @ self.precision * centred).sum(axis=1) / centred.shape[1]
        return np.where(np.isnan(squared), np.inf, squared)

    def jumps(self, landmarks: ArrayLike) -> tuple[Float, Float]:
        """How far each landmark lies from where all the others of its face say that it should.

        With g = P (y - μ), the landmark's conditional covariance is C = (P_mm)⁻¹, a (2, 2) block, and its distance
        from its conditional mean C g_m.

        Returns:
            (N, M) the distance as a share of the longer side of the mean shape's box, and (N, M) the same in standard
            deviations, √(g_mᵀ C g_m). Both are 0 for a missing landmark and a face without extent.
        """
        aligned = self.align(landmarks)
        count, marks = aligned.shape[:2]
        centred = aligned.reshape(count, -1) - self.model.mean.numpy()
        pulled = np.nan_to_num(centred @ self.precision).reshape(count, marks, 2)
        blocks = np.stack([self.precision[2 * m : 2 * m + 2, 2 * m : 2 * m + 2] for m in range(marks)])
        moved = np.einsum("mij,nmj->nmi", np.linalg.inv(blocks), pulled)
        # A landmark that was filled in lies where the model puts it, up to the pull of the others.
        known = np.isfinite(np.asarray(landmarks, dtype=np.float64)).all(axis=2)
        side = float(np.ptp(self.mean, axis=0).max())
        length = np.linalg.norm(moved, axis=2) / side
        surprise = np.sqrt(np.maximum(np.einsum("nmi,nmi->nm", moved, pulled), 0))
        return np.where(known, length, 0.0), np.where(known, surprise, 0.0)

    def swapped(self, landmarks: ArrayLike, flip: Sequence[int], groups: Sequence[Sequence[int]]) -> Float:
        """(G, N) `distance` of the faces (N, M, 2) with left and right exchanged in each group of landmarks.

        Args:
            flip: partner of each landmark.
            groups: G sets of landmarks, each with the partners of all its members.
        """
        faces = np.asarray(landmarks, dtype=np.float64)
        distances = []
        for group in groups:
            order = np.arange(faces.shape[1])
            order[list(group)] = np.asarray(flip)[list(group)]
            distances.append(self.distance(faces[:, order]))
        return np.stack(distances)

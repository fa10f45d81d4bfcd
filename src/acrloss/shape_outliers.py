"""Faces whose landmarks do not look like the others': judged by the shape model, robust against bad faces in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Float
from acrloss.errors import DataError
from acrloss.shape_model import ShapeModel

FEWEST_FACES = 50
"""Fewer complete faces say nothing about what is unusual."""
FEWEST_LANDMARKS = 5
"""A similarity takes four coordinates away; what is left of fewer landmarks is no shape to judge."""
_VARIANCE = 0.98
_KEPT = 3.0  # robust z up to which a face takes part in the fit
_ROUNDS = 5


def align_faces(landmarks: ArrayLike, mean: ArrayLike | None = None) -> tuple[Float, Float]:
    """Faces moved, turned and scaled to lie over their mean shape (generalised Procrustes analysis).

    The mean is the median of each coordinate over the faces, so that a minority of wrong faces does not move it.

    Args:
        landmarks: (N, M, 2); NaN where missing.
        mean: (M, 2) a shape to align with instead.

    Returns:
        The aligned faces (N, M, 2), NaN where missing and for a face of less than two different landmarks; and
        the mean (M, 2), upright as most faces are, with its centre at 0 and a root mean square radius of 1.

    Raises:
        DataError: the landmarks of every face, or of the mean, lie on one point, or one is missing in every face.
    """
    z = _complex(landmarks)
    known = ~np.isnan(z)
    if mean is None:
        start = z[known.all(axis=1)] if known.all(axis=1).any() else z
        centred = start - np.nanmean(start, axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            centred /= np.sqrt(np.nanmean(np.abs(centred) ** 2, axis=1, keepdims=True))
        if not np.isfinite(centred).any():
            raise DataError("the landmarks of every face lie on one point; there is no shape in them")
        shape = _unit(_median(centred))
        for _ in range(_ROUNDS):
            shape = _unit(_median(_onto(z, known, shape)))
        # Iterated alignment may drift to any angle; faces stand upright on average.
        turn = np.nansum(_turns(z, known, shape))
        shape = shape * np.exp(-1j * np.angle(turn)) if np.isfinite(turn) and turn != 0 else shape
    else:
        shape = _unit(_complex(np.asarray(mean, dtype=np.float64)[None])[0])
    return _real(_onto(z, known, shape)), _real(shape)


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


def _complex(landmarks: ArrayLike) -> NDArray[np.complex128]:
    faces = np.asarray(landmarks, dtype=np.float64)
    if faces.ndim != 3 or faces.shape[2] != 2 or 0 in faces.shape:
        raise ValueError(f"expected landmarks (N, M, 2), got shape {faces.shape}")
    z = faces[..., 0] + 1j * faces[..., 1]
    return np.where(np.isnan(faces).any(axis=2), np.nan, z)


def _real(z: NDArray[np.complex128]) -> Float:
    faces = np.stack([z.real, z.imag], axis=-1)
    return np.where(np.isnan(faces).any(axis=-1, keepdims=True), np.nan, faces)


def _median(z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    if np.isnan(z).all(axis=0).any():
        m = int(np.isnan(z).all(axis=0).argmax())
        raise DataError(f"landmark {m} is missing in every face that has any extent; leave it out of the data")
    return np.asarray(np.nanmedian(z.real, axis=0) + 1j * np.nanmedian(z.imag, axis=0))


def _unit(shape: NDArray[np.complex128]) -> NDArray[np.complex128]:
    shape = shape - shape.mean()
    size = float(np.sqrt((np.abs(shape) ** 2).mean()))
    if not size > 0:
        raise DataError("the landmarks of the mean shape lie on one point; there is no shape to align with")
    return shape / size


def _turns(
    z: NDArray[np.complex128], known: NDArray[np.bool_], shape: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """(N,) factors that turn and scale each centred face onto the shape; NaN for a face without extent."""
    centred, target = _over_known(z, known, shape)
    size = (np.abs(centred) ** 2).sum(axis=1)
    product = (target * centred.conj()).sum(axis=1)
    return np.asarray(np.where(size > 0, product / np.where(size > 0, size, 1), np.nan))


def _onto(z: NDArray[np.complex128], known: NDArray[np.bool_], shape: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Each face moved, turned and scaled onto the shape by least squares over its known landmarks."""
    turns = _turns(z, known, shape)
    counts = np.maximum(known.sum(axis=1), 1)
    middle = np.where(known, z, 0).sum(axis=1) / counts
    target = np.where(known, shape, 0).sum(axis=1) / counts
    moved = (z - middle[:, None]) * turns[:, None] + target[:, None]
    return np.where(known, moved, np.nan)


def _over_known(
    z: NDArray[np.complex128], known: NDArray[np.bool_], shape: NDArray[np.complex128]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Faces and shape (N, M), each centred over the landmarks that the face has, 0 elsewhere."""
    counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
    both = []
    for points in (np.where(known, z, 0), np.where(known, shape, 0)):
        both.append(np.where(known, points - points.sum(axis=1, keepdims=True) / counts, 0))
    return both[0], both[1]

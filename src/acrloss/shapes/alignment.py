"""Laying shapes over each other: translation, scale and rotation (Procrustes), with missing landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Float
from acrloss.errors import DataError

# Rounds of aligning to the mean and taking it anew; it stands still before.
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

"""Mirrored faces: whether flip pairs mirror the faces of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.errors import DataError
from acrloss.schemes.scheme import Scheme

FACES_FOR_CHECK = 50
"""Fewer complete faces need not hold symmetric ones to judge flip pairs by."""

Complex = NDArray[np.complex128]

# How far a landmark of the mirrored mean may lie from its partner, in root mean square radii of the shape.
# Right pairs stay below this for any 50 faces of 300-W; a wrong pair misses by the distance of the two.
_MIRROR_TOLERANCE = 0.15


def check_flip(scheme: Scheme, shapes: ArrayLike) -> None:
    """Check that a scheme's flip pairs are the mirror image of real faces.

    A face, mirrored and permuted, is laid over itself by the best rotation. Of many faces the mean of the
    most symmetric fifth is judged, as the mean of all depends on where the others look.

    Args:
        scheme: the scheme.
        shapes: a mean shape (M, 2) or faces (N, M, 2), without missing landmarks.

    Profiles are not judged: the mirror image of a left one is a right one, not the face itself.

    Raises:
        DataError: a landmark lies elsewhere than its partner's mirror image; the message names the worst.
        ValueError: another shape, or not finite.
    """
    faces = np.asarray(shapes, dtype=np.float64)
    faces = faces[None] if faces.ndim == 2 else faces
    expected = (scheme.num_landmarks, 2)
    if faces.shape[1:] != expected or len(faces) == 0 or not np.isfinite(faces).all():
        raise ValueError(f"expected finite shapes {expected} ({scheme.name}), got {np.shape(shapes)}")
    if scheme.profile:
        return
    z = faces[..., 0] + 1j * faces[..., 1]
    z -= z.mean(axis=1, keepdims=True)
    size = np.sqrt((np.abs(z) ** 2).mean(axis=1, keepdims=True))
    z = z[size[:, 0] > 0] / size[size > 0][:, None]
    if len(z) == 0:
        raise ValueError("the landmarks of every face lie on one point")
    if len(z) > 1:
        mirrored, turn = mirror(z, scheme.flip)
        asymmetry = np.abs(mirrored - z).mean(axis=1)
        best = np.argsort(asymmetry)[: max(1, len(z) // 5)]
        # Half the turn that lays the mirror image over a face makes the face upright.
        z = (z[best] / np.sqrt(turn[best])).mean(axis=0, keepdims=True)
    residual = np.abs(mirror(z, scheme.flip)[0] - z)[0]
    worst = [int(m) for m in np.argsort(-residual)[:5] if residual[m] > _MIRROR_TOLERANCE]
    if worst:
        named = ", ".join(f"{m} (paired with {scheme.flip[m]})" for m in worst)
        raise DataError(
            f"the flip pairs of scheme {scheme.name} do not mirror these faces, worst at landmarks {named}: "
            "the data has another landmark order, or flip_pairs are wrong"
        )


def mirror(faces: Complex, flip: Sequence[int] | NDArray[np.intp]) -> tuple[Complex, Complex]:
    """Faces mirrored, permuted and turned to lie over themselves.

    Args:
        faces: (N, M) landmarks as complex numbers x + iy: mirroring is -conj, a rotation a factor of absolute value 1.
        flip: partner of each landmark.

    Returns:
        (N, M) the mirror images, centred; and (N, 1) the turns that were needed, of absolute value 1.
    """
    faces = faces - faces.mean(axis=1, keepdims=True)
    mirrored = -np.conj(faces)[:, np.asarray(flip)]
    turn = (faces * np.conj(mirrored)).sum(axis=1, keepdims=True)
    length = np.abs(turn)
    turn = np.where(length > 0, turn / np.where(length > 0, length, 1), 1)
    return mirrored * turn, turn

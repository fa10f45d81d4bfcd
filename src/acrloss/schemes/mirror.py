"""Mirrored faces: whether flip pairs mirror the faces of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Float
from acrloss.errors import DataError
from acrloss.schemes.scheme import Scheme
from acrloss.shapes.alignment import align_faces

FACES_FOR_CHECK = 50
"""Fewer complete faces need not hold symmetric ones to judge flip pairs by."""

Complex = NDArray[np.complex128]

MOST_ASYMMETRY = 3.0
"""More `asymmetry` than this is no symmetric object's.

Any 12 faces of 300-W or YTF-68 have less than 1.3, any 5 less than 3; aerofoils, letters without a mirror axis, side
views of cars and half faces have from 3.5 to 14.
"""

# Annotations are taken to be no better than this, as a share of the shape's extent, so that what was annotated, or
# drawn, more exactly is not called asymmetric for what nobody sees.
_EXACT = 0.04

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
        DataError: a landmark lies elsewhere than its partner's mirror image, and the message names the worst; or
            the objects have no mirror symmetry at all, see `asymmetry`.
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
    all_faces = z
    if len(z) > 1:
        mirrored, turn = mirror(z, scheme.flip)
        best = np.argsort(np.abs(mirrored - z).mean(axis=1))[: max(1, len(z) // 5)]
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
    amiss = asymmetry(np.stack([all_faces.real, all_faces.imag], axis=-1), z[0], scheme.flip)
    if len(all_faces) >= FACES_FOR_CHECK and amiss > MOST_ASYMMETRY:
        raise DataError(
            f"the flip pairs of scheme {scheme.name} do not mirror these {scheme.called}s, which are not symmetric: "
            f"mirrored, they lie {amiss:.1f} standard deviations from how they are; write flip_pairs: []"
        )


def asymmetry(faces: ArrayLike, shape: Complex, flip: Sequence[int] | NDArray[np.intp]) -> float:
    """How many standard deviations of the faces a shape is from its own mirror image.

    Counted along the difference of the two: faces that vary just so, as those do which look to either side, are
    symmetric though their mean is not quite. Widths and heights are each measured by their own extent, the faces'
    spread included: a wing is so flat that its mirror image is near to it, and yet has the thick end on the other side.

    Args:
        faces: (N, M, 2), NaN where missing.
        shape: (M,) a mean of them, upright, as `mirror` takes it.
        flip: partner of each landmark.
    """
    shape = shape - shape.mean()
    difference = _pairs(-np.conj(shape)[np.asarray(flip)] - shape)
    aligned = align_faces(faces, _pairs(shape))[0]
    aligned = aligned[~np.isnan(aligned).all(axis=(1, 2))]
    centred = aligned - np.nanmean(aligned, axis=0)
    extent = np.sqrt(_pairs(shape).var(axis=0) + np.nanmean(centred**2, axis=(0, 1)))
    extent = np.where(extent > 0, extent, 1.0)
    difference = difference / extent
    length = float(np.sqrt((difference**2).sum()))
    if length == 0:
        return 0.0
    direction = difference / length
    # What of the direction a face's known landmarks show.
    shown = np.where(np.isnan(centred), 0.0, direction**2).sum(axis=(1, 2))
    along = np.nansum(centred / extent * direction, axis=(1, 2)) ** 2 / np.where(shown > 0, shown, 1.0)
    variance = along.sum() / max(float(shown.sum()) - 1.0, 1.0)
    return length / float(np.sqrt(variance + _EXACT**2 * difference.size))


def _pairs(z: Complex) -> Float:
    return np.stack([z.real, z.imag], axis=-1)


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

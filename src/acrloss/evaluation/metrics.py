"""The field's metrics, each with its normaliser: NME, failure rate, AUC and CED.

NME of a face = mean over its annotated landmarks of the Euclidean error, over the normaliser, in %. The normalisers:

- "interocular": distance between the outer corners of the eyes
- "interpupil": distance between the pupils (means of the eyes' landmarks where the scheme marks no pupil); on the
  same predictions about 1.4 times the inter-ocular figure
- "box_diagonal": diagonal of the tight box around the annotated landmarks
- "box_size": square root of the area of that box
- "given" (the classes only): a length of each face that the caller passes

Exact definitions, and what makes figures of two papers differ, are in docs/metrics.md.

`acrloss.evaluation.torch_metrics` has them as classes, for loops that see faces batch by batch.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from acrloss.arrays import Float
from acrloss.schemes import Scheme

Normalizer = Literal["interocular", "interpupil", "box_diagonal", "box_size"]
NORMALIZER_NAMES: dict[str, str] = {
    "interocular": "inter-ocular distance",
    "interpupil": "inter-pupil distance",
    "box_diagonal": "diagonal of the landmark box",
    "box_size": "square root of the landmark box's area",
}


def available_normalizers(scheme: Scheme) -> list[Normalizer]:
    """The normalisers that `scheme` has the landmarks for, the field's usual one first."""
    missing = {"interocular"} if scheme.interocular is None else set()
    missing |= {"interpupil"} if scheme.interpupil is None else set()
    return [name for name in get_args(Normalizer) if name not in missing]


def normalizer_lengths(landmarks: ArrayLike, scheme: Scheme, normalizer: Normalizer) -> Float:
    """(N,) length of `normalizer` on each annotated face (N, M, 2), in the landmarks' unit; NaN where it cannot be had.

    Raises:
        ValueError: the scheme has no landmarks for it, or there is no such normaliser.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if normalizer not in get_args(Normalizer):
        raise ValueError(f"unknown normalizer {normalizer!r}; choose from {', '.join(get_args(Normalizer))}")
    if normalizer not in available_normalizers(scheme):
        raise ValueError(
            f"scheme {scheme.name} names no landmarks for {normalizer}; "
            f"choose from {', '.join(available_normalizers(scheme))}"
        )
    if normalizer == "interocular":
        assert scheme.interocular is not None
        lengths = np.linalg.norm(points[:, scheme.interocular[0]] - points[:, scheme.interocular[1]], axis=-1)
    elif normalizer == "interpupil":
        assert scheme.interpupil is not None
        right, left = (points[:, list(group)].mean(axis=1) for group in scheme.interpupil)
        lengths = np.linalg.norm(right - left, axis=-1)
    else:
        known = np.isfinite(points).all(axis=-1, keepdims=True)
        extent = np.where(known, points, -np.inf).max(axis=1) - np.where(known, points, np.inf).min(axis=1)
        lengths = np.hypot(*extent.T) if normalizer == "box_diagonal" else np.sqrt(np.maximum(extent, 0).prod(axis=-1))
    # A face whose normaliser has no length has no NME; it must not become infinite and swallow the mean.
    return np.asarray(np.where(np.isfinite(lengths) & (lengths > 0), lengths, np.nan))


def landmark_errors(prediction: ArrayLike, target: ArrayLike, lengths: ArrayLike) -> Float:
    """(N, M) Euclidean error of each landmark over its face's length (N,), in %.

    NaN where the target or the length is missing; infinite where the target is there and the prediction is not finite.
    """
    found, truth = np.asarray(prediction, dtype=np.float64), np.asarray(target, dtype=np.float64)
    errors = 100 * np.linalg.norm(found - truth, axis=-1) / np.asarray(lengths, dtype=np.float64)[:, None]
    # A diverged network must not score well because its lost landmarks are taken for missing ones.
    can_be_scored = np.isfinite(truth).all(axis=-1) & np.isfinite(lengths)[:, None]
    return np.where(can_be_scored & ~np.isfinite(errors), np.inf, errors)


def face_nme(errors: Float) -> Float:
    """(N,) NME of each face from its landmarks' errors (N, M), in %; NaN for a face without any."""
    return mean_known(errors, axis=1)


def mean_known(errors: Float, axis: int) -> Float:
    """Mean of the errors that are not NaN along an axis; NaN where there is none."""
    known = ~np.isnan(errors)
    count = known.sum(axis=axis)
    return np.where(count > 0, np.where(known, errors, 0).sum(axis=axis) / np.maximum(count, 1), np.nan)


def face_failures(nme: Float, threshold: float) -> Float:
    """(N,) 100 for each face with NME > `threshold` (both in %), else 0; the failure rate is their mean."""
    return np.where(nme > threshold, 100.0, 0.0)


def face_areas(nme: Float, threshold: float) -> Float:
    """(N,) what each face adds to the area under the CED up to `threshold`, in %; the AUC is their mean.

    The CED is a step function with a step at each face's NME, so the area is the mean of max(0, 1 - NME/threshold).
    """
    return np.asarray(100 * np.maximum(0, 1 - nme / threshold))


def failure_rate(nme: Float, threshold: float) -> float:
    """Share of faces with NME > `threshold` (both in %), in %; NaN faces are left out."""
    nme = nme[~np.isnan(nme)]
    return float(face_failures(nme, threshold).mean()) if len(nme) else float("nan")


def area_under_ced(nme: Float, threshold: float) -> float:
    """Area under the CED from 0 to `threshold` over `threshold`, in %; exact, not sampled; NaN faces are left out."""
    nme = nme[~np.isnan(nme)]
    return float(face_areas(nme, threshold).mean()) if len(nme) else float("nan")


def cumulative_error(nme: Float, grid: Float) -> Float:
    """The CED: share of faces (in %) with NME <= each value of `grid`; NaN faces are left out."""
    nme = nme[~np.isnan(nme)]
    return 100 * np.searchsorted(np.sort(nme), grid, side="right") / max(len(nme), 1)

"""The field's metrics, each with its normaliser: NME, failure rate, AUC and CED.

NME of a face = mean over its annotated landmarks of the Euclidean error, over the normaliser, in %. The normalisers:

- "interocular": distance between the outer corners of the eyes
- "interpupil": distance between the pupils (means of the eyes' landmarks where the scheme marks no pupil); on the
  same predictions about 1.4 times the inter-ocular figure
- "box_diagonal": diagonal of the tight box around the annotated landmarks
- "box_size": square root of the area of that box
"""

from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torchmetrics import Metric

from acrloss.schemes import Scheme

Float = NDArray[np.float64]
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


def failure_rate(nme: Float, threshold: float) -> float:
    """Share of faces with NME > `threshold` (both in %), in %; NaN faces are left out."""
    nme = nme[~np.isnan(nme)]
    return float(100 * np.mean(nme > threshold)) if len(nme) else float("nan")


def area_under_ced(nme: Float, threshold: float) -> float:
    """Area under the CED from 0 to `threshold` over `threshold`, in %; exact, not sampled; NaN faces are left out.

    The CED is a step function with a step at each face's NME, so the area is the mean of max(0, 1 - NME/threshold).
    """
    nme = nme[~np.isnan(nme)]
    return float(100 * np.mean(np.maximum(0, 1 - nme / threshold))) if len(nme) else float("nan")


def cumulative_error(nme: Float, grid: Float) -> Float:
    """The CED: share of faces (in %) with NME <= each value of `grid`; NaN faces are left out."""
    nme = nme[~np.isnan(nme)]
    return 100 * np.searchsorted(np.sort(nme), grid, side="right") / max(len(nme), 1)


class NormalizedMeanError(Metric):
    """Mean NME over faces as a torchmetrics metric, correct when the faces are split over processes.

    `update(prediction, target)` takes (N, M, 2) tensors of the same unit; missing targets are NaN. `compute()` gives
    the mean in %, NaN before any face.
    """

    higher_is_better = False
    full_state_update = False
    total: Tensor
    faces: Tensor

    def __init__(self, scheme: Scheme, normalizer: Normalizer, **options: Any) -> None:
        super().__init__(**options)
        normalizer_lengths(np.zeros((0, scheme.num_landmarks, 2)), scheme, normalizer)
        self.scheme, self.normalizer = scheme, normalizer
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("faces", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        truth = target.detach().double().cpu().numpy()
        lengths = normalizer_lengths(truth, self.scheme, self.normalizer)
        nme = face_nme(landmark_errors(prediction.detach().double().cpu().numpy(), truth, lengths))
        nme = nme[~np.isnan(nme)]
        self.total += float(nme.sum())
        self.faces += len(nme)

    def compute(self) -> Tensor:
        return self.total / self.faces

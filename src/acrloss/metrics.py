"""The field's metrics, each with its normaliser: NME, failure rate, AUC and CED.

NME of a face = mean over its annotated landmarks of the Euclidean error, over the normaliser, in %. The normalisers:

- "interocular": distance between the outer corners of the eyes
- "interpupil": distance between the pupils (means of the eyes' landmarks where the scheme marks no pupil); on the
  same predictions about 1.4 times the inter-ocular figure
- "box_diagonal": diagonal of the tight box around the annotated landmarks
- "box_size": square root of the area of that box
- "given" (the metric classes only): a length of each face that the caller passes

Exact definitions, and what makes figures of two papers differ, are in docs/metrics.md.

The classes are torchmetrics metrics for loops that see faces batch by batch. They keep sums, so their memory does not
grow with the faces, and faces may be split over processes.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torchmetrics import Metric

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


class LandmarkMetric(Metric):
    """What the metrics below share: from a batch of faces to the error of each landmark in %.

    Args:
        scheme: of the landmarks.
        normalizer: what errors are divided by; "given" takes a length of each face in `update`.
        visible_only: leave hidden landmarks out; `update` then needs `visible`. Normalisers are still measured on
            all annotated landmarks.
        options: torchmetrics' own.

    Raises:
        ValueError: the scheme has no landmarks for the normaliser.
    """

    full_state_update = False

    def __init__(
        self, scheme: Scheme, normalizer: Normalizer | Literal["given"], *, visible_only: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        if normalizer != "given":
            normalizer_lengths(np.zeros((0, scheme.num_landmarks, 2)), scheme, normalizer)
        self.scheme, self.normalizer, self.visible_only = scheme, normalizer, visible_only

    def update(
        self, prediction: Tensor, target: Tensor, visible: Tensor | None = None, lengths: Tensor | None = None
    ) -> None:
        """Add faces.

        Args:
            prediction: (N, M, 2), of any unit.
            target: (N, M, 2) of the same unit; NaN where missing.
            visible: (N, M) bool, for `visible_only`.
            lengths: (N,) of the same unit, for the normaliser "given"; a face without a positive one is left out.

        Raises:
            ValueError: what `visible_only` or the normaliser needs is not there, or lengths are not asked for.
        """
        truth = _array(target)
        if (lengths is not None) != (self.normalizer == "given"):
            needs = "needs" if lengths is None else "takes no"
            raise ValueError(f"normalizer {self.normalizer!r} {needs} lengths in update")
        if lengths is not None:
            sizes = _array(lengths)
            sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan)
        elif self.normalizer != "given":
            sizes = normalizer_lengths(truth, self.scheme, self.normalizer)
        if self.visible_only:
            if visible is None:
                raise ValueError("visible_only needs visible, (N, M), in update")
            truth = np.where(visible.detach().bool().cpu().numpy()[..., None], truth, np.nan)
        self.add_errors(landmark_errors(_array(prediction), truth, sizes))

    def add_errors(self, errors: Float) -> None:
        """Add the errors (N, M) of some faces, in %, NaN where there is none."""
        raise NotImplementedError


class MeanOverFaces(LandmarkMetric):
    """The mean over faces of something that follows from each face's NME; NaN before any face."""

    total: Tensor
    faces: Tensor

    def __init__(
        self, scheme: Scheme, normalizer: Normalizer | Literal["given"], *, size: tuple[int, ...] = (), **options: Any
    ) -> None:
        super().__init__(scheme, normalizer, **options)
        self.add_state("total", torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("faces", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def face_values(self, nme: Float) -> Float:
        """(N, ...) the values whose mean is the metric, from the NME of each face (N,)."""
        raise NotImplementedError

    def add_errors(self, errors: Float) -> None:
        nme = face_nme(errors)
        nme = nme[~np.isnan(nme)]
        self.total += torch.as_tensor(self.face_values(nme).sum(axis=0), device=self.total.device)
        self.faces += len(nme)

    def compute(self) -> Tensor:
        return self.total / self.faces


class NormalizedMeanError(MeanOverFaces):
    """Mean NME in %."""

    higher_is_better = False

    def face_values(self, nme: Float) -> Float:
        return nme


class _AtThreshold(MeanOverFaces):
    """What takes a threshold on the NME, in %."""

    def __init__(
        self, scheme: Scheme, normalizer: Normalizer | Literal["given"], threshold: float, **options: Any
    ) -> None:
        super().__init__(scheme, normalizer, **options)
        self.threshold = _positive(threshold)


class FailureRate(_AtThreshold):
    """Share of faces with NME > `threshold` (both in %), in %."""

    higher_is_better = False

    def face_values(self, nme: Float) -> Float:
        return face_failures(nme, self.threshold)


class AreaUnderCED(_AtThreshold):
    """Area under the CED from 0 to `threshold` (in %) over `threshold`, in %; exact, not sampled."""

    higher_is_better = True

    def face_values(self, nme: Float) -> Float:
        return face_areas(nme, self.threshold)


class CumulativeError(MeanOverFaces):
    """The CED: share of faces (in %) with NME <= each value of `grid` (G,), in %; computes (G,)."""

    def __init__(
        self, scheme: Scheme, normalizer: Normalizer | Literal["given"], grid: Sequence[float], **options: Any
    ) -> None:
        super().__init__(scheme, normalizer, size=(len(grid),), **options)
        self.grid = np.asarray(grid, dtype=np.float64)

    def face_values(self, nme: Float) -> Float:
        return np.where(nme[:, None] <= self.grid, 100.0, 0.0)


class LandmarkError(LandmarkMetric):
    """Mean error of each landmark over the faces that have it, in %; computes (M,), NaN for one that none has."""

    higher_is_better = False
    total: Tensor
    known: Tensor

    def __init__(self, scheme: Scheme, normalizer: Normalizer | Literal["given"], **options: Any) -> None:
        super().__init__(scheme, normalizer, **options)
        size = scheme.num_landmarks
        self.add_state("total", torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("known", torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")

    def add_errors(self, errors: Float) -> None:
        known = ~np.isnan(errors)
        self.total += torch.as_tensor(np.where(known, errors, 0).sum(axis=0), device=self.total.device)
        self.known += torch.as_tensor(known.sum(axis=0), device=self.known.device)

    def compute(self) -> Any:
        return self.total / self.known


class RegionError(LandmarkError):
    """Mean error of each region's landmarks, in %; computes a dict from region to value."""

    def compute(self) -> Any:
        landmarks = super().compute()
        return {name: landmarks[list(points)].nanmean() for name, points in self.scheme.regions.items()}


def _array(values: Tensor) -> Float:
    return np.asarray(values.detach().double().cpu().numpy())


def _positive(threshold: float) -> float:
    if not threshold > 0:
        raise ValueError(f"expected a positive threshold in %, got {threshold}")
    return threshold

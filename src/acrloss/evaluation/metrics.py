"""The field's metrics: NME, failure rate, AUC and CED.

NME of a face = mean over its annotated landmarks of the Euclidean error, over the normaliser, in %. What can normalise
stands in `acrloss.evaluation.normalizers`; what is the mean over faces of something at a threshold of the NME, in
`METRICS`.
Exact definitions, and what makes figures of two papers differ, are in docs/metrics.md.

`acrloss.evaluation.torch_metrics` has them as classes, for loops that see faces batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from acrloss.arrays import Float


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


@dataclass(frozen=True)
class Metric:
    """A metric that is the mean over faces of a number that each face's NME has at a threshold.

    Attributes:
        short: as tables and figures name it, before "@8".
        meaning: what it is, for the documentation.
        values: (N,) NME and the threshold, both in %, to (N,) numbers in %.
    """

    short: str
    meaning: str
    values: Callable[[Float, float], Float]


METRICS: dict[str, Metric] = {
    "failure_rate": Metric("FR", "failure rate: share of faces with NME > *t*", face_failures),
    "auc": Metric("AUC", "∫₀ᵗ CED(*x*) d*x* / *t* = mean of max(0, 1 − NME/*t*) over faces", face_areas),
}
"""All that scores, prints or documents these goes by this table; a new one is a new row (docs/extend/metrics.md)."""


def at_threshold(metric: str, nme: Float, threshold: float) -> float:
    """A metric of `METRICS` in %; NaN faces are left out, and without any other the metric is NaN."""
    nme = nme[~np.isnan(nme)]
    return float(METRICS[metric].values(nme, threshold).mean()) if len(nme) else float("nan")


def failure_rate(nme: Float, threshold: float) -> float:
    """Share of faces with NME > `threshold` (both in %), in %; NaN faces are left out."""
    return at_threshold("failure_rate", nme, threshold)


def area_under_ced(nme: Float, threshold: float) -> float:
    """Area under the CED from 0 to `threshold` over `threshold`, in %; exact, not sampled; NaN faces are left out."""
    return at_threshold("auc", nme, threshold)


def cumulative_error(nme: Float, grid: Float) -> Float:
    """The CED: share of faces (in %) with NME <= each value of `grid`; NaN faces are left out."""
    nme = nme[~np.isnan(nme)]
    return 100 * np.searchsorted(np.sort(nme), grid, side="right") / max(len(nme), 1)

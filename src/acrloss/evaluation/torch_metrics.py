"""The metrics as torchmetrics classes, for loops that see faces batch by batch.

They keep sums, so their memory does not grow with the faces, and faces may be split over processes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from acrloss.arrays import Float
from acrloss.evaluation.metrics import face_areas, face_failures, face_nme, landmark_errors
from acrloss.evaluation.normalizers import find_normalizer, normalizer_lengths
from acrloss.schemes import Scheme


class LandmarkMetric(Metric):
    """What the metrics below share: from a batch of faces to the error of each landmark in %.

    Args:
        scheme: of the landmarks.
        normalizer: what errors are divided by: a name in `acrloss.evaluation.normalizers.NORMALIZERS`; "given" takes a
            length of each face in `update`.
        visible_only: leave hidden landmarks out; `update` then needs `visible`. Normalisers are still measured on
            all annotated landmarks.
        options: torchmetrics' own.

    Raises:
        ValueError: there is no such normaliser, or the scheme has no landmarks for it.
    """

    full_state_update = False

    def __init__(self, scheme: Scheme, normalizer: str, *, visible_only: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.needs_boxes = normalizer != "given" and find_normalizer(normalizer).needs == "boxes"
        if normalizer != "given":
            boxes = np.zeros((0, 4)) if self.needs_boxes else None
            normalizer_lengths(np.zeros((0, scheme.num_landmarks, 2)), scheme, normalizer, boxes)
        self.scheme, self.normalizer, self.visible_only = scheme, normalizer, visible_only

    def update(
        self,
        prediction: Tensor,
        target: Tensor,
        visible: Tensor | None = None,
        lengths: Tensor | None = None,
        boxes: Tensor | None = None,
    ) -> None:
        """Add faces.

        Args:
            prediction: (N, M, 2), of any unit.
            target: (N, M, 2) of the same unit; NaN where missing.
            visible: (N, M) bool, for `visible_only`.
            lengths: (N,) of the same unit, for the normaliser "given"; a face without a positive one is left out.
            boxes: (N, 4) annotated boxes x0, y0, x1, y1 of the same unit, for the normalisers that need them; a face
                whose box is NaN is left out.

        Raises:
            ValueError: a shape is another, what `visible_only` or the normaliser needs is not there, or lengths or
                boxes are not asked for.
        """
        marks = self.scheme.num_landmarks
        if target.ndim != 3 or tuple(target.shape[1:]) != (marks, 2):
            flat = f"; give .view(-1, {marks}, 2)" if target.ndim == 2 and target.shape[1] == 2 * marks else ""
            raise ValueError(
                f"target: expected shape (N, {marks}, 2) ({self.scheme.name}), got {tuple(target.shape)}{flat}"
            )
        # Nothing is broadcast: one face scored against all would pass for a result.
        faces = len(target)
        shapes = {"prediction": (faces, marks, 2), "visible": (faces, marks), "lengths": (faces,), "boxes": (faces, 4)}
        for (name, shape), values in zip(shapes.items(), (prediction, visible, lengths, boxes), strict=True):
            if values is not None and tuple(values.shape) != shape:
                raise ValueError(
                    f"{name}: expected shape {shape} for a target of shape {tuple(target.shape)}, "
                    f"got {tuple(values.shape)}"
                )
        for name, values, asked in (
            ("lengths", lengths, self.normalizer == "given"),
            ("boxes", boxes, self.needs_boxes),
        ):
            if (values is not None) != asked:
                needs = "needs" if values is None else "takes no"
                raise ValueError(f"normalizer {self.normalizer!r} {needs} {name} in update")
        truth = _array(target)
        if lengths is not None:
            sizes = _array(lengths)
            sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan)
        else:
            sizes = normalizer_lengths(truth, self.scheme, self.normalizer, None if boxes is None else _array(boxes))
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

    def __init__(self, scheme: Scheme, normalizer: str, *, size: tuple[int, ...] = (), **options: Any) -> None:
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

    def __init__(self, scheme: Scheme, normalizer: str, threshold: float, **options: Any) -> None:
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

    def __init__(self, scheme: Scheme, normalizer: str, grid: Sequence[float], **options: Any) -> None:
        super().__init__(scheme, normalizer, size=(len(grid),), **options)
        self.grid = np.asarray(grid, dtype=np.float64)

    def face_values(self, nme: Float) -> Float:
        return np.where(nme[:, None] <= self.grid, 100.0, 0.0)


class LandmarkError(LandmarkMetric):
    """Mean error of each landmark over the faces that have it, in %; computes (M,), NaN for one that none has."""

    higher_is_better = False
    total: Tensor
    known: Tensor

    def __init__(self, scheme: Scheme, normalizer: str, **options: Any) -> None:
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

"""Scoring predicted landmarks against annotated ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.evaluation.bootstrap import mean_intervals
from acrloss.evaluation.metrics import METRICS, at_threshold, face_nme, landmark_errors, mean_known
from acrloss.evaluation.normalizers import available_normalizers, normalizer_lengths, normalizer_title

Interval = tuple[float, float]
Role = Literal["test", "validation", "training"]
"""What faces were to the training of the network that is scored on them: unknown to it, those that chose its epoch, or
faces that it was trained on. Only the first tell how it does on new ones."""

# The thresholds (NME in %) at which 300-W, COFW and WFLW papers quote failure rate and AUC.
THRESHOLDS = (8.0, 10.0)


@dataclass(frozen=True)
class Scores:
    """The metrics of one set of faces under one normaliser; all in %.

    Intervals are 95 % bootstrap intervals over faces (`acrloss.evaluation.bootstrap`), NaN for fewer than two faces.

    Attributes:
        subset: which faces: a subset tag, or "all" where no tag covers all faces.
        normalizer: what errors are divided by.
        faces: how many faces were scored.
        official_faces: how many the subset has in its official protocol; None where there is none.
        nme, nme_interval: mean NME.
        metrics, intervals: metric of `METRICS` -> threshold -> value, or its interval.
        regions: region of the scheme -> mean error of its landmarks.
    """

    subset: str
    normalizer: str
    faces: int
    official_faces: int | None
    nme: float
    nme_interval: Interval
    metrics: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, Interval]]
    regions: dict[str, float]

    @property
    def failure_rate(self) -> dict[str, float]:
        """Threshold -> share of faces with a larger NME."""
        return self.metrics["failure_rate"]

    @property
    def auc(self) -> dict[str, float]:
        """Threshold -> area under the CED up to it, over it."""
        return self.metrics["auc"]

    @property
    def failure_rate_interval(self) -> dict[str, Interval]:
        """Threshold -> interval of the failure rate."""
        return self.intervals["failure_rate"]

    @property
    def auc_interval(self) -> dict[str, Interval]:
        """Threshold -> interval of the AUC."""
        return self.intervals["auc"]

    def to_dict(self) -> dict[str, Any]:
        """The scores in plain types, for JSON; NaN becomes None."""
        values: dict[str, Any] = {
            key: value for key, value in vars(self).items() if key not in ("metrics", "intervals")
        }
        regions = values.pop("regions")
        for name in self.metrics:
            values |= {name: self.metrics[name], f"{name}_interval": self.intervals[name]}
        return cast("dict[str, Any]", plain({**values, "regions": regions}))


@dataclass(frozen=True)
class OcclusionScores:
    """How well hidden landmarks are told from visible ones, over all annotated landmarks.

    Attributes:
        precision: share of the landmarks predicted hidden that are, in %; NaN where none is predicted.
        recall: share of the hidden landmarks that are predicted so, in %; NaN where none is hidden, or none predicted:
            files have zeros for methods that do not tell.
        predicted: how many are predicted hidden.
        occluded: how many are hidden.
    """

    precision: float
    recall: float
    predicted: int
    occluded: int


@dataclass(frozen=True)
class Evaluation:
    """Predictions and their scores.

    Attributes:
        annotations: the faces, N of them.
        predictions: (N, M, 2) landmarks in pixels of the images; NaN for a face whose image could not be read.
        errors: normaliser -> (N, M) error of each landmark in %, NaN where it cannot be scored.
        nme: normaliser -> (N,) NME of each face in %.
        normalizer: the one that headlines are given in.
        thresholds: of the metrics, NME in %, rising.
        scores: for every subset and normaliser; all faces under `normalizer` first.
        visible_scores: as `scores` under `normalizer`, but of visible landmarks only; faces without any are left out.
            Empty where the annotations hide none.
        occlusion: None where no occlusion was predicted.
        reasons: number of each face without a score under `normalizer` -> why.
        role: what the faces were to the network's training, as far as is known.
        remarks: how the predictions were come by, where that should be known; one line each.
    """

    annotations: Annotations
    predictions: Float
    errors: dict[str, Float]
    nme: dict[str, Float]
    normalizer: str
    thresholds: tuple[float, ...]
    scores: tuple[Scores, ...]
    visible_scores: tuple[Scores, ...]
    occlusion: OcclusionScores | None
    reasons: Mapping[int, str]
    role: Role
    remarks: tuple[str, ...] = ()

    @property
    def score(self) -> Scores:
        """The scores of all faces under `normalizer`."""
        return self.scores[0]

    @property
    def unscored(self) -> tuple[str, ...]:
        """One line for each face without a score, with the reason."""
        return tuple(f"{self.annotations.images[i]}: {reason}" for i, reason in self.reasons.items())

    def to_dict(self) -> dict[str, Any]:
        """The scores in plain types, for JSON; NaN becomes None."""
        normalizer = self.normalizer
        return {
            "data": self.annotations.source,
            "scheme": self.annotations.scheme.name,
            "unit": "%",
            "normalizer": normalizer,
            "thresholds": list(self.thresholds),
            "role": self.role,
            "remarks": list(self.remarks),
            "intervals": "95 % percentile bootstrap over faces",
            "scores": [score.to_dict() for score in self.scores],
            "visible_scores": [score.to_dict() for score in self.visible_scores],
            "occlusion": None if self.occlusion is None else plain(vars(self.occlusion)),
            "landmark_errors": {
                "normalizer": normalizer,
                "mean": plain(list(mean_known(self.errors[normalizer], axis=0))),
            },
            "skipped_when_reading": list(self.annotations.skipped),
            "unscored": list(self.unscored),
            "unscored_reasons": dict(Counter(self.reasons.values())),
        }


def evaluate(
    annotations: Annotations,
    predictions: Float,
    occlusion: Float | None = None,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    normalizer: str | None = None,
    role: Role = "test",
) -> Evaluation:
    """Score (N, M, 2) `predictions`, in pixels of the images, for all faces and for every subset tag.

    Args:
        annotations: N faces.
        predictions: NaN for a face without any; a single landmark that is not finite is infinitely wrong.
        occlusion: (N, M) predicted probability that a landmark is hidden; it is from 0.5.
        thresholds: at which failure rate and AUC are given, NME in %.
        normalizer: of headlines; the field's usual one for the scheme if not given, or where that has no length in any
            face, the first that has.
        role: what the faces were to the network's training.

    Raises:
        ValueError: the predictions are for another number of faces or landmarks, a threshold is not positive, or the
            normaliser is unknown or not to be had.
    """
    shape = annotations.landmarks.shape
    if predictions.shape != shape:
        raise ValueError(f"expected predictions of shape {shape}, got {predictions.shape}")
    if occlusion is not None and occlusion.shape != shape[:2]:
        raise ValueError(f"expected occlusion of shape {shape[:2]}, got {occlusion.shape}")
    thresholds = _checked(thresholds)
    scheme = annotations.scheme
    boxes = annotations.boxes if np.isfinite(annotations.boxes).all(axis=1).any() else None
    names = available_normalizers(scheme, boxes=boxes is not None)
    names = list(dict.fromkeys([*([normalizer] if normalizer else []), *names]))
    lengths = {name: normalizer_lengths(annotations.landmarks, scheme, name, boxes) for name in names}
    chosen = normalizer or next((name for name in names if np.isfinite(lengths[name]).any()), names[0])
    unread: NDArray[np.bool_] = np.asarray(np.isnan(predictions).all(axis=(1, 2)))
    truth = np.where(unread[:, None, None], np.nan, annotations.landmarks)
    # The chosen one first.
    errors = {name: landmark_errors(predictions, truth, lengths[name]) for name in dict.fromkeys([chosen, *names])}
    nme = {name: face_nme(values) for name, values in errors.items()}
    subsets: dict[str, NDArray[np.bool_]] = {
        tag: np.array([tag in tags for tags in annotations.subsets], dtype=bool) for tag in annotations.subset_names
    }
    # The whole has a name of its own in some protocols ("full"); it is not said twice.
    whole = next((tag for tag, members in subsets.items() if members.all()), "all")
    subsets = {whole: np.ones(len(annotations), dtype=bool)} | subsets
    scores = tuple(
        _score(annotations, subset, name, values[members], thresholds)
        for subset, members in subsets.items()
        for name, values in errors.items()
    )
    hidden = ~annotations.visible & np.isfinite(annotations.landmarks).all(axis=-1)
    seen = np.where(hidden, np.nan, errors[chosen])
    visible_scores = [_score(annotations, tag, chosen, seen[members], thresholds) for tag, members in subsets.items()]
    reasons = {
        int(i): "no landmarks were found, as where an image cannot be read"
        if unread[i]
        else f"its {normalizer_title(chosen, scheme)} is not known"
        if np.isnan(lengths[chosen][i])
        else "it has no annotated landmark"
        for i in np.flatnonzero(np.isnan(nme[chosen]))
    }
    return Evaluation(
        annotations,
        predictions,
        errors,
        nme,
        chosen,
        thresholds,
        scores,
        tuple(visible_scores) if hidden.any() else (),
        None if occlusion is None else _occlusion_scores(annotations, occlusion),
        reasons,
        role,
    )


def _checked(thresholds: Sequence[float]) -> tuple[float, ...]:
    """The thresholds, each once, rising."""
    for threshold in thresholds:
        if not 0 < threshold < float("inf"):
            raise ValueError(f"expected positive thresholds, NME in %, got {threshold:g}")
    if not thresholds:
        raise ValueError("expected at least one threshold, NME in %")
    return tuple(sorted({float(threshold) for threshold in thresholds}))


def _score(
    annotations: Annotations, subset: str, normalizer: str, errors: Float, thresholds: Sequence[float]
) -> Scores:
    nme = face_nme(errors)
    nme = nme[~np.isnan(nme)]
    per_landmark = mean_known(errors, axis=0)
    # NME and all metrics are the means of these columns.
    keys = [(name, threshold) for name in METRICS for threshold in thresholds]
    columns = [nme, *(METRICS[name].values(nme, threshold) for name, threshold in keys)]
    ends = [(float(low), float(high)) for low, high in mean_intervals(np.stack(columns, axis=1))]
    metrics: dict[str, dict[str, float]] = {name: {} for name in METRICS}
    intervals: dict[str, dict[str, Interval]] = {name: {} for name in METRICS}
    for (name, threshold), interval in zip(keys, ends[1:], strict=True):
        metrics[name][f"{threshold:g}"] = at_threshold(name, nme, threshold)
        intervals[name][f"{threshold:g}"] = interval
    tested = set(annotations.splits) == {"test"}
    return Scores(
        subset=subset,
        normalizer=normalizer,
        faces=len(nme),
        official_faces=annotations.official_faces.get("test" if subset == "all" and tested else subset),
        nme=float(nme.mean()) if len(nme) else float("nan"),
        nme_interval=ends[0],
        metrics=metrics,
        intervals=intervals,
        regions={
            name: float(mean_known(per_landmark[list(points)], axis=0))
            for name, points in annotations.scheme.regions.items()
        },
    )


def _occlusion_scores(annotations: Annotations, occlusion: Float) -> OcclusionScores:
    known = np.isfinite(annotations.landmarks).all(axis=-1)
    hidden, predicted = known & ~annotations.visible, known & (occlusion >= 0.5)
    right = int((hidden & predicted).sum())
    return OcclusionScores(
        precision=100 * right / predicted.sum() if predicted.any() else float("nan"),
        recall=100 * right / hidden.sum() if hidden.any() and predicted.any() else float("nan"),
        predicted=int(predicted.sum()),
        occluded=int(hidden.sum()),
    )


def plain(value: Any) -> Any:
    """Numbers in dictionaries and lists as JSON has them: six decimals, and None where one is not finite."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return None if not np.isfinite(value) else round(float(value), 6)
    return cast("Any", value)

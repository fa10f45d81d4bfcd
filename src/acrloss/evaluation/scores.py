"""Scoring predicted landmarks against annotated ones."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.evaluation.bootstrap import mean_intervals
from acrloss.evaluation.metrics import (
    Normalizer,
    area_under_ced,
    available_normalizers,
    face_areas,
    face_failures,
    face_nme,
    failure_rate,
    landmark_errors,
    mean_known,
    normalizer_lengths,
)

Interval = tuple[float, float]

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
        failure_rate, failure_rate_interval: threshold -> share of faces with a larger NME.
        auc, auc_interval: threshold -> area under the CED up to it, over it.
        regions: region of the scheme -> mean error of its landmarks.
    """

    subset: str
    normalizer: Normalizer
    faces: int
    official_faces: int | None
    nme: float
    nme_interval: Interval
    failure_rate: dict[str, float]
    failure_rate_interval: dict[str, Interval]
    auc: dict[str, float]
    auc_interval: dict[str, Interval]
    regions: dict[str, float]


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
        scores: for every subset and normaliser; all faces under the usual normaliser first.
        visible_scores: as `scores` under the usual normaliser, but of visible landmarks only; faces without any are
            left out. Empty where the annotations hide none.
        occlusion: None where no occlusion was predicted.
        unscored: one line for each face without a score, with the reason.
    """

    annotations: Annotations
    predictions: Float
    errors: dict[Normalizer, Float]
    nme: dict[Normalizer, Float]
    scores: tuple[Scores, ...]
    visible_scores: tuple[Scores, ...]
    occlusion: OcclusionScores | None
    unscored: tuple[str, ...]

    @property
    def normalizer(self) -> Normalizer:
        """The field's usual normaliser for the scheme; the one that headlines are given in."""
        return available_normalizers(self.annotations.scheme)[0]

    @property
    def score(self) -> Scores:
        """The scores of all faces under the usual normaliser."""
        return self.scores[0]

    def to_dict(self) -> dict[str, Any]:
        """The scores in plain types, for JSON; NaN becomes None."""
        normalizer = self.normalizer
        return {
            "data": self.annotations.source,
            "scheme": self.annotations.scheme.name,
            "unit": "%",
            "intervals": "95 % percentile bootstrap over faces",
            "scores": [plain(vars(score)) for score in self.scores],
            "visible_scores": [plain(vars(score)) for score in self.visible_scores],
            "occlusion": None if self.occlusion is None else plain(vars(self.occlusion)),
            "landmark_errors": {
                "normalizer": normalizer,
                "mean": plain(list(mean_known(self.errors[normalizer], axis=0))),
            },
            "skipped_when_reading": list(self.annotations.skipped),
            "unscored": list(self.unscored),
        }


def evaluate(annotations: Annotations, predictions: Float, occlusion: Float | None = None) -> Evaluation:
    """Score (N, M, 2) `predictions`, in pixels of the images, for all faces and for every subset tag.

    Args:
        annotations: N faces.
        predictions: NaN for a face without any; a single landmark that is not finite is infinitely wrong.
        occlusion: (N, M) predicted probability that a landmark is hidden; it is from 0.5.

    Raises:
        ValueError: the predictions are for another number of faces or landmarks.
    """
    shape = annotations.landmarks.shape
    if predictions.shape != shape:
        raise ValueError(f"expected predictions of shape {shape}, got {predictions.shape}")
    if occlusion is not None and occlusion.shape != shape[:2]:
        raise ValueError(f"expected occlusion of shape {shape[:2]}, got {occlusion.shape}")
    scheme = annotations.scheme
    unread: NDArray[np.bool_] = np.asarray(np.isnan(predictions).all(axis=(1, 2)))
    truth = np.where(unread[:, None, None], np.nan, annotations.landmarks)
    errors: dict[Normalizer, Float] = {}
    for normalizer in available_normalizers(scheme):
        lengths = normalizer_lengths(annotations.landmarks, scheme, normalizer)
        errors[normalizer] = landmark_errors(predictions, truth, lengths)
    nme = {normalizer: face_nme(values) for normalizer, values in errors.items()}
    subsets: dict[str, NDArray[np.bool_]] = {
        tag: np.array([tag in tags for tags in annotations.subsets], dtype=bool) for tag in annotations.subset_names
    }
    # The whole has a name of its own in some protocols ("full"); it is not said twice.
    whole = next((tag for tag, chosen in subsets.items() if chosen.all()), "all")
    subsets = {whole: np.ones(len(annotations), dtype=bool)} | subsets
    scores = tuple(
        _score(annotations, subset, normalizer, values[chosen])
        for subset, chosen in subsets.items()
        for normalizer, values in errors.items()
    )
    usual = available_normalizers(scheme)[0]
    hidden = ~annotations.visible & np.isfinite(annotations.landmarks).all(axis=-1)
    seen = np.where(hidden, np.nan, errors[usual])
    visible_scores = [_score(annotations, subset, usual, seen[chosen]) for subset, chosen in subsets.items()]
    unscored = tuple(
        f"{annotations.images[i]}: "
        + ("no landmarks were found, as where an image cannot be read" if unread[i] else "its normaliser has no length")
        for i in np.flatnonzero(np.isnan(nme[usual]))
    )
    return Evaluation(
        annotations,
        predictions,
        errors,
        nme,
        scores,
        tuple(visible_scores) if hidden.any() else (),
        None if occlusion is None else _occlusion_scores(annotations, occlusion),
        unscored,
    )


def _score(annotations: Annotations, subset: str, normalizer: Normalizer, errors: Float) -> Scores:
    nme = face_nme(errors)
    nme = nme[~np.isnan(nme)]
    per_landmark = mean_known(errors, axis=0)
    # NME, failure rate and AUC are the means of these columns.
    columns = [nme, *(face_failures(nme, t) for t in THRESHOLDS), *(face_areas(nme, t) for t in THRESHOLDS)]
    intervals = [(float(low), float(high)) for low, high in mean_intervals(np.stack(columns, axis=1))]
    names = [f"{t:g}" for t in THRESHOLDS]
    tested = set(annotations.splits) == {"test"}
    return Scores(
        subset=subset,
        normalizer=normalizer,
        faces=len(nme),
        official_faces=annotations.official_faces.get("test" if subset == "all" and tested else subset),
        nme=float(nme.mean()) if len(nme) else float("nan"),
        nme_interval=intervals[0],
        failure_rate={name: failure_rate(nme, t) for name, t in zip(names, THRESHOLDS, strict=True)},
        failure_rate_interval=dict(zip(names, intervals[1 : 1 + len(names)], strict=True)),
        auc={name: area_under_ced(nme, t) for name, t in zip(names, THRESHOLDS, strict=True)},
        auc_interval=dict(zip(names, intervals[1 + len(names) :], strict=True)),
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

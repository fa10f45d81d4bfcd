"""Several predictors on the faces that all of them have, and how their errors differ."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.evaluation.bootstrap import mean_intervals
from acrloss.evaluation.predictions import Predictions
from acrloss.evaluation.scores import THRESHOLDS, Evaluation, Interval, evaluate


def nme_difference(evaluation: Evaluation, first: Evaluation) -> tuple[float, Interval]:
    """Mean of a predictor's NME less that of the first over the faces that both have, in %, and its 95 % interval.

    NaN where a predictor lost a face altogether, which makes its NME infinite.
    """
    both = np.isfinite(evaluation.nme[first.normalizer]) & np.isfinite(first.nme[first.normalizer])
    lost = np.isinf([evaluation.score.nme, first.score.nme]).any()
    if lost or not both.any():
        return float("nan"), (float("nan"), float("nan"))
    difference = (evaluation.nme[first.normalizer] - first.nme[first.normalizer])[both]
    low, high = mean_intervals(difference[:, None])[0]
    return float(difference.mean()), (float(low), float(high))


@dataclass(frozen=True)
class Ranking:
    """Which predictor is best, and how sure that is.

    Attributes:
        best: the one with the lowest NME.
        level: those that are not told apart from it: the interval of the difference holds 0, or there is none.
        worse: all others, which are worse for sure.
    """

    best: str
    level: tuple[str, ...]
    worse: tuple[str, ...]


def rank(nme: Mapping[str, float], difference: Callable[[str, str], tuple[float, Interval]]) -> Ranking:
    """Rank predictors by their NME.

    Args:
        nme: by name, at least one; one that is not finite comes last.
        difference: of the NME of the first name less that of the second, and its interval.
    """
    order = sorted(nme, key=lambda name: (not np.isfinite(nme[name]), nme[name]))
    best, *others = order
    # Worse for sure is one whose NME is infinite, too, where the best has one.
    worse = [n for n in others if difference(n, best)[1][0] > 0 or (np.isinf(nme[n]) and np.isfinite(nme[best]))]
    return Ranking(best, tuple(name for name in others if name not in worse), tuple(worse))


def rank_evaluations(evaluations: Mapping[str, Evaluation]) -> Ranking:
    """Rank predictors that were scored on the same faces."""
    return rank(
        {name: evaluation.score.nme for name, evaluation in evaluations.items()},
        lambda name, best: nme_difference(evaluations[name], evaluations[best]),
    )


def compare(
    annotations: Annotations,
    predictions: Mapping[str, Predictions],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    normalizer: str | None = None,
) -> dict[str, Evaluation]:
    """Score predictors, by name, on the faces for which each of them has landmarks and which can be scored.

    Args:
        annotations: the faces.
        predictions: of those faces.
        thresholds, normalizer: see `evaluate`.

    Raises:
        DataError: there is no such face.
    """
    shared = np.ones(len(annotations), dtype=np.bool_)
    for found in predictions.values():
        shared &= ~np.isnan(found.landmarks).all(axis=(1, 2))
    if not shared.any():
        raise DataError(f"no face has predictions of all of {', '.join(predictions)}; compare fewer of them")
    faces = annotations.select(shared)
    return {
        name: evaluate(
            faces,
            found.landmarks[shared],
            None if found.occlusion is None else found.occlusion[shared],
            thresholds=thresholds,
            normalizer=normalizer,
            role=found.role,
        )
        for name, found in predictions.items()
    }

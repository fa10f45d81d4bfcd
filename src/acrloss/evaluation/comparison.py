"""Several predictors on the faces that all of them have, and how their errors differ."""

from collections.abc import Mapping

import numpy as np

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.evaluation.bootstrap import mean_intervals
from acrloss.evaluation.predictions import Predictions
from acrloss.evaluation.scores import Evaluation, Interval, evaluate


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


def compare(annotations: Annotations, predictions: Mapping[str, Predictions]) -> dict[str, Evaluation]:
    """Score predictors, by name, on the faces for which each of them has landmarks and which can be scored.

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
        name: evaluate(faces, found.landmarks[shared], None if found.occlusion is None else found.occlusion[shared])
        for name, found in predictions.items()
    }

"""Errors by the difficulty of landmarks: how far each is from what the first modes of a shape model explain."""

import numpy as np

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.crops.crop import CropSpec, lay_into_frame
from acrloss.evaluation.metrics import mean_known
from acrloss.evaluation.scores import Evaluation
from acrloss.shapes.shape_model import ShapeModel

MODES = 4
"""Those whose residual agrees best with networks' errors (docs/study.md)."""
BINS = 5


def residuals(faces: Annotations, model: ShapeModel) -> Float:
    """(N, M) distance of each landmark from its Smooth-Face of `MODES` modes, in the model's unit; NaN for a face with
    missing landmarks."""
    # The shape model is of crops; faces are laid into its frame by their tight box.
    mean = model.mean.reshape(-1, 2).numpy()
    low, high = mean.min(axis=0), mean.max(axis=0)
    squares = CropSpec(enlargement=1.0).squares(faces.landmark_boxes())
    framed = lay_into_frame(faces.landmarks, squares, (high - low).max(), (low + high) / 2)
    smooth = model.smooth(framed, min(MODES, len(model.eigenvalues)))
    return np.asarray(np.linalg.norm(np.asarray(smooth) - framed, axis=-1))


def errors_by_difficulty(evaluation: Evaluation, model: ShapeModel) -> Float:
    """(5,) mean error of the landmarks in fifths, from the easiest to the hardest, in %."""
    residual = residuals(evaluation.annotations, model)
    errors = evaluation.errors[evaluation.normalizer]
    known = np.isfinite(residual) & np.isfinite(errors)
    order = np.argsort(residual[known], kind="stable")
    return np.array([mean_known(part, axis=0) for part in np.array_split(errors[known][order], BINS)])


def agreement(evaluation: Evaluation, model: ShapeModel) -> float:
    """Spearman's rank correlation of the landmarks' mean residual with their mean error; NaN where there is none."""
    residual = residuals(evaluation.annotations, model)
    errors = evaluation.errors[evaluation.normalizer]
    known = np.isfinite(residual) & np.isfinite(errors)
    means = [mean_known(np.where(known, values, np.nan), axis=0) for values in (residual, errors)]
    there = np.isfinite(means[0]) & np.isfinite(means[1])
    ranks = []
    for values in means:
        _, places, counts = np.unique(values[there], return_inverse=True, return_counts=True)
        # Equal values share the mean of their ranks.
        middle = np.cumsum(counts) - (counts - 1) / 2
        ranks.append(middle[places])
    if there.sum() < 3 or any(np.ptp(rank) == 0 for rank in ranks):
        return float("nan")
    return float(np.asarray(np.corrcoef(ranks))[0, 1])

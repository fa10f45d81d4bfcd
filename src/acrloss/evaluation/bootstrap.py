"""95 % intervals by resampling: of figures that are means over faces, and of those that are means over seeds too.

NME, failure rate and AUC are all means of one number of each face, and so is the difference of two predictors on the
same faces; `mean_intervals` serves them all. Where networks were trained with several seeds, `seed_mean_interval`
draws seeds as well as faces.
"""

import numpy as np

from acrloss.arrays import Float
from acrloss.evaluation.metrics import mean_known

RESAMPLES = 2000
# Faces drawn at a time; bounds memory to about 100 MB.
_DRAWN_AT_ONCE = 4_000_000


def mean_intervals(values: Float, *, resamples: int = RESAMPLES, seed: int = 0) -> Float:
    """95 % percentile bootstrap intervals of the means of the columns of `values`.

    Args:
        values: (N, K), a row for each face; infinite where a face was lost, never NaN.
        resamples: how often N faces are drawn with replacement.
        seed: the same seed and the same faces in the same order give the same intervals.

    Returns:
        (K, 2) lower and upper ends; NaN for fewer than two faces, whose spread is unknown.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    faces, columns = values.shape
    if faces < 2:
        return np.full((columns, 2), np.nan)
    # 0 times infinity is NaN: count how often infinite values are drawn, and sum the others.
    infinite = np.isinf(values)
    parts = np.concatenate([np.where(infinite, 0, values), infinite], axis=1)
    means = np.empty((resamples, columns))
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWN_AT_ONCE // faces)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.integers(0, faces, (count, faces)) + faces * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * faces).reshape(count, faces)
        sums = times.astype(np.float64) @ parts
        means[start : start + count] = np.where(sums[:, columns:] > 0, np.inf, sums[:, :columns] / faces)
    # No interpolation: between a finite and an infinite mean there is no number.
    return np.asarray(np.quantile(means, [0.025, 0.975], axis=0, method="inverted_cdf").T)


def seed_mean_interval(table: Float) -> tuple[float, float, float]:
    """Mean over seeds of the means over faces, and its 95 % percentile bootstrap interval over seeds and faces at once.

    Each resample draws seeds, and faces, which are the same ones in every seed. With one seed the interval is over
    faces alone.

    Args:
        table: (S, N), a row a seed, NaN where a seed does not have the face; each row has a number.

    Returns:
        Mean, lower and upper end.
    """
    seeds, faces = table.shape
    known = np.isfinite(table)
    values = np.where(known, table, 0)
    rng = np.random.default_rng(0)
    times = rng.multinomial(faces, np.full(faces, 1 / faces), RESAMPLES).astype(np.float64)
    drawn = rng.integers(0, seeds, (RESAMPLES, seeds))
    with np.errstate(invalid="ignore"):
        # A draw may have no face of a seed that has few, and then says nothing about that seed.
        by_seeds = (times @ values.T) / (times @ known.T.astype(np.float64))
    means = mean_known(np.take_along_axis(by_seeds, drawn, axis=1), axis=1)
    low, high = np.nanquantile(means, [0.025, 0.975])
    return float((values.sum(axis=1) / known.sum(axis=1)).mean()), float(low), float(high)

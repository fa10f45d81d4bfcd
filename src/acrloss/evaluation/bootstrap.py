"""95 % intervals of figures that are means over faces, by resampling the faces.

NME, failure rate and AUC are all means of one number of each face, and so is the difference of two predictors on the
same faces; one function serves them all.
"""

import numpy as np

from acrloss.arrays import Float

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

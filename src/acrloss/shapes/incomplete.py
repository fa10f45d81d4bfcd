"""Mean and scatter of faces of which landmarks are missing, by expectation maximisation.

Dempster, Laird & Rubin 1977; Little & Rubin, Statistical Analysis with Missing Data, 11.2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# As many faces tell mean and scatter well enough; more are thinned out evenly.
_MOST_FACES = 2000
_ROUNDS = 100
# Done when no covariance changes by more than this share of the largest variance.
_STILL = 1e-5
# Noise of the annotations, as a share of the mean variance: few faces leave directions in which nothing varies.
_NOISE = 1e-4


class Estimate(NamedTuple):
    """What a shape model needs to know of faces, some of them incomplete.

    Attributes:
        num_faces: how many took part.
        num_completed: those of them with missing coordinates, which were estimated.
        mean: (D,).
        scatter: (D, D) about the mean, as if all were complete; what is uncertain of missing coordinates is part of it.
    """

    num_faces: int
    num_completed: int
    mean: Tensor
    scatter: Tensor


def estimate_moments(faces: Tensor) -> Estimate:
    """Most likely mean and scatter of normally distributed faces (N, D), float64, NaN where a coordinate is missing.

    Every round puts the conditional mean given the face's other coordinates in the place of a missing one. It is right
    where landmarks are missing by chance; two landmarks that no face has together are taken as independent.

    Args:
        faces: each with at least one coordinate, each coordinate in at least one face. Of more than 2,000, as many are
            taken at even distances.
    """
    faces = faces[:: -(-len(faces) // _MOST_FACES)]
    missing = faces.isnan()
    mean = faces.nanmean(dim=0)
    # The first guess knows each coordinate alone.
    deviation = torch.where(missing, 0.0, faces - mean)
    covariance = torch.diag(deviation.square().sum(dim=0) / (~missing).sum(dim=0))
    scatter = covariance * len(faces)
    groups = [(rows, missing[rows].nonzero()[:, 1].view(len(rows), -1)) for rows in _by_count(missing)]
    for _ in range(_ROUNDS):
        if not covariance.diagonal().max() > 0:
            break  # nothing varies among what is known, and nothing can be told from it
        filled = torch.where(missing, mean, faces)
        noise = _NOISE * covariance.diagonal().mean() * torch.eye(len(mean), dtype=faces.dtype)
        precision = torch.linalg.inv(covariance + noise)
        uncertain = torch.zeros_like(covariance).flatten()
        pull = (filled - mean) @ precision
        for rows, columns in groups:
            # Missing coordinates, given the others, have the covariance P_mm⁻¹ and the mean μ_m - P_mm⁻¹ P_mo c_o.
            spread = torch.linalg.inv(precision[columns[:, :, None], columns[:, None, :]])
            shift = (spread @ pull[rows].gather(1, columns)[..., None])[..., 0]
            filled[rows] = filled[rows].scatter(1, columns, filled[rows].gather(1, columns) - shift)
            where = (columns[:, :, None] * len(mean) + columns[:, None, :]).flatten()
            uncertain.index_add_(0, where, spread.flatten())
        mean = filled.mean(dim=0)
        centred = filled - mean
        scatter = centred.T @ centred + uncertain.view_as(covariance)
        change = (scatter / len(faces) - covariance).abs().max()
        covariance = scatter / len(faces)
        if change <= _STILL * covariance.diagonal().max():
            break
    return Estimate(len(faces), int(missing.any(dim=1).sum()), mean, scatter)


def _by_count(missing: Tensor) -> list[Tensor]:
    """Rows of (N, D) grouped by how many coordinates are missing, those of complete faces left out."""
    counts = missing.sum(dim=1)
    return [(counts == count).nonzero()[:, 0] for count in sorted(set(counts.tolist())) if count]

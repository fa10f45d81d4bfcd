"""Landmarks of one scheme taken from those of another, where the same points are annotated.

98 → 68 picks points: every second one of the outline, the upper edges of the brows, the nose, six of the eight points
of each eye, the mouth. It is the choice of those who train on WFLW and test on 300-W (among them PIPNet).

68 → 29 picks points too, and takes the middles of the eyelids between the two points that 300-W has there. COFW's lower
edges of the brows and its pupils have no counterpart among the 68 and are missing; 98 → 29 has the pupils.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.schemes.lookup import get_scheme

# For each landmark of the target the landmarks of the source whose mean it is; none where it is missing.
_Sources = tuple[tuple[int, ...], ...]


def _single(*points: int) -> _Sources:
    return tuple((point,) for point in points)


_TO_68_FROM_98 = _single(
    *range(0, 33, 2),
    *range(33, 38),
    *range(42, 47),
    *range(51, 60),
    *(60, 61, 63, 64, 65, 67),
    *(68, 69, 71, 72, 73, 75),
    *range(76, 96),
)

_TO_29_FROM_68: _Sources = (
    # Brows: the outer ends, the inner ends, then the middles of the upper (and not the lower) edges.
    *_single(17, 26, 21, 22, 19),
    (),
    (24,),
    (),
    # Eyes: outer and inner corners, upper and lower lids.
    *_single(36, 45, 39, 42),
    (37, 38),
    (40, 41),
    (43, 44),
    (46, 47),
    # Pupils.
    (),
    (),
    # Nose: wings, tip, base.
    *_single(31, 35, 30, 33),
    # Mouth: corners, upper lip from above, lower lip to below; chin.
    *_single(48, 54, 51, 62, 66, 57, 8),
)

_TO_29_FROM_98: _Sources = tuple(
    {16: (96,), 17: (97,)}.get(m, tuple(_TO_68_FROM_98[point][0] for point in points))
    for m, points in enumerate(_TO_29_FROM_68)
)

_MAPS: dict[tuple[str, str], _Sources] = {
    ("wflw98", "ibug68"): _TO_68_FROM_98,
    ("ibug68", "cofw29"): _TO_29_FROM_68,
    ("wflw98", "cofw29"): _TO_29_FROM_98,
}


def scheme_maps() -> list[tuple[str, str]]:
    """The pairs (source, target) of schemes that `map_landmarks` knows."""
    return list(_MAPS)


def map_landmarks(landmarks: ArrayLike, source: str, target: str) -> NDArray[np.float64]:
    """Landmarks (..., M, 2) of the scheme `source` as landmarks (..., K, 2) of `target`, float64.

    A landmark is NaN where the source has no such point, or where a point that it is made of is missing.

    Raises:
        ValueError: no map between the two schemes, or another number of landmarks.
    """
    if (source, target) not in _MAPS:
        known = ", ".join(f"{a} to {b}" for a, b in _MAPS)
        raise ValueError(f"no landmarks of {target} are defined from those of {source}; known: {known}")
    points = np.asarray(landmarks, dtype=np.float64)
    count = get_scheme(source).num_landmarks
    if points.ndim < 2 or points.shape[-2:] != (count, 2):
        raise ValueError(f"expected landmarks (..., {count}, 2) of {source}, got {points.shape}")
    chosen = _MAPS[source, target]
    mapped = np.full((*points.shape[:-2], len(chosen), 2), np.nan)
    for k, members in enumerate(chosen):
        if members:
            mapped[..., k, :] = points[..., members, :].mean(axis=-2)
    return mapped

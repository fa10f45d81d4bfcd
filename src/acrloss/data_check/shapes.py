"""Shapes unlike the others: swapped sides, landmarks out of place, wrong flip pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acrloss.annotations import Annotations
from acrloss.data_check.findings import Finding, short_name
from acrloss.errors import DataError
from acrloss.schemes import Scheme
from acrloss.schemes.mirror import check_flip
from acrloss.shapes.outliers import ShapeJudge, robust_z

SHAPE_Z = 4.0
"""Robust z (`acrloss.shapes.outliers.robust_z`) from which a shape is unusual. On 300-W, 7 of 2570 faces."""

LANDMARK_Z = 3.0
"""The same for a face's most surprising landmark. On 300-W, 29 faces; two in three of them wrongly annotated."""

_ORDINARY_Z = 3.0

_SWAP_GAIN = 2.0  # how many times nearer a swapped face must be to the ordinary ones once exchanged


def find_odd_shapes(annotations: Annotations, notes: list[str]) -> list[Finding]:
    """Unusual shapes, landmarks out of place, swapped sides and wrong flip pairs."""
    landmarks, scheme = annotations.landmarks, annotations.scheme
    mirrors = scheme.has_flip_pairs
    if not mirrors:
        notes.append(f"scheme {scheme.name} has no flip pairs: swapped sides were not looked for")
    try:
        judge = ShapeJudge.fit(landmarks)
    except DataError as error:
        notes.append(f"shapes were not judged: {error}")
        return []
    findings = []
    complete = landmarks[np.isfinite(landmarks).all(axis=(1, 2))]
    if mirrors:
        try:
            check_flip(scheme, complete)
        except (DataError, ValueError) as error:
            findings.append(Finding("flip", 1.0, str(error)))

    distance = judge.distance(landmarks)
    unusual = robust_z(distance)
    swapped: dict[int, tuple[int, ...]] = {}
    if mirrors:
        groups = _swappable(scheme)
        exchanged = judge.swapped(landmarks, scheme.flip, groups)
        which = exchanged.argmin(axis=0)
        least = exchanged.min(axis=0)
        gain = np.where(np.isinf(distance), 0.0, distance) / least
        ordinary = robust_z(least, among=distance) < _ORDINARY_Z
        for face in np.flatnonzero((gain > _SWAP_GAIN) & ordinary).tolist():
            swapped[face] = groups[which[face]]
            part = "all landmarks" if which[face] == 0 else f"landmarks {_ranges(swapped[face])}"
            what, place = f"left and right look swapped for {part}", short_name(annotations.images[face])
            findings.append(
                Finding("swap", float(gain[face]), what, (annotations.images[face],), (face,), swapped[face], place)
            )
    length, surprise = judge.jumps(landmarks)
    out_of_place = robust_z(surprise.max(axis=1))
    for face in range(len(landmarks)):
        name, images = short_name(annotations.images[face]), (annotations.images[face],)
        if face in swapped:
            continue
        if np.isinf(distance[face]):
            what = "all landmarks lie on one point"
            findings.append(Finding("shape", 1e9, what, images, (face,), place=name))
            continue
        if unusual[face] > SHAPE_Z:
            times = distance[face] / float(np.median(distance))
            what = f"{times:,.1f} times as far from the mean shape as the median face"
            findings.append(Finding("shape", float(unusual[face]), what, images, (face,), place=name))
        if out_of_place[face] > LANDMARK_Z:
            worst = int(surprise[face].argmax())
            what = (
                f"landmark {worst} is out of place by {100 * length[face, worst]:.0f} % of the face's size "
                f"({surprise[face, worst]:.0f} standard deviations)"
            )
            findings.append(Finding("landmark", float(out_of_place[face]), what, images, (face,), (worst,), name))
    return findings


def _swappable(scheme: Scheme) -> list[tuple[int, ...]]:
    """All landmarks, and every region with its partner: what annotators and converters exchange."""
    groups = [tuple(range(scheme.num_landmarks))]
    for points in scheme.regions.values():
        group = tuple(sorted({*points, *(scheme.flip[m] for m in points)}))
        if group not in groups and any(scheme.flip[m] != m for m in group):
            groups.append(group)
    return groups


def _ranges(numbers: Sequence[int]) -> str:
    """Rising numbers as text, such as "0-16, 20"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)

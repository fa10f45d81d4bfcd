"""Faces that are annotated twice, lie outside their picture or their box, or are in two splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.boxes import overlap
from acrloss.data_check.findings import Finding, Look, short_name

_SAME_FACE_OVERLAP = 0.5

_BOX_OVERLAP = 0.2

# This many landmarks on one point, and this share of a face's, are no coincidence of whole pixels.
_ON_ONE_POINT = 3
_SHARE_ON_ONE_POINT = 0.1

_ROUNDING = 1.0  # pixels outside the image that rounding and cutting leave behind


def face_sides(annotations: Annotations) -> Float:
    """(N,) longer side of each face's landmark box in pixels, NaN where it has no landmark."""
    boxes = annotations.landmark_boxes()
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1))


def find_person_leaks(annotations: Annotations) -> list[Finding]:
    faces_of: dict[str, list[int]] = defaultdict(list)
    for face, (person, split) in enumerate(zip(annotations.persons, annotations.splits, strict=True)):
        if person and split:
            faces_of[person].append(face)
    findings = []
    for person, faces in faces_of.items():
        counts = Counter(annotations.splits[face] for face in faces)
        if len(counts) > 1:
            where = ", ".join(f"{count} in {split}" for split, count in sorted(counts.items()))
            images = tuple(dict.fromkeys(annotations.images[face] for face in faces))
            findings.append(Finding("person leak", float(len(faces)), where, images, tuple(faces), place=person))
    return findings


def find_annotated_twice(annotations: Annotations, faces_of: dict[int, list[int]]) -> list[Finding]:
    boxes, sides = annotations.landmark_boxes(), face_sides(annotations)
    findings = []
    for faces in faces_of.values():
        for at, first in enumerate(faces):
            for second in faces[at + 1 :]:
                person = annotations.persons[first]
                same_person = person != "" and person == annotations.persons[second]
                if not overlap(boxes[first], boxes[second]) > (0 if same_person else _SAME_FACE_OVERLAP):
                    continue
                apart = np.linalg.norm(annotations.landmarks[first] - annotations.landmarks[second], axis=1)
                if np.isnan(apart).all():
                    continue
                share = float(np.nanmean(apart)) / max(float(np.nanmax(sides[[first, second]])), 1e-9)
                worst = int(np.nanargmax(apart))
                whom = "person" if same_person else "face"
                what = (
                    f"two annotations of one {whom}, {100 * share:.0f} % of "
                    f"the face apart on average, landmark {worst} by {apart[worst]:.1f} px"
                )
                findings.append(
                    Finding(
                        "annotated twice",
                        share,
                        what,
                        (annotations.images[first],),
                        (first, second),
                        (worst,),
                        short_name(annotations.images[first]),
                    )
                )
    return findings


def find_one_point(annotations: Annotations) -> list[Finding]:
    """Faces of which many landmarks lie at exactly one point; lips that touch share theirs by twos."""
    many = max(_ON_ONE_POINT, annotations.scheme.num_landmarks * _SHARE_ON_ONE_POINT)
    findings = []
    for face, marks in enumerate(annotations.landmarks):
        known = np.flatnonzero(~np.isnan(marks).any(axis=1))
        points, which, counts = np.unique(marks[known], axis=0, return_inverse=True, return_counts=True)
        if not len(counts) or counts.max() < many:
            continue
        at = int(counts.argmax())
        share = counts[at] / len(marks)
        x, y = points[at].tolist()
        what, place = f"{counts[at]} landmarks at ({x:g}, {y:g})", short_name(annotations.images[face])
        members = tuple(known[which.reshape(-1) == at].tolist())
        findings.append(Finding("one point", float(share), what, (annotations.images[face],), (face,), members, place))
    return findings


def find_outside(annotations: Annotations, image_of: Sequence[int], looks: Sequence[Look]) -> list[Finding]:
    sides = face_sides(annotations)
    findings = []
    for face, image in enumerate(image_of):
        look = looks[image]
        if not isinstance(look, tuple):
            continue
        marks = annotations.landmarks[face]
        # The image spans from -0.5 to its size less 0.5.
        beyond = np.maximum(-0.5 - marks, marks - (np.array(look[:2]) - 0.5)).max(axis=1)
        out = np.flatnonzero(np.nan_to_num(beyond) > 0)
        if out.size and (reach := float(beyond[out].max())) > _ROUNDING:
            what = f"{len(out)} landmarks up to {reach:.1f} px outside the image"
            findings.append(
                Finding(
                    "outside",
                    reach / max(float(sides[face]), 1e-9),
                    what,
                    (annotations.images[face],),
                    (face,),
                    tuple(out.tolist()),
                    short_name(annotations.images[face]),
                )
            )
    return findings


def find_far_boxes(annotations: Annotations) -> list[Finding]:
    findings = []
    for face, (box, tight) in enumerate(zip(annotations.boxes, annotations.landmark_boxes(), strict=True)):
        if (
            np.isfinite(box).all()
            and np.isfinite(tight).all()
            and (shared := float(overlap(box, tight))) < _BOX_OVERLAP
        ):
            what, place = (
                f"its box and its landmarks overlap by {100 * shared:.0f} %",
                short_name(annotations.images[face]),
            )
            findings.append(Finding("box", 1 - shared, what, (annotations.images[face],), (face,), place=place))
    return findings

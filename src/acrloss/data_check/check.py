"""What is wrong with a data set: pictures, splits, people and landmarks looked over before anything is trained."""

from __future__ import annotations

import json
import os.path
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.data_check.faces import (
    face_sides,
    find_annotated_twice,
    find_far_boxes,
    find_one_point,
    find_outside,
    find_person_leaks,
)
from acrloss.data_check.findings import KINDS, DataCheck, Finding, Look, worded
from acrloss.data_check.page import build_page, draw_gallery
from acrloss.data_check.pictures import find_same_pictures, look_at
from acrloss.data_check.shapes import find_odd_shapes
from acrloss.files import write_atomic
from acrloss.images.threads import in_threads
from acrloss.progress_hook import Progress, no_progress
from acrloss.reports.page import write_report


def check_data(
    annotations: Annotations,
    output: str | Path,
    *,
    progress: Progress = no_progress,
) -> tuple[DataCheck, Path]:
    """Look a data set over and write check.json and check.html, the page with pictures, into `output`.

    Args:
        annotations: the faces (at least one), read with repeated="keep" so that faces annotated twice are found.
        output: folder, made if needed.
        progress: wraps an iterable of known length, for a progress bar.

    Returns:
        The findings, and the path of check.html.

    Raises:
        DataError: the folder cannot be written.
    """
    output = Path(output)
    checked = find_problems(annotations, progress=progress)
    report = {**checked.facts, "notes": checked.notes, "findings": [finding.to_dict() for finding in checked.findings]}
    write_atomic(output / "check.json", json.dumps(report, indent=1) + "\n")
    galleries = []
    for kind in progress(list(KINDS), "drawing", len(KINDS)):
        if gallery := draw_gallery(annotations, checked.of_kind(kind)):
            galleries.append(gallery)
    return checked, write_report(output, build_page(annotations, checked, galleries), name="check.html")


def find_problems(
    annotations: Annotations,
    *,
    progress: Progress = no_progress,
) -> DataCheck:
    """Decode every image and judge every face; see `check_data`."""
    named = [image if "://" in image else os.path.normpath(image) for image in annotations.images]
    references = list(dict.fromkeys(named))
    position = {reference: i for i, reference in enumerate(references)}
    image_of = [position[name] for name in named]
    looks = list(progress(in_threads(look_at, references), "decoding", len(references)))
    faces_of: dict[int, list[int]] = defaultdict(list)
    for face, image in enumerate(image_of):
        faces_of[image].append(face)

    findings = [
        Finding("unreadable", 1.0, look, (reference,), tuple(faces_of[position[reference]]))
        for reference, look in zip(references, looks, strict=True)
        if isinstance(look, str)
    ]
    findings += [Finding("left out", 1.0, reason) for reason in annotations.skipped]
    findings += [
        Finding("changed", float(note.count), note.line) for note in annotations.notes if note.kind != "left out"
    ]
    findings += [
        Finding(
            "unused split",
            float(count),
            f"{annotations.scheme.count(count)} in {f'split {name!r}' if name else 'no split'}",
        )
        for name, count in annotations.unused_splits().items()
    ]
    findings += find_same_pictures(annotations, references, faces_of, looks)
    findings += find_person_leaks(annotations)
    findings += find_annotated_twice(annotations, faces_of)
    findings += find_one_point(annotations)
    findings += find_outside(annotations, image_of, looks)
    findings += find_far_boxes(annotations)
    notes: list[str] = []
    if without := sum(look is None for look in looks):
        notes.append(f"{annotations.scheme.count(without)} have annotations only: there are no pictures to look at")
    findings += find_odd_shapes(annotations, notes)
    order = {kind: i for i, kind in enumerate(KINDS)}
    scheme = annotations.scheme
    # What has no place may hold the names of files.
    findings = [replace(f, what=worded(f.what, scheme)) if f.place and f.kind != "person leak" else f for f in findings]
    findings.sort(key=lambda finding: (order[finding.kind], -finding.severity))
    return DataCheck(_facts(annotations, looks), tuple(findings), tuple(notes))


def _facts(annotations: Annotations, looks: Sequence[Look]) -> dict[str, Any]:
    sizes = np.array([look[:2] for look in looks if isinstance(look, tuple)]).reshape(-1, 2)
    missing = np.isnan(annotations.landmarks).any(axis=2)
    sides = face_sides(annotations)
    return {
        "source": annotations.source,
        "scheme": annotations.scheme.name,
        "landmarks_per_face": annotations.scheme.num_landmarks,
        "faces": len(annotations),
        "images": sum(look is not None for look in looks),
        "images_unreadable": sum(isinstance(look, str) for look in looks),
        "left_out_by_the_reader": len(annotations.skipped),
        "people": len({person for person in annotations.persons if person}),
        "splits": dict(Counter(annotations.splits)),
        "subsets": {name: len(annotations.subset(name)) for name in annotations.subset_names},
        "missing_landmarks": int(missing.sum()),
        "hidden_landmarks": int((~annotations.visible & ~missing).sum()),
        "faces_with_a_box": int(np.isfinite(annotations.boxes).all(axis=1).sum()),
        "image_width": _spread(sizes[:, 0]),
        "image_height": _spread(sizes[:, 1]),
        "face_size": _spread(sides),
    }


def _spread(values: NDArray[Any]) -> dict[str, float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    return {"min": float(values.min()), "median": float(np.median(values)), "max": float(values.max())}

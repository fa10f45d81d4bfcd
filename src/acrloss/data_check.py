"""What is wrong with a data set: pictures, splits, people and landmarks looked over before anything is trained."""

from __future__ import annotations

import json
import os.path
import textwrap
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float, Image
from acrloss.boxes import overlap
from acrloss.crops.crop import apply_matrix
from acrloss.duplicates import Fingerprint, duplicate_groups, fingerprint
from acrloss.errors import DataError
from acrloss.figures.draw import contact_sheet, draw_landmarks, face_tile
from acrloss.files import write_atomic
from acrloss.images import NO_IMAGE, read_image
from acrloss.images.encode import encode_jpeg
from acrloss.images.threads import in_threads
from acrloss.progress_hook import Progress, no_progress
from acrloss.report import ReportContent, write_report
from acrloss.schemes import Scheme
from acrloss.schemes.mirror import check_flip
from acrloss.shapes.outliers import ShapeJudge, robust_z

KINDS = {
    "unreadable": ("unreadable images", "The file cannot be decoded to its end."),
    "left out": ("faces left out by the reader", "Missing images, broken lines, landmarks far outside the image."),
    "split leak": ("pictures in two splits", "The same picture trains and tests: the score flatters the network."),
    "person leak": ("people in two splits", "A person known from training is easier to get right in the test."),
    "flip": ("flip pairs", "Mirrored training faces would get wrong landmarks."),
    "annotated twice": ("faces annotated twice", "Blue and yellow are two annotations of one face in one picture."),
    "duplicate": ("pictures there twice", "The same picture in several files of one split; frames of a video too."),
    "swap": ("left and right swapped", "With left and right exchanged the landmarks make an ordinary face."),
    "landmark": (
        "landmarks out of place",
        "The light landmark lies far from where the others of its face put it.",
    ),
    "shape": ("unusual shapes", "Unlike the other faces as a whole: a wrong annotation, a grimace or a rare pose."),
    "outside": ("landmarks outside the image", "There is no picture under these landmarks."),
    "box": ("boxes elsewhere", "The face's box and its landmarks overlap by less than a fifth."),
}
"""Kind of finding -> its title and what it means, by what it does to a trained network."""

SHAPE_Z = 4.0
"""Robust z (`acrloss.shapes.outliers.robust_z`) from which a shape is unusual. On 300-W, 7 of 2570 faces."""
LANDMARK_Z = 3.0
"""The same for a face's most surprising landmark. On 300-W, 29 faces; two in three of them wrongly annotated."""
_ORDINARY_Z = 3.0
_SWAP_GAIN = 2.0  # how many times nearer a swapped face must be to the ordinary ones once exchanged
_SAME_FACE_OVERLAP = 0.5
_BOX_OVERLAP = 0.2
_ROUNDING = 1.0  # pixels outside the image that rounding and cutting leave behind
_PICTURED = 24


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        kind: one of `KINDS`.
        severity: larger is worse; comparable within a kind.
        message: what is wrong, in one line.
        images: references of the pictures concerned.
        faces: their positions in the annotations.
        landmarks: those at fault, where that is known.
    """

    kind: str
    severity: float
    message: str
    images: tuple[str, ...] = ()
    faces: tuple[int, ...] = ()
    landmarks: tuple[int, ...] = ()


@dataclass(frozen=True)
class DataCheck:
    """Findings of `find_problems`, the most serious kind first, worst first within a kind.

    Attributes:
        facts: counts and sizes, in plain JSON types.
        findings: what to look at.
        notes: checks that could not be made, and why.
    """

    facts: dict[str, Any]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    def of_kind(self, kind: str) -> list[Finding]:
        """The findings of one kind, worst first."""
        return [finding for finding in self.findings if finding.kind == kind]


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
    report = {**checked.facts, "notes": checked.notes, "findings": [asdict(finding) for finding in checked.findings]}
    write_atomic(output / "check.json", json.dumps(report, indent=1) + "\n")
    figures = []
    for kind in progress(list(KINDS), "drawing", len(KINDS)):
        if picture := _sheet(annotations, checked.of_kind(kind)):
            figures.append(picture)
    return checked, write_report(output, _page(annotations, checked, figures), name="check.html")


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
    looks = list(progress(in_threads(_look, references), "decoding", len(references)))
    faces_of: dict[int, list[int]] = defaultdict(list)
    for face, image in enumerate(image_of):
        faces_of[image].append(face)

    findings = [
        Finding("unreadable", 1.0, look, (reference,), tuple(faces_of[position[reference]]))
        for reference, look in zip(references, looks, strict=True)
        if isinstance(look, str)
    ]
    findings += [Finding("left out", 1.0, reason) for reason in annotations.skipped]
    findings += _same_pictures(annotations, references, faces_of, looks)
    findings += _people(annotations)
    findings += _annotated_twice(annotations, faces_of)
    findings += _outside(annotations, image_of, looks)
    findings += _boxes(annotations)
    notes: list[str] = []
    if without := sum(look is None for look in looks):
        notes.append(f"{without} faces have annotations only: there are no pictures to look at")
    findings += _shapes(annotations, notes)
    order = {kind: i for i, kind in enumerate(KINDS)}
    findings.sort(key=lambda finding: (order[finding.kind], -finding.severity))
    return DataCheck(_facts(annotations, looks), tuple(findings), tuple(notes))


_Look = tuple[int, int, Fingerprint] | str | None
"""Width, height and fingerprint of an image, why it cannot be read, or None where there are annotations only."""


def _look(reference: str) -> _Look:
    if reference.startswith(NO_IMAGE):
        return None
    try:
        image = read_image(reference)
    except DataError as error:
        return str(error)
    return image.shape[1], image.shape[0], fingerprint(image)


def _facts(annotations: Annotations, looks: Sequence[_Look]) -> dict[str, Any]:
    sizes = np.array([look[:2] for look in looks if isinstance(look, tuple)]).reshape(-1, 2)
    missing = np.isnan(annotations.landmarks).any(axis=2)
    sides = _sides(annotations)
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


def _sides(annotations: Annotations) -> Float:
    """(N,) longer side of each face's landmark box in pixels, NaN where it has no landmark."""
    boxes = annotations.landmark_boxes()
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1))


def _same_pictures(
    annotations: Annotations,
    references: Sequence[str],
    faces_of: dict[int, list[int]],
    looks: Sequence[_Look],
) -> list[Finding]:
    readable = [i for i, look in enumerate(looks) if isinstance(look, tuple)]
    groups = duplicate_groups([look[2] for look in looks if isinstance(look, tuple)])
    found: list[tuple[tuple[int, ...], bool, float]] = [
        (tuple(readable[i] for i in group.members), group.identical, group.similarity) for group in groups
    ]
    grouped = {i for images, _, _ in found for i in images}
    found += [((i,), True, 1.0) for i in range(len(references)) if i not in grouped]
    findings = []
    for images, identical, similarity in found:
        faces = [face for i in images for face in faces_of[i]]
        splits = sorted({annotations.splits[face] for face in faces} - {""})
        people = {annotations.persons[face] for face in faces} - {""}
        if len(images) == 1 and len(splits) < 2:
            continue
        names = ", ".join(_name(references[i]) for i in images[:4]) + (" …" if len(images) > 4 else "")
        same = "the same pixels" if identical else f"alike (correlation {similarity:.3f})"
        if len(splits) > 1:
            kind, message = "split leak", f"{names}: {same}, in {' and '.join(splits)}"
        else:
            kind, message = "duplicate", f"{len(images)} files {same}: {names}"
        # Frames of one person's video are alike by nature: of duplicates they come last.
        frames = kind == "duplicate" and len(people) == 1 and not identical
        severity = (2.0 if identical else similarity) - (1.0 if frames else 0.0)
        findings.append(Finding(kind, severity, message, tuple(references[i] for i in images), tuple(faces)))
    return findings


def _people(annotations: Annotations) -> list[Finding]:
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
            findings.append(Finding("person leak", float(len(faces)), f"{person}: {where}", images, tuple(faces)))
    return findings


def _annotated_twice(annotations: Annotations, faces_of: dict[int, list[int]]) -> list[Finding]:
    boxes, sides = annotations.landmark_boxes(), _sides(annotations)
    findings = []
    for faces in faces_of.values():
        for at, first in enumerate(faces):
            for second in faces[at + 1 :]:
                person = annotations.persons[first]
                same_person = person != "" and person == annotations.persons[second]
                if not same_person and not overlap(boxes[first], boxes[second]) > _SAME_FACE_OVERLAP:
                    continue
                apart = np.linalg.norm(annotations.landmarks[first] - annotations.landmarks[second], axis=1)
                if np.isnan(apart).all():
                    continue
                share = float(np.nanmean(apart)) / max(float(np.nanmax(sides[[first, second]])), 1e-9)
                worst = int(np.nanargmax(apart))
                whom = "person" if same_person else "face"
                message = (
                    f"{_name(annotations.images[first])}: two annotations of one {whom}, {100 * share:.0f} % of the "
                    f"face apart on average, landmark {worst} by {apart[worst]:.1f} px"
                )
                findings.append(
                    Finding("annotated twice", share, message, (annotations.images[first],), (first, second), (worst,))
                )
    return findings


def _outside(annotations: Annotations, image_of: Sequence[int], looks: Sequence[_Look]) -> list[Finding]:
    sides = _sides(annotations)
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
            message = f"{_name(annotations.images[face])}: {len(out)} landmarks up to {reach:.1f} px outside the image"
            findings.append(
                Finding(
                    "outside",
                    reach / max(float(sides[face]), 1e-9),
                    message,
                    (annotations.images[face],),
                    (face,),
                    tuple(out.tolist()),
                )
            )
    return findings


def _boxes(annotations: Annotations) -> list[Finding]:
    findings = []
    for face, (box, tight) in enumerate(zip(annotations.boxes, annotations.landmark_boxes(), strict=True)):
        if (
            np.isfinite(box).all()
            and np.isfinite(tight).all()
            and (shared := float(overlap(box, tight))) < _BOX_OVERLAP
        ):
            name = _name(annotations.images[face])
            message = f"{name}: its box and its landmarks overlap by {100 * shared:.0f} %"
            findings.append(Finding("box", 1 - shared, message, (annotations.images[face],), (face,)))
    return findings


def _shapes(annotations: Annotations, notes: list[str]) -> list[Finding]:
    """Unusual shapes, landmarks out of place, swapped sides and wrong flip pairs."""
    landmarks, scheme = annotations.landmarks, annotations.scheme
    mirrors = scheme.flip != tuple(range(scheme.num_landmarks))
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
            message = f"{_name(annotations.images[face])}: left and right look swapped for {part}"
            findings.append(
                Finding("swap", float(gain[face]), message, (annotations.images[face],), (face,), swapped[face])
            )
    length, surprise = judge.jumps(landmarks)
    out_of_place = robust_z(surprise.max(axis=1))
    for face in range(len(landmarks)):
        name, images = _name(annotations.images[face]), (annotations.images[face],)
        if face in swapped:
            continue
        if np.isinf(distance[face]):
            message = f"{name}: all landmarks lie on one point"
            findings.append(Finding("shape", 1e9, message, images, (face,)))
            continue
        if unusual[face] > SHAPE_Z:
            times = distance[face] / float(np.median(distance))
            message = f"{name}: {times:.1f} times as far from the mean shape as the median face"
            findings.append(Finding("shape", float(unusual[face]), message, images, (face,)))
        if out_of_place[face] > LANDMARK_Z:
            worst = int(surprise[face].argmax())
            message = (
                f"{name}: landmark {worst} is out of place by {100 * length[face, worst]:.0f} % of the face's size "
                f"({surprise[face, worst]:.0f} standard deviations)"
            )
            findings.append(Finding("landmark", float(out_of_place[face]), message, images, (face,), (worst,)))
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


def _name(reference: str) -> str:
    """The last three parts of an image's path: enough to tell 300-W's folders apart."""
    return "/".join(Path(reference).parts[-3:]) if "://" not in reference else reference


def _sheet(annotations: Annotations, findings: Sequence[Finding]) -> tuple[str, bytes] | None:
    """The worst findings of a kind drawn, with their caption; None where there is nothing to draw."""
    pictures: list[Image] = []
    captions: list[str] = []
    shown = 0
    for finding in findings:
        try:
            drawn = _draw(annotations, finding)
        except (DataError, ValueError):
            continue
        if len(pictures) + len(drawn) > _PICTURED:
            break
        shown += bool(drawn)
        pictures += [picture for picture, _ in drawn]
        captions += [f"{shown}. {caption}" for _, caption in drawn]
    if not pictures:
        return None
    title, meaning = KINDS[findings[0].kind]
    count = f"{len(findings)}" if shown == len(findings) else f"worst {shown} of {len(findings)}"
    sheet = contact_sheet(pictures, captions, columns=4, tile=300)
    return f"{title[0].upper()}{title[1:]} ({count}). {meaning}", encode_jpeg(sheet, 85)


def _draw(annotations: Annotations, finding: Finding) -> list[tuple[Image, str]]:
    """The pictures of a finding with their captions."""
    if finding.kind in ("unreadable", "left out", "person leak", "flip"):
        return []
    if finding.kind in ("split leak", "duplicate"):
        # One face of each of two pictures, from different splits if there are such.
        by_split = {annotations.splits[face]: face for face in reversed(finding.faces)}
        by_image = {annotations.images[face]: face for face in reversed(finding.faces)}
        pair = list((by_split if len(by_split) > 1 else by_image).values())[::-1][:2]
        return [(_tile(annotations, face), _pair_caption(annotations, face)) for face in pair]
    face = finding.faces[0]
    name, _, what = finding.message.partition(": ")
    caption = "\n".join([Path(name).name, *textwrap.wrap(what, 30)[:3]])
    if finding.kind == "annotated twice":
        return [(_tile(annotations, finding.faces[1], reference=face), caption)]
    return [(_tile(annotations, face, at_fault=finding.landmarks if finding.kind == "landmark" else ()), caption)]


def _pair_caption(annotations: Annotations, face: int) -> str:
    return f"{Path(annotations.images[face]).name}\n{annotations.splits[face] or 'no split'}"


def _tile(annotations: Annotations, face: int, reference: int | None = None, at_fault: Sequence[int] = ()) -> Image:
    marks = annotations.landmarks[face]
    around = marks if reference is None else np.concatenate([marks, annotations.landmarks[reference]])
    tile, matrix = face_tile(read_image(annotations.images[face]), around, 400)
    values = None
    if at_fault:
        values = np.zeros(len(marks))
        values[list(at_fault)] = 1.0
    return draw_landmarks(
        tile,
        apply_matrix(matrix, marks),
        annotations.scheme,
        reference=None if reference is None else apply_matrix(matrix, annotations.landmarks[reference]),
        values=values,
        value_range=(0, 1),
        visible=annotations.visible[face],
    )


def summary_rows(checked: DataCheck) -> list[tuple[str, str, str]]:
    """(title, count, worst) of every kind that was found, or one row that says that nothing was."""
    rows = []
    for kind, (title, _) in KINDS.items():
        found = checked.of_kind(kind)
        if found:
            rows.append((title, f"{len(found)}", found[0].message))
    return rows or [("nothing to report", "0", "")]


def _page(annotations: Annotations, checked: DataCheck, figures: Sequence[tuple[str, bytes]]) -> ReportContent:
    facts = checked.facts
    size = facts["face_size"]
    sizes = [
        (title, *(f"{facts[key][name]:.0f}" if facts[key] else "-" for name in ("min", "median", "max")))
        for title, key in (
            ("image width (px)", "image_width"),
            ("image height (px)", "image_height"),
            ("face: longer side of the landmark box (px)", "face_size"),
        )
    ]
    parts = [(name or "no split", f"{count}") for name, count in facts["splits"].items()]
    parts += [(f"subset {name}", f"{count}") for name, count in facts["subsets"].items()]
    details = []
    for kind, (title, meaning) in KINDS.items():
        if found := checked.of_kind(kind):
            lines = "\n".join(finding.message for finding in found[:1000])
            details.append((f"{title} ({len(found)})", f"{meaning}\n\n{lines}"))
    if checked.notes:
        details.append(("Not checked", "\n".join(checked.notes)))
    return ReportContent(
        title=f"acrloss data check: {annotations.source}",
        headline=f"{len(checked.findings)} findings in {facts['faces']} faces"
        if checked.findings
        else f"nothing to report in {facts['faces']} faces",
        summary="Findings are things to look at, worst first; whether they are mistakes is for you to say. "
        "check.json beside this page lists all of them for programs.",
        highlights=[
            (f"{facts['faces']}", "faces"),
            (f"{facts['images']}", "images"),
            (f"{size['median']:.0f} px" if size else "-", "median size of a face"),
            (f"{len(checked.findings)}", "findings"),
        ],
        tables=[
            ("Findings, by what they do to a trained network", ("finding", "count", "worst"), summary_rows(checked)),
            ("Sizes", ("", "smallest", "median", "largest"), sizes),
            ("Faces", ("part", "faces"), parts),
        ],
        figures=figures,
        details=details,
    )

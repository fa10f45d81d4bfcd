"""Pictures that cannot be read, or are there twice."""

from __future__ import annotations

from collections.abc import Sequence

from acrloss.annotations import Annotations
from acrloss.data_check.duplicates import duplicate_groups, fingerprint
from acrloss.data_check.findings import Finding, Look, short_name
from acrloss.errors import DataError
from acrloss.images import NO_IMAGE, read_image


def look_at(reference: str) -> Look:
    if reference.startswith(NO_IMAGE):
        return None
    try:
        image = read_image(reference)
    except DataError as error:
        return str(error)
    return image.shape[1], image.shape[0], fingerprint(image)


def find_same_pictures(
    annotations: Annotations,
    references: Sequence[str],
    faces_of: dict[int, list[int]],
    looks: Sequence[Look],
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
        names = ", ".join(short_name(references[i]) for i in images[:4]) + (" …" if len(images) > 4 else "")
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

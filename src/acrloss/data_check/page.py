"""The findings of a data set as a page with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acrloss.annotations import Annotations
from acrloss.arrays import Image
from acrloss.crops.crop import apply_matrix
from acrloss.data_check.findings import KINDS, DataCheck, Finding, summary_rows, worded
from acrloss.errors import DataError
from acrloss.figures.draw import draw_landmarks, face_tile
from acrloss.images import read_image
from acrloss.images.encode import encode_jpeg
from acrloss.reports.page import Gallery, ReportContent

_PICTURED = 24
_TILE = 480


def draw_gallery(annotations: Annotations, findings: Sequence[Finding]) -> Gallery | None:
    """The worst findings of a kind drawn; None where there is nothing to draw."""
    pictures: list[tuple[str, bytes]] = []
    shown = 0
    for finding in findings:
        try:
            drawn = _draw(annotations, finding)
        except (DataError, ValueError):
            continue
        if len(pictures) + len(drawn) > _PICTURED:
            break
        shown += bool(drawn)
        pictures += [(f"{shown}. {caption}", encode_jpeg(picture, 85)) for picture, caption in drawn]
    if not pictures:
        return None
    title, meaning = (worded(text, annotations.scheme) for text in KINDS[findings[0].kind])
    count = f"{len(findings):,}" if shown == len(findings) else f"worst {shown} of {len(findings):,}"
    return Gallery(f"{title[0].upper()}{title[1:]} ({count})", pictures, meaning)


def _draw(annotations: Annotations, finding: Finding) -> list[tuple[Image, str]]:
    """The pictures of a finding with their captions."""
    if not finding.faces or finding.kind in ("unreadable", "person leak"):
        return []
    if finding.kind in ("split leak", "duplicate"):
        # One face of each of two pictures, from different splits if there are such.
        by_split = {annotations.splits[face]: face for face in reversed(finding.faces)}
        by_image = {annotations.images[face]: face for face in reversed(finding.faces)}
        pair = list((by_split if len(by_split) > 1 else by_image).values())[::-1][:2]
        return [(_tile(annotations, face), _pair_caption(annotations, face)) for face in pair]
    face = finding.faces[0]
    caption = f"{Path(finding.place).name}\n{finding.what}"
    if finding.kind == "annotated twice":
        return [(_tile(annotations, finding.faces[1], reference=face), caption)]
    at_fault = finding.landmarks if finding.kind in ("landmark", "one point") else ()
    return [(_tile(annotations, face, at_fault=at_fault), caption)]


def _pair_caption(annotations: Annotations, face: int) -> str:
    return f"{Path(annotations.images[face]).name}\n{annotations.splits[face] or 'no split'}"


def _tile(annotations: Annotations, face: int, reference: int | None = None, at_fault: Sequence[int] = ()) -> Image:
    marks = annotations.landmarks[face]
    around = marks if reference is None else np.concatenate([marks, annotations.landmarks[reference]])
    tile, matrix = face_tile(read_image(annotations.images[face]), around, _TILE)
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


def build_page(annotations: Annotations, checked: DataCheck, galleries: Sequence[Gallery]) -> ReportContent:
    facts, scheme = checked.facts, annotations.scheme
    called = scheme.called
    faces, count = scheme.count(facts["faces"]), len(checked.findings)
    size = facts["face_size"]
    sizes = [
        (title, *(f"{facts[key][name]:.0f}" if facts[key] else "-" for name in ("min", "median", "max")))
        for title, key in (
            ("image width (px)", "image_width"),
            ("image height (px)", "image_height"),
            (f"{called}: longer side of the landmark box (px)", "face_size"),
        )
    ]
    parts = [(name or "no split", f"{number:,}") for name, number in facts["splits"].items()]
    parts += [(f"subset {name}", f"{number:,}") for name, number in facts["subsets"].items()]
    details = []
    for kind, (title, meaning) in KINDS.items():
        if found := checked.of_kind(kind):
            lines = "\n".join(finding.message for finding in found[:1000])
            details.append((f"{worded(title, scheme)} ({len(found):,})", f"{worded(meaning, scheme)}\n\n{lines}"))
    if checked.notes:
        details.append(("Not checked", "\n".join(checked.notes)))
    return ReportContent(
        title=f"acrloss data check: {annotations.source}",
        headline=f"{count:,} finding{'' if count == 1 else 's'} in {faces}"
        if count
        else f"nothing to report in {faces}",
        summary="Findings are things to look at, worst first; whether they are mistakes is for you to say. "
        "check.json beside this page lists all of them for programs.",
        highlights=[
            (f"{facts['faces']:,}", f"{called}s"),
            (f"{facts['images']:,}", "images"),
            (
                f"{size['median']:.0f} px" if size else "-",
                f"median size of {'an' if called[0] in 'aeiou' else 'a'} {called}",
            ),
            (f"{count:,}", "findings"),
        ],
        tables=[
            (
                "Findings, by what they do to a trained network",
                ("finding", "count", "worst"),
                summary_rows(checked, scheme),
            ),
            ("Sizes", ("", "smallest", "median", "largest"), sizes),
            (f"{called.capitalize()}s", ("part", f"{called}s"), parts),
        ],
        galleries=galleries,
        details=details,
    )

"""One-page reports: a single HTML file with its pictures inside, readable anywhere and years later."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from acrloss.files import write_atomic
from acrloss.printable import printable

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""Caption, header, rows; every cell is text as it is to be shown."""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side of which each can be enlarged.

    Attributes:
        title: what they are.
        pictures: (caption, PNG or JPEG bytes).
        meaning: a sentence on what they show.
    """

    title: str
    pictures: Sequence[tuple[str, bytes]]
    meaning: str = ""


@dataclass(frozen=True)
class ReportContent:
    """What a report shows, from top to bottom. All text is plain text; whatever it holds is escaped.

    Attributes:
        title: what this is, e.g. "acrloss run: ACR loss on 300-W".
        headline: the main finding in one sentence, e.g.
            "inter-ocular NME 3.98 % on 554 faces (300-W common)".
        warnings: below it, what must be known before a figure is quoted.
        summary: a paragraph below that: what was trained on what.
        highlights: (figure, its meaning) of the key figures, e.g. ("3.98 %", "inter-ocular NME, common").
        tables: (caption, header, rows); a column whose cells are numbers is set to the right.
        facts: tables of what was trained on and how, after those.
        links: (text, file beside the page), below the facts.
        figures: (caption, PNG or JPEG bytes).
        galleries: photographs, after the figures.
        lists: long tables, folded.
        details: (summary, text) of the folded sections: configuration, environment, how to reproduce.
    """

    title: str
    headline: str
    warnings: Sequence[str] = ()
    summary: str = ""
    highlights: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    facts: Sequence[Table] = ()
    links: Sequence[tuple[str, str]] = ()
    figures: Sequence[tuple[str, bytes]] = ()
    galleries: Sequence[Gallery] = ()
    lists: Sequence[Table] = ()
    details: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class _Picture:
    caption: str
    source: str
    width: int
    height: int
    layout: str
    """"half" of a row, or a row of its own: "single" (a half left alone), "wide" or "tall"."""


def write_report(run_folder: str | Path, content: ReportContent, name: str = "report.html") -> Path:
    """Write `content` as one self-contained page, `run_folder`/report.html, and return its path.

    The page needs no network and no scripts (its own policy forbids both), follows the reader's light or dark
    setting, fits a phone and prints with all folded sections open.

    Raises:
        ValueError: a picture that is neither PNG nor JPEG, or a table row of another length than its header.
        DataError: the folder cannot be written.
    """
    return write_atomic(Path(run_folder) / name, render_report(content))


def render_report(content: ReportContent) -> str:
    """The page of `write_report` as text."""
    for caption, header, rows in (*content.tables, *content.facts, *content.lists):
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"table {caption!r}: expected {len(header)} cells a row, got {len(row)}: {list(row)}")
    environment = Environment(
        loader=PackageLoader("acrloss.reports"),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["numeric"] = _is_numeric
    environment.filters["parts"] = _parts
    pictures = _pair([_picture(caption, data) for caption, data in content.figures])
    galleries = [
        (one.title, one.meaning, [_picture(caption, data) for caption, data in one.pictures])
        for one in content.galleries
    ]
    return environment.get_template("report.html.j2").render(content=content, pictures=pictures, galleries=galleries)


def _picture(caption: str, data: bytes) -> _Picture:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg" if data.startswith(b"\xff\xd8\xff") else ""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if kind else None
    if pixels is None:
        raise ValueError(f"figure {caption!r}: expected the bytes of a PNG or JPEG picture, got {data[:8]!r}")
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    height, width = pixels.shape[:2]
    layout = "wide" if width > 1.4 * height else "half" if width > 0.95 * height else "tall"
    return _Picture(caption, source, width, height, layout)


def _pair(pictures: list[_Picture]) -> list[_Picture]:
    """The pictures with "half" only where two follow each other, so that none leaves half a row empty."""
    result = list(pictures)
    position = 0
    while position < len(result):
        if [picture.layout for picture in result[position : position + 2]] == ["half", "half"]:
            position += 2
            continue
        if result[position].layout == "half":
            result[position] = replace(result[position], layout="single")
        position += 1
    return result


def _parts(cell: str) -> tuple[str, str]:
    """A figure and its interval, which goes below it so that wide tables fit; "" where there is none."""
    match = _INTERVAL.fullmatch(cell)
    return (match[1], match[2]) if match else (cell, "")


_INTERVAL = re.compile(r"(\S+) (\[[-+\d.,\s]+\])")
_NUMBER = re.compile(r"[-+±\u2212]?\d[\d.,\s]*(±\s*[\d.]+|\[[-+\d.,\s]+\])?\s*(%|s|ms|px|MB|MiB|images/s)?")


def _is_numeric(cell: object) -> bool:
    text = str(cell).strip()
    return text in ("", "-", "\u2013", "\u2014", "n/a", "nan") or _NUMBER.fullmatch(text) is not None

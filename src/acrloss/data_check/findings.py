"""What a look over a data set can find, and the findings of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acrloss.data_check.duplicates import Fingerprint
from acrloss.schemes import Scheme

KINDS = {
    "unreadable": ("unreadable images", "The file cannot be decoded to its end."),
    "left out": ("faces left out by the reader", "Missing images, broken lines, landmarks far outside the image."),
    "changed": ("read otherwise than it stands", "Parts that reading ignored, changed or guessed, with the reason."),
    "unused split": (
        "splits that nobody uses",
        "Neither training nor scoring takes these faces without being told.",
    ),
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
    "one point": (
        "landmarks on one point",
        "Several landmarks of a face at exactly one place: a value for missing ones, or a broken export.",
    ),
    "outside": ("landmarks outside the image", "There is no picture under these landmarks."),
    "box": ("boxes elsewhere", "The face's box and its landmarks overlap by less than a fifth."),
}
"""Kind of finding -> its title and what it means, by what it does to a trained network."""


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        kind: one of `KINDS`.
        severity: larger is worse; comparable within a kind.
        what: what is wrong, in one line.
        images: references of the pictures concerned.
        faces: their positions in the annotations.
        landmarks: those at fault, where that is known.
        place: the picture or person that `what` is about, where it does not say so itself.
    """

    kind: str
    severity: float
    what: str
    images: tuple[str, ...] = ()
    faces: tuple[int, ...] = ()
    landmarks: tuple[int, ...] = ()
    place: str = ""

    @property
    def message(self) -> str:
        """Place and fault, in one line."""
        return f"{self.place}: {self.what}" if self.place else self.what

    def to_dict(self) -> dict[str, Any]:
        """The finding in plain types, for JSON."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "images": list(self.images),
            "faces": list(self.faces),
            "landmarks": list(self.landmarks),
        }


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


Look = tuple[int, int, Fingerprint] | str | None
"""Width, height and fingerprint of an image, why it cannot be read, or None where there are annotations only."""


def short_name(reference: str) -> str:
    """The last three parts of an image's path: enough to tell 300-W's folders apart."""
    return "/".join(Path(reference).parts[-3:]) if "://" not in reference else reference


def worded(text: str, scheme: Scheme) -> str:
    """Our own words about faces as words about what these are."""
    if scheme.called == "face":
        return text
    text = re.sub(r"\ba face\b", "an face", text) if scheme.called[0] in "aeiou" else text
    return re.sub(r"\bface(s?)\b", lambda match: scheme.called + match[1], text)


def summary_rows(checked: DataCheck, scheme: Scheme) -> list[tuple[str, str, str]]:
    """(title, count, worst) of every kind that was found, or one row that says that nothing was."""
    rows = []
    for kind, (title, _) in KINDS.items():
        found = checked.of_kind(kind)
        if found:
            rows.append((worded(title, scheme), f"{len(found):,}", found[0].message))
    return rows or [("nothing to report", "0", "")]

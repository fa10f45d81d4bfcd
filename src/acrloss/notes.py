"""What happened to data on its way in: each thing that was left out, ignored, changed or guessed, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["left out", "ignored", "changed", "guessed"]

# The file in a folder of results that has them all.
NOTES = "data_notes.txt"


@dataclass(frozen=True)
class Note:
    """One thing that reading did to the data.

    Attributes:
        kind: "left out", a face; "ignored", a part of one that is kept, such as its box; "changed", values that are not
            those of the file; "guessed", what the file does not say.
        reason: a few words, the same for all alike, that can follow a number: "without an image", "box without extent".
            "" for no words.
        where: file, or file:line.
        message: what happened there, with the value and the remedy; one line.
        count: how many faces or parts it is about.
    """

    kind: Kind
    reason: str
    where: str
    message: str
    count: int = 1

    def __str__(self) -> str:
        """Place and message; faults of whole files begin with the place themselves."""
        return self.message if self.message.startswith(self.where) else f"{self.where}: {self.message}"

    @property
    def line(self) -> str:
        """The note as a line of a file: a face that was left out by its place, everything else by its kind first."""
        return str(self) if self.kind == "left out" else f"{self.kind}: {self}"


def counted(notes: Iterable[Note]) -> list[str]:
    """Kinds with their counts by reason, most first: "3 left out: 2 without an image, 1 cropped to 3 px"."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in get_args(Kind)}
    for note in notes:
        counts[note.kind][note.reason] += note.count
    parts = []
    for kind, reasons in counts.items():
        if kind == "left out":
            named = [f"{count} {reason}" for reason, count in reasons.most_common() if reason]
            if reasons:
                parts.append(f"{reasons.total()} left out" + (": " if named else "") + ", ".join(named))
        elif reasons:
            parts.append(f"{kind}: " + ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common()))
    return parts


def listed(notes: Iterable[Note]) -> str:
    """The text of `NOTES`: a line for each."""
    return "".join(f"{note.line}\n" for note in notes)


def left_out(notes: Iterable[Note]) -> list[str]:
    """A line for each face that was left out, with its file and the reason."""
    return [str(note) for note in notes if note.kind == "left out"]

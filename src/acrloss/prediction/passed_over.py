"""Files in folders and patterns that are no images, or no videos: counted by kind for the console, named in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Files that people take for images, and what makes them one.
REMEDIES = {
    **dict.fromkeys((".heic", ".heif"), "convert it to JPEG, as with: heif-convert PHOTO.HEIC PHOTO.jpg (macOS: sips)"),
    **dict.fromkeys((".jp2", ".jxl", ".svg", ".psd", ".ico"), "convert it to PNG or JPEG"),
    **dict.fromkeys((".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf"), "develop the raw photograph to JPEG or TIFF"),
    ".pdf": "save its pages as images",
}


@dataclass(frozen=True)
class PassedOver:
    """What lies among the images or videos that were asked for and is none.

    Attributes:
        path: which one.
        kind: what it is, in a word: its suffix, "unnamed", "folder".
        why: it is passed over, or the remedy.
    """

    path: Path
    kind: str
    why: str

    def __str__(self) -> str:
        return f"passed over: {self.path}: {self.why}"


def by_kind(passed: Sequence[PassedOver]) -> list[str]:
    """A line for each kind, with how many and the first of them."""
    kinds: dict[tuple[str, str], list[PassedOver]] = {}
    for one in passed:
        kinds.setdefault((one.kind, one.why), []).append(one)
    lines = []
    for (kind, why), members in sorted(kinds.items()):
        what = kind if kind == "folder" else f"{kind} file"
        count = f"{len(members)} {what}{'s' * (len(members) != 1)}"
        lines.append(f"passed over {count} ({why}), the first is {members[0].path}")
    return lines

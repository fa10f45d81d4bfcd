"""The formats that can be read and written, one line each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from acrloss.errors import DataError
from acrloss.formats.format import Format

# A format is a module of this room of that name, with its `Format` as FORMAT.
FORMATS: dict[str, Format] = {
    name: import_module(f"acrloss.formats.{name}").FORMAT
    for name in (
        "pts",
        "csv",
        "cofw",
        "cofw68",
        "wflw",
        "aflw19",
        "imglab",
        "coco",
        "cvat",
        "labelme",
        "labelstudio",
        "yolo",
        "lapa",
        "ibug300vw",
        "w300lp",
        "merlrav",
        "packed",
    )
}

WRITERS: dict[str, Format] = {name: format for name, format in FORMATS.items() if format.write is not None}


def recognise(path: Path) -> str:
    """The name in `FORMATS` of the format that a file or folder looks like.

    Raises:
        DataError: it looks like none of them, or like several.
    """
    names = [name for name, format in FORMATS.items() if format.recognises(path)]
    general = {more for name in names for more in FORMATS[name].more_general}
    names = [name for name in names if name not in general]
    if len(names) == 1:
        return names[0]
    if names:
        raise DataError(f"{path}: could be {' or '.join(names)}; give format= one of them")
    raise DataError(f"{path}: no annotated faces of a known format ({', '.join(FORMATS)}) found; give another path")


def table() -> list[str]:
    """The formats as lines of Markdown: a table, and the options of each."""
    rows = ["| format | who writes it | what it looks like | written too | has no place for |", "|---|---|---|---|---|"]
    for name, format in FORMATS.items():
        lost = ", ".join(sorted(format.cannot_hold)) if format.write is not None else ""
        written = "yes" if format.write is not None else ""
        rows.append(f"| `{name}` | {format.title} | {format.looks_like} | {written} | {lost} |")
    rows += ["", "| option | of | type | default | |", "|---|---|---|---|---|"]
    for name, format in FORMATS.items():
        for option in format.options:
            kind = option.type.replace("|", "or")
            rows.append(f"| `{option.name}` | `{name}` | {kind} | `{option.default!r}` | {option.text} |")
    return rows

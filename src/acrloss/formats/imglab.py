"""XML files of dlib and its tool imglab: images, boxes in them, named parts in the boxes.

    <dataset><images><image file='a.jpg'>
      <box top='10' left='20' width='80' height='90'><part name='00' x='25' y='40'/> … </box>
    </image></images></dataset>

A part is a landmark, in 0-based pixels; landmarks are the sorted part names of all boxes, as in dlib; a part that a box
lacks is a missing landmark. A box covers whole pixels, so from the left edge of its first (left - 0.5) to the right
edge of its last. dlib's own tools read whole pixels only; decimals are read here, and written where a coordinate has
them.

There is no place for a split; files are named after theirs, as in `testing_with_face_landmarks.xml`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats.containers.xml_stream import Document, root_of
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.boxes import boxes_of_all
from acrloss.formats.fields.face_box import Box, ordered_box
from acrloss.formats.fields.folders import exports, split_of
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.landmark_names import LandmarkNames
from acrloss.formats.fields.splits import split_named
from acrloss.formats.fields.values import decimals, numbers, text
from acrloss.formats.format import Format
from acrloss.notes import Note


def recognises(path: Path) -> bool:
    """Whether this is an .xml file with the root element <dataset>, or a folder with one in it or below it."""
    return bool(_files(path))


def read_faces(path: Path, notes: list[Note], *, names: Sequence[str] | None = None) -> Iterator[Face]:
    """The boxes with parts of a file, or of all such files in a folder or else below it.

    Boxes that the file marks `ignore` or that have no parts are left out.

    Args:
        path: the file or folder. Image paths are relative to the file.
        notes: receives a line for each box that is left out.
        names: the part names in the order of the landmarks; all names sorted where None.
    """
    files = _files(path)
    if not files:
        raise DataError(f"{path}: no .xml file with the root element <dataset>; give an imglab file")
    documents = [_Dataset(file, notes) for file in files]
    for document in documents:
        document.parse()
    seen = Counter(face.names for document in documents for face in document.faces)
    order = LandmarkNames(path, seen, names)
    # Files without a split first: of a face that is annotated twice the last counts.
    for document in sorted(documents, key=lambda document: split_named(document.file.stem) != ""):
        here = document.file.parent
        split = split_named(document.file.stem) or split_of(path if path.is_dir() else here, here)
        for found in document.faces:
            where = f"{document.file}:{found.line}"
            landmarks = np.full((len(order), 2), np.nan)
            try:
                landmarks[order.arrange(found.names)] = found.points
            except ValueError as error:
                notes.append(unread(where, error))
                continue
            yield Face(where, locate(found.image, [document.file.parent]), landmarks, box=found.box, split=split)


def _files(path: Path) -> list[Path]:
    return exports(path, ".xml", lambda file: root_of(file) == "dataset")


class _Found:
    """A box as it stands in the file."""

    __slots__ = ("box", "image", "line", "names", "points")

    def __init__(
        self, line: int, image: str, box: Box | None, names: tuple[str, ...], points: NDArray[np.float64]
    ) -> None:
        self.line, self.image, self.box, self.names, self.points = line, image, box, names, points


class _Dataset(Document):
    def __init__(self, file: Path, notes: list[Note]) -> None:
        super().__init__(file)
        self.notes = notes
        self.faces: list[_Found] = []
        self.image = ""
        self.box: dict[str, str] | None = None
        self.box_line = 0
        self.names: list[str] = []
        self.points: list[str] = []
        self.fault = ""
        # Most boxes have the same names; one tuple of them is kept.
        self.same: dict[tuple[str, ...], tuple[str, ...]] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "part":
            if self.box is not None:
                try:
                    self.names.append(attributes["name"])
                    self.points += (attributes["x"], attributes["y"])
                except KeyError as error:
                    self.fault = self.fault or f"line {self.line}: a <part> without {error.args[0]}="
        elif tag == "box":
            self.box, self.box_line, self.fault = attributes, self.line, ""
            self.names, self.points = [], []
        elif tag == "image":
            try:
                self.image = text(attributes.get("file"), "file")
            except ValueError as error:
                self.image = ""
                message = f"an <image> without a file name: {error}"
                self.notes.append(unread(f"{self.file}:{self.line}", message))

    def end(self, tag: str) -> None:
        if tag != "box" or self.box is None:
            return
        box, self.box = self.box, None
        if not self.image:
            return
        where = f"{self.file}:{self.box_line}"
        if box.get("ignore") in {"1", "true"}:
            self.notes.append(Note("left out", "marked ignore", where, "the box is marked ignore"))
            return
        try:
            if self.fault:
                raise ValueError(self.fault)
            if not self.names:
                raise ValueError("the box has no parts")
            points = numbers(self.points, "part").reshape(-1, 2)
        except ValueError as error:
            self.notes.append(unread(where, error))
            return
        names = tuple(self.names)
        names = self.same.setdefault(names, names)
        corners = _corners(box, where, self.notes)
        self.faces.append(_Found(self.box_line, self.image, corners, names, points))


def _corners(box: dict[str, str], where: str, notes: list[Note]) -> Box | None:
    sides = ("left", "top", "width", "height")
    try:
        missing = next((side for side in sides if side not in box), None)
        if missing:
            raise ValueError(f"a <box> without {missing}=")
        left, top, width, height = numbers([box[side] for side in sides], "box").tolist()
    except ValueError as error:
        notes.append(Note("ignored", "box that cannot be read", where, str(error)))
        return None
    return ordered_box([left - 0.5, top - 0.5, left + width - 0.5, top + height - 0.5], where, notes)


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write a file for each split, or faces.xml for faces of none.

    Args:
        folder: an existing folder.
        annotations: the faces.
        images: their images as the file shall name them.

    Returns:
        A line for each thing that could not be kept.
    """
    boxes, notes = boxes_of_all(annotations, "imglab")
    marks = annotations.landmarks
    if (np.abs(marks - marks.round()) > 1e-9).any():
        notes.append("dlib's own tools read whole pixels only; these landmarks have decimals, which acrloss reads")
    digits = max(2, len(str(annotations.scheme.num_landmarks - 1)))
    names = [f"{m:0{digits}d}" for m in range(annotations.scheme.num_landmarks)]
    files: dict[str, dict[str, list[int]]] = {}
    for i, (split, image) in enumerate(zip(annotations.splits, images, strict=True)):
        stem = split if split_named(split) == split else ""
        files.setdefault(stem, {}).setdefault(image, []).append(i)
    lost = sum(1 for split in annotations.splits if split_named(split) != split)
    if lost:
        notes.append(f"imglab files are named after train, val, test or private; the split of {lost} faces is left out")
    for stem, by_image in files.items():
        with (folder / f"{stem or 'faces'}.xml").open("w", encoding="utf-8", newline="\n") as file:
            file.write("<?xml version='1.0' encoding='UTF-8'?>\n<dataset>\n<images>\n")
            for image, members in by_image.items():
                file.write(f"  <image file={quoteattr(image)}>\n")
                for i in members:
                    x0, y0, x1, y1 = boxes[i]
                    file.write(
                        f"    <box top='{decimals(y0 + 0.5)}' left='{decimals(x0 + 0.5)}' "
                        f"width='{decimals(x1 - x0)}' height='{decimals(y1 - y0)}'>\n"
                    )
                    for name, (x, y) in zip(names, marks[i].tolist(), strict=True):
                        if x == x:  # not missing
                            file.write(f"      <part name='{name}' x='{decimals(x)}' y='{decimals(y)}'/>\n")
                    file.write("    </box>\n")
                file.write("  </image>\n")
            file.write("</images>\n</dataset>\n")
    return notes


FORMAT = Format(
    title="dlib and its tool imglab",
    looks_like="XML with the root `<dataset>`",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
    cannot_hold=frozenset({"visibility", "persons", "subsets"}),
)

"""CVAT for images 1.1: XML of the annotation tool CVAT, from one task or project.

A face is a `<points>` shape with one point for each landmark, in their order, or a `<skeleton>` whose `<points>` have
the landmarks' names:

    <annotations><image name="a.jpg" width="640" height="480" subset="train">
      <points label="face" occluded="0" points="25.50,40.50;…"/>
      <skeleton label="face" group_id="1"><points label="0" occluded="0" outside="0" points="25.5,40.5"/> … </skeleton>
      <box label="face" group_id="1" xtl="20.00" ytl="10.00" xbr="100.00" ybr="100.00"/>
    </image></annotations>

Coordinates count from the corner of the image, half a pixel before the centre of the first pixel. An `outside` point is
a missing landmark, an `occluded` one hidden. Single points of several labels are the landmarks of one face, that of
their group or of the image. A box belongs to the face of its group, or without a group to the face whose landmarks it
holds, or to the only face of its image if its label is that of the face, or "face". The image's subset is the split;
attributes `person` and `subsets` (separated by ;) of a face are read if it has them.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.containers.xml_stream import Document, root_of
from acrloss.formats.cvat_writer import write_faces
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import Box, LooseBox, ordered_box, owners
from acrloss.formats.fields.folders import exports, split_of
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.landmark_names import LandmarkNames, all_numbers
from acrloss.formats.fields.splits import split_meant
from acrloss.formats.fields.values import numbers, size_of, text
from acrloss.formats.format import Format
from acrloss.notes import Note

_NO_GROUP = ("", "0")


def recognises(path: Path) -> bool:
    """Whether this is an .xml file with the root element <annotations>, or a folder with one in it or below it."""
    return bool(_files(path))


def read_faces(
    path: Path,
    notes: list[Note],
    *,
    label: str | None = None,
    names: Sequence[str] | None = None,
    images: str | None = None,
    corner_origin: bool = True,
) -> Iterator[Face]:
    """The points and skeletons of a file, or of all such files in a folder or else below it.

    Args:
        path: the file or folder.
        notes: receives a line for each face that is left out.
        label: read only shapes of this label.
        names: names of a skeleton's points in the order of the landmarks; where None numbers count by value and other
            names in the order in which the file declares them.
        images: folder of the images; where None they are looked for in `images` beside the file, as CVAT exports
            them, and beside the file.
        corner_origin: coordinates count from the corner of the image, as in CVAT; false where a program wrote
            coordinates that count pixels.
    """
    files = _files(path)
    if not files:
        raise DataError(f"{path}: no .xml file with the root element <annotations>; give an export of CVAT for images")
    documents = [_Annotations(file, notes, label) for file in files]
    for document in documents:
        document.parse()
    shapes = [shape for document in documents for shape in document.faces]
    seen = Counter(shape.all_names for shape in shapes if shape.all_names)
    declared = [name for document in documents for name in document.point_names(label)]
    if names is None and declared and not all_numbers(declared):
        names = list(dict.fromkeys(declared))
    elif declared:
        # So that a landmark which no face has still counts.
        seen.setdefault(tuple(dict.fromkeys(declared)), 0)
    order = LandmarkNames(path, seen, names)
    shift = 0.5 if corner_origin else 0.0
    for document in documents:
        split = split_of(path if path.is_dir() else document.file.parent, document.file.parent)
        for shape in document.faces:
            try:
                face = _face(document, shape, order, shift, images)
            except ValueError as error:
                notes.append(unread(f"{document.file}:{shape.line}", error))
                continue
            face.split = face.split or split
            yield face


def _files(path: Path) -> list[Path]:
    return exports(path, ".xml", lambda file: root_of(file) == "annotations")


@dataclass(eq=False)
class _Shape:
    """A face as it stands in the file; `points`, `names`, `occluded` and `outside` have an entry for each landmark."""

    line: int
    tag: str
    label: str
    group: str
    image: str
    subset: str
    points: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    occluded: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    box: Box | None = None
    stated_size: tuple[float, float] | None = None
    # What `settle` makes of the above.
    landmarks: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    visible: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    all_names: tuple[str, ...] = ()
    fault: str = ""

    def settle(self, same: dict[tuple[str, ...], tuple[str, ...]]) -> None:
        """Turn texts into numbers, which take a tenth of the memory, and names into one tuple for all faces."""
        try:
            self.landmarks = _coordinates(self.points)
            self.landmarks[[flag == "1" for flag in self.outside]] = np.nan
        except ValueError as error:
            self.fault = str(error)
        self.visible = np.array([flag != "1" for flag in self.occluded], dtype=np.bool_)
        names = tuple(self.names)
        self.all_names = same.setdefault(names, names)
        self.points, self.names, self.occluded, self.outside = [], [], [], []


class _Annotations(Document):
    def __init__(self, file: Path, notes: list[Note], label: str | None) -> None:
        super().__init__(file)
        self.notes = notes
        self.label = label
        self.faces: list[_Shape] = []
        self.same: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.image: dict[str, str] | None = None
        self.in_image: list[_Shape] = []
        # Group and box.
        self.boxes: list[tuple[str, LooseBox]] = []
        self.shape: _Shape | None = None
        self.attribute = ""
        # Labels of single points that are the landmarks of one face.
        self.singles: set[str] = set()
        # Labels of the task: {name, type, parent}.
        self.labels: list[dict[str, str]] = []

    def point_names(self, label: str | None) -> list[str]:
        """The names of the points of the one skeleton that the file declares, or of single points that were joined."""
        parents = {row.get("parent", "") for row in self.labels if row.get("type") == "points"} - {""}
        parents = parents if label is None else parents & {label}
        if not parents and self.singles:
            named = [row["name"] for row in self.labels if row.get("name")]
            return [name for name in named if name in self.singles]
        if len(parents) != 1:
            return []
        return [row["name"] for row in self.labels if row.get("parent") in parents and row.get("name")]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.image is None:
            if tag == "image":
                self.image, self.in_image, self.boxes = attributes, [], []
            elif tag == "track":
                self.fail("this is CVAT for video; export the task as CVAT for images 1.1")
            elif tag == "label":
                self.labels.append({})
            return
        if tag == "attribute":
            self.attribute = attributes.get("name", "")
        elif self.shape is not None and self.shape.tag == "skeleton":
            if tag == "points":
                self.shape.names.append(attributes.get("label", ""))
                self.shape.points.append(attributes.get("points", ""))
                self.shape.occluded.append(attributes.get("occluded", "0"))
                self.shape.outside.append(attributes.get("outside", "0"))
        elif tag in ("points", "skeleton"):
            self.shape = _Shape(
                self.line,
                tag,
                attributes.get("label", ""),
                attributes.get("group_id", "0"),
                self.image.get("name", ""),
                self.image.get("subset", ""),
                stated_size=size_of(self.image.get("width"), self.image.get("height")),
            )
            if tag == "points":
                self.shape.points = attributes.get("points", "").split(";")
                self.shape.occluded = [attributes.get("occluded", "0")] * len(self.shape.points)
                self.shape.outside = [attributes.get("outside", "0")] * len(self.shape.points)
        elif tag == "box":
            where = f"{self.file}:{self.line}"
            corners = [attributes.get(side, "") for side in ("xtl", "ytl", "xbr", "ybr")]
            if (box := ordered_box(corners, where, self.notes)) is not None:
                loose = LooseBox(box, attributes.get("label", ""), where)
                self.boxes.append((attributes.get("group_id", "0"), loose))

    def end(self, tag: str) -> None:
        if self.image is None:
            if tag in ("name", "type", "parent") and self.stack and self.stack[-1] == "label" and self.labels:
                self.labels[-1][tag] = self.text.strip()
        elif tag == "attribute":
            # Attributes of a skeleton's point stand deeper and are about the point.
            if self.shape is not None and self.stack[-1] == self.shape.tag:
                self.shape.attributes[self.attribute] = self.text.strip()
        elif tag == "image":
            self._join_single_points()
            self._give_boxes()
            self.faces += self.in_image
            self.image = self.shape = None
        elif self.shape is not None and tag == self.shape.tag:
            if self.label is None or self.shape.label == self.label:
                self.shape.settle(self.same)
                self.in_image.append(self.shape)
            self.shape = None

    def _join_single_points(self) -> None:
        """Make one face of the single points of different labels, for each group or for all without one."""
        single = [shape for shape in self.in_image if shape.tag == "points" and len(shape.landmarks) == 1]
        labels = {shape.label for shape in single}
        if self.label is not None or len(labels) < 2:
            return
        self.singles |= labels
        faces: dict[str, list[_Shape]] = {}
        for shape in single:
            faces.setdefault("" if shape.group in _NO_GROUP else shape.group, []).append(shape)
        self.in_image = [shape for shape in self.in_image if shape not in single]
        for members in faces.values():
            face = replace(members[0], label="", tag="skeleton", all_names=tuple(shape.label for shape in members))
            face.landmarks = np.concatenate([shape.landmarks for shape in members])
            face.visible = np.concatenate([shape.visible for shape in members])
            face.attributes = {key: value for shape in members for key, value in shape.attributes.items()}
            self.in_image.append(face)

    def _give_boxes(self) -> None:
        loose: list[LooseBox] = []
        for group, box in self.boxes:
            mine = [shape for shape in self.in_image if group not in _NO_GROUP and shape.group == group]
            if len(mine) == 1 and mine[0].box is None:
                mine[0].box = box.box
            else:
                loose.append(box)
        shapes = self.in_image
        boxes = owners(
            loose, [s.landmarks for s in shapes], [s.label for s in shapes], [s.box for s in shapes], self.notes
        )
        for shape, found in zip(shapes, boxes, strict=True):
            shape.box = found


def _face(document: Document, shape: _Shape, order: LandmarkNames, shift: float, images: str | None) -> Face:
    """
    Raises:
        ValueError: something in the shape is not as it should be.
    """
    name = text(shape.image, "the image's name")
    if images is not None:
        folders = [Path(images)]
    else:
        beside = document.file.parent
        folders = [beside / "images", beside]
        if shape.subset and not Path(shape.subset).is_absolute():
            folders.append(beside / "images" / shape.subset)
    if shape.fault:
        raise ValueError(shape.fault)
    landmarks, visible = shape.landmarks - shift, shape.visible
    if shape.tag == "skeleton":
        place = order.arrange(shape.all_names)
        named, seen = np.full((len(order), 2), np.nan), np.zeros(len(order), np.bool_)
        named[place], seen[place] = landmarks, visible
        landmarks, visible = named, seen
    face = Face(f"{document.file}:{shape.line}", locate(name, folders), landmarks, visible)
    face.stated_size = shape.stated_size
    if shape.box is not None:
        x0, y0, x1, y1 = shape.box
        face.box = (x0 - shift, y0 - shift, x1 - shift, y1 - shift)
    if shape.subset and shape.subset.lower() != "default":
        face.split = split_meant(text(shape.subset, "subset"))
    if shape.attributes.get("person"):
        face.person = text(shape.attributes["person"], "person")
    tags = (tag.strip() for tag in shape.attributes.get("subsets", "").split(";"))
    face.subsets = frozenset(text(tag, "subsets") for tag in tags if tag)
    return face


def _coordinates(pairs: list[str]) -> NDArray[np.float64]:
    if not pairs:
        raise ValueError("the skeleton has no points")
    if any(pair.count(",") != 1 for pair in pairs):
        raise ValueError(f"points: expected pairs x,y, got {reprlib.repr(';'.join(pairs[:9]))}")
    return numbers([v for pair in pairs for v in pair.split(",")], "points").reshape(-1, 2)


FORMAT = Format(
    title="CVAT for images 1.1",
    looks_like="XML with the root `<annotations>`: points or skeletons",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
)

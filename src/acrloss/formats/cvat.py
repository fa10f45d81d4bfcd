"""CVAT for images 1.1: XML of the annotation tool CVAT, from one task or project.

A face is a `<points>` shape with one point for each landmark, in their order, or a `<skeleton>` whose `<points>` have
the landmarks' names:

    <annotations><image name="a.jpg" width="640" height="480" subset="train">
      <points label="face" occluded="0" points="25.50,40.50;…"/>
      <skeleton label="face" group_id="1"><points label="0" occluded="0" outside="0" points="25.5,40.5"/> … </skeleton>
      <box label="face" group_id="1" xtl="20.00" ytl="10.00" xbr="100.00" ybr="100.00"/>
    </image></annotations>

Coordinates count from the corner of the image, half a pixel before the centre of the first pixel. An `outside` point is
a missing landmark, an `occluded` one hidden. A box belongs to the face of its group, or to the only face of its image.
The image's subset is the split; attributes `person` and `subsets` (separated by ;) of a face are read if it has them.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats.containers.xml_stream import Document, root_of
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.folders import exports, split_of
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.landmark_names import LandmarkNames, all_numbers
from acrloss.formats.fields.splits import split_named
from acrloss.formats.fields.values import decimals, numbers, text
from acrloss.formats.format import Format
from acrloss.images import image_size
from acrloss.notes import Note

_Box = tuple[float, float, float, float]


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


@dataclass
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
    box: list[str] | None = None
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
        self.boxes: list[tuple[str, list[str]]] = []
        self.shape: _Shape | None = None
        self.attribute = ""
        # Labels of the task: {name, type, parent}.
        self.labels: list[dict[str, str]] = []

    def point_names(self, label: str | None) -> list[str]:
        """The names of the skeleton's points, if the file declares one skeleton."""
        parents = {row.get("parent", "") for row in self.labels if row.get("type") == "points"} - {""}
        parents = parents if label is None else parents & {label}
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
            )
            if tag == "points":
                self.shape.points = attributes.get("points", "").split(";")
                self.shape.occluded = [attributes.get("occluded", "0")] * len(self.shape.points)
                self.shape.outside = [attributes.get("outside", "0")] * len(self.shape.points)
        elif tag == "box":
            corners = [attributes.get(side, "") for side in ("xtl", "ytl", "xbr", "ybr")]
            self.boxes.append((attributes.get("group_id", "0"), corners))

    def end(self, tag: str) -> None:
        if self.image is None:
            if tag in ("name", "type", "parent") and self.stack and self.stack[-1] == "label" and self.labels:
                self.labels[-1][tag] = self.text.strip()
        elif tag == "attribute":
            # Attributes of a skeleton's point stand deeper and are about the point.
            if self.shape is not None and self.stack[-1] == self.shape.tag:
                self.shape.attributes[self.attribute] = self.text.strip()
        elif tag == "image":
            self._give_boxes()
            self.faces += self.in_image
            self.image = self.shape = None
        elif self.shape is not None and tag == self.shape.tag:
            if self.label is None or self.shape.label == self.label:
                self.shape.settle(self.same)
                self.in_image.append(self.shape)
            self.shape = None

    def _give_boxes(self) -> None:
        for group, corners in self.boxes:
            owners = [shape for shape in self.in_image if group not in ("", "0") and shape.group == group]
            if not owners and len(self.in_image) == len(self.boxes) == 1:
                owners = self.in_image
            if len(owners) == 1:
                owners[0].box = corners


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
    if shape.box is not None:
        x0, y0, x1, y1 = (numbers(shape.box, "box") - shift).tolist()
        if not (x0 < x1 and y0 < y1):
            raise ValueError("a box needs xtl < xbr and ytl < ybr")
        face.box = (x0, y0, x1, y1)
    if shape.subset and shape.subset.lower() != "default":
        face.split = split_named(shape.subset) or text(shape.subset, "subset")
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


_LABEL = (
    "<label><name>{name}</name><color>#33ddff</color><type>{type}</type>"
    "<attributes>{attributes}</attributes>{more}</label>\n"
)
_ATTRIBUTE = (
    "<attribute><name>{name}</name><mutable>False</mutable><input_type>text</input_type>"
    "<default_value></default_value><values></values></attribute>"
)


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write annotations.xml with a skeleton for each face, a box in its group, and the labels that CVAT needs.

    Args:
        folder: an existing folder.
        annotations: the faces.
        images: their images as the file shall name them; relative ones are relative to the folder.

    Returns:
        A line for each thing that could not be kept.
    """
    marks = annotations.scheme.num_landmarks
    attributes = "".join(_ATTRIBUTE.format(name=name) for name in ("person", "subsets"))
    labels = _LABEL.format(name="face", type="skeleton", attributes=attributes, more=_drawing(annotations))
    labels += _LABEL.format(name="face box", type="rectangle", attributes="", more="")
    for m in range(marks):
        labels += _LABEL.format(name=m, type="points", attributes="", more="<parent>face</parent>")
    pictures: dict[tuple[str, str], list[int]] = {}
    for i, image in enumerate(images):
        pictures.setdefault((image, annotations.splits[i]), []).append(i)
    with (folder / "annotations.xml").open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        file.write(
            f"<meta><task><name>acrloss</name><size>{len(pictures)}</size><mode>annotation</mode>"
            f"<labels>\n{labels}</labels></task></meta>\n"
        )
        for number, ((image, split), members) in enumerate(pictures.items()):
            width, height = image_size(str(folder / image))
            subset = f" subset={quoteattr(split)}" if split else ""
            # CVAT knows an image by its path in the folder `images`.
            name = quoteattr(image.removeprefix("images/"))
            file.write(f'<image id="{number}" name={name}{subset} width="{width}" height="{height}">\n')
            for group, i in enumerate(members, start=1):
                file.write(_skeleton(annotations, i, group))
            file.write("</image>\n")
        file.write("</annotations>\n")
    return []


def _drawing(annotations: Annotations) -> str:
    """The skeleton's picture, which CVAT shows before points are placed, in per cent of its frame."""
    faces = annotations.landmarks
    boxes = annotations.landmark_boxes()
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = (faces - boxes[:, None, :2]) / (boxes[:, None, 2:] - boxes[:, None, :2])
    inside = np.where(np.isfinite(inside), inside, 0.5)
    mean = 10 + 80 * inside.mean(axis=0)
    lines = "".join(
        f'<line x1="{mean[a, 0]:.2f}" y1="{mean[a, 1]:.2f}" x2="{mean[b, 0]:.2f}" y2="{mean[b, 1]:.2f}" '
        f'data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}"/>'
        for points, closed in annotations.scheme.contours
        for a, b in zip(points, points[1:] + (points[:1] if closed else ()), strict=False)
    )
    dots = "".join(
        f'<circle r="0.75" cx="{x:.2f}" cy="{y:.2f}" data-type="element node" data-element-id="{m + 1}" '
        f'data-node-id="{m + 1}" data-label-name="{m}"/>'
        for m, (x, y) in enumerate(mean.tolist())
    )
    return f"<svg>{escape(lines + dots)}</svg>"


def _skeleton(annotations: Annotations, i: int, group: int) -> str:
    box = annotations.boxes[i]
    boxed = not np.isnan(box).any()
    in_group = f' group_id="{group}"' if boxed else ""
    rows = [f'<skeleton label="face" source="manual" z_order="0"{in_group}>\n']
    for m, (x, y) in enumerate(annotations.landmarks[i].tolist()):
        outside = x != x
        occluded = int(not outside and not annotations.visible[i, m])
        place = "0,0" if outside else f"{decimals(x + 0.5)},{decimals(y + 0.5)}"
        rows.append(
            f'<points label="{m}" source="manual" outside="{int(outside)}" occluded="{occluded}" points="{place}"/>\n'
        )
    about = {"person": annotations.persons[i], "subsets": ";".join(sorted(annotations.subsets[i]))}
    rows += [f'<attribute name="{name}">{escape(value)}</attribute>\n' for name, value in about.items() if value]
    rows.append("</skeleton>\n")
    if boxed:
        x0, y0, x1, y1 = (decimals(v + 0.5) for v in box.tolist())
        rows.append(
            f'<box label="face box" source="manual" occluded="0" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" '
            f'z_order="0" group_id="{group}"/>\n'
        )
    return "".join(rows)


FORMAT = Format(
    title="CVAT for images 1.1",
    looks_like="XML with the root `<annotations>`: points or skeletons",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
)

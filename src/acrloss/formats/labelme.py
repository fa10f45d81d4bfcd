"""LabelMe: a JSON file for each image, with a point shape for each landmark.

    {"imagePath": "a.jpg", "shapes": [
        {"label": "0", "shape_type": "point", "points": [[25.5, 40.5]], "group_id": 1, "flags": {"occluded": true}},
        {"label": "face", "shape_type": "rectangle", "points": [[20, 10], [100, 100]], "group_id": 1}, … ]}

The label is the landmark's number or name; shapes of one `group_id` (or of none) are one face; a flag `occluded` or
`hidden` makes a landmark hidden; a rectangle is its group's box, or without a group that of the face whose landmarks it
holds, or of the only one if it is called face; other shapes are no landmarks. Coordinates count from the corner of the
image, half a pixel before the centre of the first pixel. A folder named train, val or test gives the
split. LabelMe keeps keys that it does not know, and so person, split and subsets can stand in a list `faces`.
"""

from __future__ import annotations

import json
import reprlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats.containers.json_object import describe, kind_of, load
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import Box, LooseBox, ordered_box, owners
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.landmark_names import LandmarkNames
from acrloss.formats.fields.splits import split_of_folder
from acrloss.formats.fields.values import numbers, size_of, text
from acrloss.formats.format import Format
from acrloss.images import image_size
from acrloss.notes import Note

_HIDDEN = ("occluded", "hidden")
# A folder of LabelMe files need not begin with one, but hardly with this many others.
_LOOK_AT = 20


def recognises(path: Path) -> bool:
    """Whether this is a LabelMe .json file, or a folder with one in it or below it."""
    return any(kind_of(file) == "labelme" for _, file in zip(range(_LOOK_AT), _files(path), strict=False))


def read_faces(
    path: Path, notes: list[Note], *, names: Sequence[str] | None = None, corner_origin: bool = True
) -> Iterator[Face]:
    """The faces of a file, or of every LabelMe file of a folder and its sub-folders.

    Args:
        path: the file or folder. Image paths are relative to the file that names them.
        notes: receives a line for each face that is left out.
        names: labels in the order of the landmarks; all labels of points sorted where None.
        corner_origin: coordinates count from the corner of the image, as in LabelMe; false where a program wrote
            coordinates that count pixels.
    """
    found: list[_Found] = []
    same: dict[tuple[str, ...], tuple[str, ...]] = {}
    for file in _files(path):
        if kind_of(file) != "labelme":
            continue
        try:
            found += _groups(path, file, notes, same)
        except DataError as error:
            notes.append(unread("", error))
    order = LandmarkNames(path, Counter(face.all_names for face in found), names)
    shift = 0.5 if corner_origin else 0.0
    for face in found:
        try:
            place = order.arrange(face.all_names)
            landmarks, visible = np.full((len(order), 2), np.nan), np.zeros(len(order), np.bool_)
            landmarks[place], visible[place] = face.landmarks - shift, face.seen
            read = Face(
                face.where, face.image, landmarks, visible, person=face.person, split=face.split, subsets=face.subsets
            )
            read.stated_size = face.stated_size
            if face.box is not None:
                x0, y0, x1, y1 = face.box
                read.box = (x0 - shift, y0 - shift, x1 - shift, y1 - shift)
        except ValueError as error:
            notes.append(unread(face.where, error))
            continue
        yield read


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        return iter([path] if path.suffix.lower() == ".json" else [])
    return (file for file in sorted(path.rglob("*")) if file.suffix.lower() == ".json" and file.is_file())


@dataclass
class _Found:
    where: str
    image: str
    split: str
    names: list[str] = field(default_factory=list)
    points: list[Any] = field(default_factory=list)
    visible: list[bool] = field(default_factory=list)
    boxes: list[LooseBox] = field(default_factory=list)
    box: Box | None = None
    stated_size: tuple[float, float] | None = None
    person: str = ""
    subsets: frozenset[str] = frozenset()
    fault: str = ""
    # What `settle` makes of the above.
    all_names: tuple[str, ...] = ()
    landmarks: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    seen: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    def settle(self, same: dict[tuple[str, ...], tuple[str, ...]]) -> None:
        """Put numbers into arrays, which take a tenth of the memory, and names into one tuple for all faces."""
        try:
            self.landmarks = numbers(self.points, "points").reshape(-1, 2)
        except ValueError as error:
            self.fault = self.fault or str(error)
        self.seen = np.array(self.visible, dtype=np.bool_)
        names = tuple(self.names)
        self.all_names = same.setdefault(names, names)
        self.points, self.names, self.visible = [], [], []


def _groups(path: Path, file: Path, notes: list[Note], same: dict[tuple[str, ...], tuple[str, ...]]) -> list[_Found]:
    """The faces of one file.

    Raises:
        DataError: it is not as LabelMe writes it.
    """
    content = load(file)
    shapes = content.get("shapes")
    if not isinstance(shapes, list):
        raise DataError(f"{file}: 'shapes' must be a list; give a LabelMe file")
    try:
        name = text(content.get("imagePath"), "imagePath")
    except ValueError as error:
        raise DataError(f"{file}: {error}") from None
    # LabelMe itself looks beside the file too, for files that were moved.
    image = locate(name, [file.parent])
    if not Path(image).exists():
        image = locate(name.replace("\\", "/").rsplit("/", 1)[-1], [file.parent])
    folders = file.parent.parts[-1:] if path == file else (path.name, *file.parent.relative_to(path).parts)
    split = next((split for part in reversed(folders) if (split := split_of_folder(part))), "")
    stated_size = size_of(content.get("imageWidth"), content.get("imageHeight"))
    groups: dict[str, _Found] = {}
    for number, shape in enumerate(shapes):
        if not isinstance(shape, dict) or shape.get("shape_type") not in ("point", "rectangle"):
            continue
        key = reprlib.repr(shape.get("group_id"))
        if key not in groups:
            where = str(file) if key == "None" else f"{file}: group {key}"
            groups[key] = _Found(where, image, split, stated_size=stated_size)
        found = groups[key]
        if shape["shape_type"] == "rectangle":
            if (box := _rectangle(shape, f"{file}: shape {number}", notes)) is not None:
                found.boxes.append(box)
            continue
        try:
            _add(found, shape)
        except ValueError as error:
            found.fault = found.fault or f"shape {number}: {error}"
    rows = content.get("faces")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and (key := reprlib.repr(row.get("group_id"))) in groups:
            try:
                describe(groups[key], row)
            except ValueError as error:
                groups[key].fault = groups[key].fault or str(error)
    faces = []
    for found in groups.values():
        found.settle(same)
        if found.fault:
            notes.append(unread(found.where, found.fault))
        elif found.all_names:
            faces.append(found)
    _give_boxes(groups, faces, notes)
    return faces


def _give_boxes(groups: dict[str, _Found], faces: list[_Found], notes: list[Note]) -> None:
    """A rectangle with a group is its face's; one without, or whose group is no face, belongs to whom it fits."""
    loose: list[LooseBox] = []
    for key, found in groups.items():
        if key == "None" or found not in faces:
            loose += found.boxes
        elif len(found.boxes) == 1:
            found.box = found.boxes[0].box
        elif found.boxes:
            (found.box,) = owners(found.boxes, [found.landmarks], [""], [None], notes)
    boxes = owners(loose, [f.landmarks for f in faces], [""] * len(faces), [f.box for f in faces], notes)
    for found, box in zip(faces, boxes, strict=True):
        found.box = box


def _add(found: _Found, shape: dict[str, Any]) -> None:
    points, flags = shape.get("points"), shape.get("flags")
    if not isinstance(points, list) or len(points) != 1:
        raise ValueError("a point has 1 point")
    if not isinstance(points[0], list) or len(points[0]) != 2:
        raise ValueError("a point is a list of x and y")
    label = shape.get("label")
    found.names.append(text(str(label) if isinstance(label, int) else label, "label"))
    found.points += points[0]
    found.visible.append(not (isinstance(flags, dict) and any(flags.get(name) is True for name in _HIDDEN)))


def _rectangle(shape: dict[str, Any], where: str, notes: list[Note]) -> LooseBox | None:
    """A rectangle of two opposite corners, or of all four as X-AnyLabeling has it; None, with a note, if it is none."""
    points = shape.get("points")
    try:
        if not isinstance(points, list) or len(points) not in (2, 4):
            raise ValueError("a rectangle has 2 points, or 4")
        if not all(isinstance(point, list) and len(point) == 2 for point in points):
            raise ValueError("a point is a list of x and y")
        corners = numbers([value for point in points for value in point], "rectangle").reshape(-1, 2)
    except ValueError as error:
        notes.append(Note("ignored", "box that cannot be read", where, str(error)))
        return None
    box = ordered_box([*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()], where, notes)
    label = shape.get("label")
    return None if box is None else LooseBox(box, label if isinstance(label, str) else "", where)


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write a file for each image: beside it where it is in the folder, else directly in the folder.

    Args:
        folder: an existing folder.
        annotations: the faces.
        images: their images as the files shall name them; relative ones are relative to the folder.

    Returns:
        A line for each thing that could not be kept.
    """
    by_image: dict[str, list[int]] = {}
    for i, image in enumerate(images):
        by_image.setdefault(image, []).append(i)
    taken: set[str] = set()
    for image, members in by_image.items():
        path = Path(image)
        place, named = (folder, image) if path.is_absolute() else ((folder / path).parent, path.name)
        stem, number = path.stem, 2
        while str(place / stem).lower() in taken:
            stem, number = f"{path.stem}_{number}", number + 1
        taken.add(str(place / stem).lower())
        width, height = image_size(str(folder / image))
        content: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": [
                shape
                for group, i in enumerate(members)
                for shape in _shapes(annotations, i, None if len(members) == 1 else group)
            ],
            "imagePath": named,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        faces = [
            {
                "group_id": None if len(members) == 1 else group,
                "person": annotations.persons[i],
                "split": annotations.splits[i],
                "subsets": sorted(annotations.subsets[i]),
            }
            for group, i in enumerate(members)
        ]
        known = [row for row in faces if row["person"] or row["split"] or row["subsets"]]
        if known:
            content["faces"] = known
        (place / f"{stem}.json").write_text(json.dumps(content), encoding="utf-8")
    return []


def _shapes(annotations: Annotations, i: int, group: int | None) -> Iterator[dict[str, Any]]:
    def shape(label: str, kind: str, points: list[list[float]], occluded: bool) -> dict[str, Any]:
        return {
            "label": label,
            "points": [[round(v + 0.5, 6) for v in point] for point in points],
            "group_id": group,
            "description": "",
            "shape_type": kind,
            "flags": {"occluded": True} if occluded else {},
        }

    if not np.isnan(annotations.boxes[i]).any():
        x0, y0, x1, y1 = annotations.boxes[i].tolist()
        yield shape("face", "rectangle", [[x0, y0], [x1, y1]], False)
    for m, (x, y) in enumerate(annotations.landmarks[i].tolist()):
        if x == x:  # not missing
            yield shape(str(m), "point", [[x, y]], not annotations.visible[i, m])


FORMAT = Format(
    title="LabelMe",
    looks_like="a JSON file for each image, point shapes",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
)

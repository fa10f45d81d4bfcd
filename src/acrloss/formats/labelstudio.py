"""Label Studio: the JSON export, a list of tasks with their annotations.

    [{"id": 1, "data": {"image": "/data/upload/1/1a2b3c4d-a.jpg"}, "annotations": [{"result": [
        {"id": "p", "type": "keypointlabels", "parentID": "r", "original_width": 640, "original_height": 480,
         "value": {"x": 31.25, "y": 40.5, "width": 0.5, "keypointlabels": ["nose"]}},
        {"id": "r", "type": "rectanglelabels", "original_width": 640, "original_height": 480,
         "value": {"x": 20, "y": 10, "width": 50, "height": 60, "rectanglelabels": ["face"]}}, … ]}]}, … ]

x and y are per cent of the image's width and height, from its corner, half a pixel before the centre of the first
pixel. The label is the landmark's name. Points of one parentID are a face, and that rectangle is its box. Points
without one are a face if no label is there twice, else they are told apart by the rectangles that hold them or, where
every face has every label, by their order. `hidden` in a point's value, or a choice "occluded" or "hidden" for it,
makes a landmark hidden. Where one label stands for all landmarks their order counts, and a rectangle ends a face. Of
several annotations of a task those that were not cancelled are read, the ground truth last.

A task's data may have person, split and subsets, or `faces`: the same for each parentID.
"""

from __future__ import annotations

import json
import reprlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats.containers.json_object import describe, kind_of, load_list
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.boxes import boxes_of_all
from acrloss.formats.fields.face_box import LooseBox, ordered_box, owners
from acrloss.formats.fields.landmark_names import LandmarkNames
from acrloss.formats.fields.uploads import located, referenced, uploads_of
from acrloss.formats.fields.values import numbers, size_of, text
from acrloss.formats.format import Format
from acrloss.images import image_size
from acrloss.notes import Note

_HIDDEN = {"occluded", "hidden"}


def recognises(path: Path) -> bool:
    """Whether this is a .json file that looks like an export of Label Studio, or a folder with one in it."""
    try:
        return bool(_files(path))
    except OSError:
        return False


def read_faces(
    path: Path,
    notes: list[Note],
    *,
    names: Sequence[str] | None = None,
    images: str | None = None,
    corner_origin: bool = True,
) -> Iterator[Face]:
    """The faces of an export, or of all exports in a folder.

    Args:
        path: the file or folder.
        notes: receives a line for each face that is left out.
        names: labels in the order of the landmarks; all labels of points sorted where None.
        images: folder of the images; where None they are looked for beside the file, and in images and upload there.
        corner_origin: coordinates count from the corner of the image, as in Label Studio; false where a program divided
            pixel numbers by the image's size.
    """
    files = _files(path)
    if not files:
        raise DataError(f"{path}: no .json file with tasks and annotations; export as JSON, not JSON-MIN")
    tasks = [task for file in files for task in _tasks(file, images, notes)]
    labels = {shape.label for task in tasks for shape in task.shapes if shape.kind == "point"}
    found: list[_Found] = []
    for task in tasks:
        try:
            groups = _by_order(task) if len(labels) == 1 else _grouped(task, notes)
        except ValueError as error:
            notes.append(Note("left out", "whose landmarks cannot be told apart", task.where, str(error)))
            continue
        found += groups
    order = LandmarkNames(path, Counter(face.names for face in found), names)
    for face in found:
        try:
            yield _face(face, order, 0.5 if corner_origin else 0.0, notes)
        except (ValueError, DataError) as error:
            notes.append(unread(face.where, error))


@dataclass
class _Shape:
    """A point or rectangle of an annotation; `values` are per cent: x, y and, of a rectangle, width and height."""

    kind: str
    id: str
    parent: str
    label: str
    values: tuple[Any, ...]
    size: list[Any]
    hidden: bool
    turned: bool


@dataclass
class _Task:
    """One annotation of a picture."""

    where: str
    image: str
    shapes: list[_Shape]
    about: dict[str, Any]


@dataclass
class _Found:
    """A face, half read."""

    where: str
    image: str
    names: tuple[str, ...]
    points: list[_Shape]
    box: _Shape | None
    about: list[dict[str, Any]] = field(default_factory=list)


def _files(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.suffix.lower() == ".json" and kind_of(file) == "labelstudio"]


def _tasks(file: Path, images: str | None, notes: list[Note]) -> Iterator[_Task]:
    """Every annotation of a file that was not cancelled."""
    here = file.parent
    folders = [Path(images)] if images is not None else [here, here / "images", here / "upload"]
    rows = [task for task in load_list(file) if isinstance(task, dict)]
    references = [referenced(task.get("data")) for task in rows]
    uploads = uploads_of(references)
    for number, (task, reference) in enumerate(zip(rows, references, strict=True)):
        where = f"{file}: task {reprlib.repr(task.get('id', f'number {number}'))}"
        annotations = task.get("annotations") or task.get("completions") or []
        try:
            if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
                raise ValueError("annotations must be a list of objects")
            wanted = [a for a in annotations if not a.get("was_cancelled") and a.get("result")]
            if not wanted:
                continue
            image = located(text(reference, "the image in data"), folders, uploads)
            about = task["data"]
            for annotation in sorted(wanted, key=lambda a: a.get("ground_truth") is True):
                yield _Task(where, image, _shapes(annotation["result"]), about)
        except ValueError as error:
            notes.append(unread(where, error))


def _shapes(result: Any) -> list[_Shape]:
    """The points and rectangles of an annotation, in order."""
    if not isinstance(result, list):
        raise ValueError("result must be a list")
    items = [item for item in result if isinstance(item, dict) and isinstance(item.get("value"), dict)]
    hidden = {
        str(item.get("id"))
        for item in items
        if _HIDDEN & {str(choice).lower() for choice in _listed(item["value"].get("choices"))}
    }
    shapes = []
    for item in items:
        kind, value = item.get("type"), item["value"]
        if kind not in ("keypointlabels", "rectanglelabels"):
            continue
        if item.get("image_rotation") not in (None, 0):
            raise ValueError("the picture was turned in Label Studio; turn it back there, or the file itself")
        point = kind == "keypointlabels"
        labels = _listed(value.get(kind))
        shapes.append(
            _Shape(
                "point" if point else "rectangle",
                str(item.get("id")),
                item["parentID"] if isinstance(item.get("parentID"), str) else "",
                text(labels[0] if labels else None, kind) if point or labels else "",
                tuple(value.get(key) for key in (("x", "y") if point else ("x", "y", "width", "height"))),
                [item.get("original_width"), item.get("original_height")],
                value.get("hidden") is True or str(item.get("id")) in hidden,
                value.get("rotation") not in (None, 0),
            )
        )
    return shapes


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _grouped(task: _Task, notes: list[Note]) -> list[_Found]:
    """The faces of an annotation, as the module says.

    Raises:
        ValueError: which landmarks are one face cannot be told.
    """
    points = [shape for shape in task.shapes if shape.kind == "point"]
    rectangles = {shape.id: shape for shape in task.shapes if shape.kind == "rectangle"}
    groups: dict[str, list[_Shape]] = {}
    for point in points:
        groups.setdefault(point.parent, []).append(point)
    loose = groups.pop("", [])
    found = [_found(task, group, rectangles.get(parent), parent) for parent, group in groups.items()]
    free = [shape for name, shape in rectangles.items() if name not in groups]
    counts = Counter(point.label for point in loose)
    if not loose or max(counts.values()) == 1:
        return found + ([_found(task, loose, _owned(task, free, loose, notes))] if loose else [])
    owners = [[box for box in free if _holds(box, point)] for point in loose]
    if all(len(boxes) == 1 for boxes in owners):
        for box in free:
            inside = [point for point, (owner,) in zip(loose, owners, strict=True) if owner is box]
            found += [_found(task, inside, box, box.id)] if inside else []
        return found
    if len(set(counts.values())) > 1:
        raise ValueError(
            "several faces without parentID, not all with every landmark; put each face's points below a rectangle"
        )
    faces = max(counts.values())
    notes.append(Note("guessed", "faces told apart by order", task.where, f"{faces} faces without parentID", faces))
    nth: Counter[str] = Counter()
    split: list[list[_Shape]] = [[] for _ in range(faces)]
    for point in loose:
        split[nth[point.label]].append(point)
        nth[point.label] += 1
    return found + [_found(task, group, None) for group in split]


def _by_order(task: _Task) -> list[_Found]:
    """The faces where one label stands for all landmarks: each run of points, and the rectangle after it."""
    found: list[_Found] = []
    run: list[_Shape] = []
    for shape in [*task.shapes, None]:
        if shape is not None and shape.kind == "point":
            run.append(shape)
        elif run:
            found.append(_found(task, run, shape))
            found[-1].names = tuple(str(m) for m in range(len(run)))
            run = []
    return found


def _found(task: _Task, points: list[_Shape], box: _Shape | None, parent: str = "") -> _Found:
    faces = task.about.get("faces")
    about = faces.get(parent) if isinstance(faces, dict) else None
    return _Found(
        task.where,
        task.image,
        tuple(point.label for point in points),
        points,
        box,
        [task.about, about] if isinstance(about, dict) else [task.about],
    )


def _owned(task: _Task, boxes: list[_Shape], points: list[_Shape], notes: list[Note]) -> _Shape | None:
    """The rectangle, of those that are no face's, that fits one face."""
    marks = np.array([_place(point) for point in points])
    loose = [LooseBox((x, y, x + w, y + h), box.label, task.where) for box in boxes for x, y, w, h in [_place(box)]]
    (found,) = owners(loose, [marks], [""], [None], notes)
    return next((box for box, each in zip(boxes, loose, strict=True) if found is not None and each.box == found), None)


def _place(shape: _Shape) -> tuple[float, ...]:
    """Its numbers; NaN where they are none, which is looked at again when they are needed."""
    try:
        return tuple(numbers(shape.values, shape.kind).tolist())
    except ValueError:
        return (np.nan,) * len(shape.values)


def _holds(box: _Shape, point: _Shape) -> bool:
    (x, y, width, height), (a, b) = _place(box), _place(point)
    return x <= a <= x + width and y <= b <= y + height


def _face(found: _Found, order: LandmarkNames, shift: float, notes: list[Note]) -> Face:
    """
    Raises:
        ValueError: something in it is not as it should be.
        DataError: its size is not said, and the image cannot be read.
    """
    place = order.arrange(found.names)
    said = found.points[0].size
    if any(point.size != said for point in found.points):
        raise ValueError("its points say different sizes of the image, original_width and original_height")
    size: NDArray[np.float64]
    size = np.array(image_size(found.image), np.float64) if said == [None, None] else numbers(said, "original_width")
    if not (size >= 1).all():
        raise ValueError(f"original_width and original_height must be at least 1, got {said}")
    landmarks, visible = np.full((len(order), 2), np.nan), np.zeros(len(order), np.bool_)
    landmarks[place] = np.stack([numbers(point.values, "point") for point in found.points]) / 100 * size - shift
    visible[place] = [not point.hidden for point in found.points]
    face = Face(found.where, found.image, landmarks, visible)
    face.stated_size = size_of(*said)
    for about in found.about:
        try:
            describe(face, about)
        except ValueError as error:
            notes.append(Note("ignored", "person, split or subsets", found.where, str(error)))
    if found.box is not None:
        x, y, width, height = (numbers(found.box.values, "rectangle") / 100 * np.tile(size, 2)).tolist()
        if found.box.turned:
            notes.append(Note("ignored", "box that is turned", found.where, "a rectangle that was turned"))
        else:
            face.box = ordered_box([x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5], found.where, notes)
    return face


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write tasks.json, to import into a project with labels.xml as its labeling interface.

    Label Studio finds the images with "local files" where its document root is the folder, or the root of the disk for
    images that are elsewhere.

    Args:
        folder: an existing folder.
        annotations: the faces.
        images: their images as the file shall name them; relative ones are relative to the folder.

    Returns:
        A line for each thing that had to be changed.
    """
    boxes, notes = boxes_of_all(annotations, "Label Studio")
    marks = annotations.scheme.num_landmarks
    by_image: dict[str, list[int]] = {}
    for i, image in enumerate(images):
        by_image.setdefault(image, []).append(i)
    tasks = []
    for number, (image, members) in enumerate(by_image.items(), start=1):
        size = image_size(str(folder / image))
        result: list[dict[str, Any]] = []
        about: dict[str, Any] = {}
        for i in members:
            (x, y), (x1, y1) = _percent(boxes[i].reshape(2, 2), size)
            value = {"x": x, "y": y, "width": x1 - x, "height": y1 - y, "rotation": 0, "rectanglelabels": ["face"]}
            result.append(_region(f"face{i}", "rectanglelabels", value, size))
            for m, (x, y) in enumerate(_percent(annotations.landmarks[i], size)):
                if x == x:  # not missing
                    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [str(m)]}
                    value |= {} if annotations.visible[i, m] else {"hidden": True}
                    result.append(_region(f"face{i}_{m}", "keypointlabels", value, size) | {"parentID": f"face{i}"})
            known = {
                "person": annotations.persons[i],
                "split": annotations.splits[i],
                "subsets": sorted(annotations.subsets[i]),
            }
            about[f"face{i}"] = {key: value for key, value in known.items() if value}
        data = {"image": f"/data/local-files/?d={quote(image.removeprefix('/'))}", "faces": about}
        tasks.append({"id": number, "data": data, "annotations": [{"result": result}]})
    (folder / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    labels = "".join(f'    <Label value="{m}" model_index="{m}"/>\n' for m in range(marks))
    (folder / "labels.xml").write_text(_INTERFACE.format(labels=labels), encoding="utf-8")
    return notes


_INTERFACE = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="rectangles" toName="image">
    <Label value="face"/>
  </RectangleLabels>
  <KeyPointLabels name="points" toName="image">
{labels}  </KeyPointLabels>
</View>
"""


def _percent(points: NDArray[np.float64], size: tuple[int, int]) -> list[list[float]]:
    return [[float(v) for v in point] for point in (points + 0.5) / size * 100]


def _region(name: str, kind: str, value: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": name,
        "type": kind,
        "from_name": "points" if kind == "keypointlabels" else "rectangles",
        "to_name": "image",
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": value,
    }


FORMAT = Format(
    title="Label Studio",
    looks_like="JSON, a list of tasks with keypointlabels",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
)

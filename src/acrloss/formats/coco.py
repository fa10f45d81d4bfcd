"""COCO keypoints in JSON: images, annotations with keypoints [x, y, v] * M, categories with the keypoints' names.

v is 0 for a missing landmark, 1 for a hidden one and 2 for a visible one; another number above 0, such as a confidence,
is taken for visible, and said. The face of COCO-WholeBody, `face_kpts`, is read in place of the body. In COCO a
keypoint counts pixels, so the centre of the first pixel is (0, 0) as it is here; the corners of a bbox x, y, width,
height count from the image's corner, which is half a pixel further out.

Splits are files (person_keypoints_train2017.json). Person, split and subsets of a face, which COCO has no place for,
stand in its `attributes`, as CVAT's and Datumaro's exports have them.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats.containers.json_object import describe, kind_of, load
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.face_box import Box, ordered_box
from acrloss.formats.fields.folders import exports, split_of
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.keypoint_flags import keypoint_flags
from acrloss.formats.fields.splits import split_named
from acrloss.formats.fields.values import numbers, size_of, text
from acrloss.formats.format import Format
from acrloss.images import image_size
from acrloss.notes import Note

_SAFE = re.compile(r"[\w-]{1,60}")


def recognises(path: Path) -> bool:
    """Whether this is a .json file that looks like COCO, or a folder with one in it or below it."""
    return bool(_files(path))


def read_faces(
    path: Path,
    notes: list[Note],
    *,
    category: str | None = None,
    images: str | None = None,
    keypoints: str | None = None,
    corner_origin: bool = False,
) -> Iterator[Face]:
    """The annotations with keypoints of a file, or of all COCO files of a folder, or else of the folders below it.

    Args:
        path: the file or folder. Of files in a folder those named "keypoints" are read, if there are any.
        notes: receives a line for each annotation that is left out.
        category: name of the category; the only one with keypoints where None.
        images: folder of the images; where None they are looked for beside the file and in the folders that COCO
            has them in (images, train2017, …).
        keypoints: where annotations have their landmarks: "keypoints", or "face_kpts" as in COCO-WholeBody; the latter,
            where there is any, where None.
        corner_origin: keypoints count from the corner of the image, as after an export from a drawing tool.
    """
    files = _files(path)
    if not files:
        raise DataError(f"{path}: no .json file with images, annotations and categories; give a COCO file")
    order: list[Any] | None = None
    for file in files:
        content = load(file)
        rows = _objects(file, content, "annotations")
        key = keypoints or ("face_kpts" if any("face_kpts" in row for row in rows) else "keypoints")
        if key == "keypoints":
            categories = _categories(file, content, category)
        else:
            # These landmarks are those of every category.
            categories = {_id(row.get("category_id")): None for row in rows if key in row} or None
        if categories is None:
            continue
        if keypoints is None and key == "face_kpts":
            message = "its face_kpts are read, and no keypoints of bodies; give keypoints=keypoints for those"
            notes.append(Note("guessed", "file of COCO-WholeBody whose faces are read", str(file), message))
        names = next((value for value in categories.values() if value is not None), [])
        if order and names and names != order:
            raise DataError(f"{file}: its keypoints are not named as in {files[0]}, or in another order; give one file")
        order = order or names
        split = split_named(file.stem) or split_of(path if path.is_dir() else file.parent, file.parent)
        yield from _faces(file, content, key, categories, notes, images, 0.5 if corner_origin else 0.0, split)
    if order is None:
        what = f"no category {category!r} with keypoints" if category is not None else "no annotation has keypoints"
        raise DataError(f"{path}: {what}; give a COCO keypoints file")


def _files(path: Path) -> list[Path]:
    found = exports(path, ".json", lambda file: kind_of(file) == "coco")
    found = [file for file in found if file.parent == path / "annotations"] or found
    folders = dict.fromkeys(file.parent for file in found)
    inside = {folder: [file for file in found if file.parent == folder] for folder in folders}
    return [
        file
        for files in inside.values()
        for file in [file for file in files if "keypoint" in file.stem.lower()] or files
    ]


def _objects(file: Path, content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = content.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise DataError(f"{file}: {key!r} must be a list of objects; give a COCO file")
    return values


def _categories(file: Path, content: dict[str, Any], name: str | None) -> dict[str, list[Any] | None] | None:
    """The ids to read, and the names of their keypoints if the file says; None where there is nothing to read."""
    known = [value for value in _objects(file, content, "categories") if isinstance(value.get("keypoints"), list)]
    if name is not None:
        known = [value for value in known if value.get("name") == name]
    elif len(known) > 1:
        used = {_id(value.get("category_id")) for value in _objects(file, content, "annotations")}
        known = [value for value in known if _id(value.get("id")) in used] or known
        known = [value for value in known if value["keypoints"]] or known
        if len(known) > 1:
            names = ", ".join(reprlib.repr(value.get("name")) for value in known[:10])
            raise DataError(f"{file}: several categories have keypoints; give category= one of {names}")
    if known:
        return {_id(value.get("id")): value["keypoints"] or None for value in known}
    if name is None and any("keypoints" in value for value in _objects(file, content, "annotations")):
        # Without a list of categories there is nothing to choose by.
        return {_id(value.get("category_id")): None for value in _objects(file, content, "annotations")}
    return None


def _id(value: object) -> str:
    """An id in a form that can be looked up; 1 and "1" are one."""
    return str(value) if isinstance(value, int | str) else reprlib.repr(value)


def _faces(
    file: Path,
    content: dict[str, Any],
    keypoints: str,
    categories: dict[str, list[Any] | None],
    notes: list[Note],
    images: str | None,
    shift: float,
    split: str,
) -> Iterator[Face]:
    names: dict[str, object] = {}
    sizes: dict[str, tuple[float, float] | None] = {}
    for image in _objects(file, content, "images"):
        names[_id(image.get("id"))] = image.get("file_name")
        sizes[_id(image.get("id"))] = size_of(image.get("width"), image.get("height"))
    others = 0
    folders = [Path(images)] if images is not None else _image_folders(file)
    located: dict[str, str] = {}
    for number, values in enumerate(_objects(file, content, "annotations")):
        if _id(values.get("category_id")) not in categories:
            others += 1
            continue
        where = f"{file}: annotation {reprlib.repr(values.get('id', f'number {number}'))}"
        try:
            key = _id(values.get("image_id"))
            if key not in located:
                if key not in names:
                    shown = key if isinstance(values.get("image_id"), int) else reprlib.repr(key)
                    raise ValueError(f"no image has the id {shown}")
                located[key] = locate(text(names[key], "file_name"), folders)
            if values.get("iscrowd") in (1, True):
                raise ValueError("a crowd, not one face")
            names_of = categories[_id(values.get("category_id"))]
            count = None if names_of is None else len(names_of)
            if keypoints == "face_kpts" and values.get("face_valid") in (False, 0):
                raise ValueError("the person's face is marked as not valid")
            landmarks, visible = _landmarks(values.get(keypoints), count, shift, where, notes)
            face = Face(where, located[key], landmarks, visible, split=split, stated_size=sizes[key])
            face.box = _box(values.get("face_box" if keypoints == "face_kpts" else "bbox"), where, notes)
            if isinstance(attributes := values.get("attributes"), dict):
                describe(face, attributes)
        except ValueError as error:
            notes.append(unread(where, error))
            continue
        yield face
    if others:
        message = f"{others} annotations are of another category than the one that is read"
        notes.append(Note("ignored", "annotation of another category", str(file), message, others))


def _image_folders(file: Path) -> list[Path]:
    """Beside the file, in `images` there; and where the official data set has them, from `annotations` up."""
    subset = file.stem.rsplit("_", 1)[-1]
    bases = [file.parent, file.parent.parent] if file.parent.name == "annotations" else [file.parent]
    return [base / below for base in bases for below in ("", "images", subset, f"images/{subset}")]


def _landmarks(
    keypoints: object, count: int | None, shift: float, where: str, notes: list[Note]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    if not isinstance(keypoints, list):
        raise ValueError(
            "no keypoints"
            if keypoints is None
            else f"keypoints must be a list of numbers, got {reprlib.repr(keypoints)}"
        )
    if len(keypoints) % 3 or not keypoints or (count is not None and len(keypoints) != 3 * count):
        expected = "three numbers for each landmark" if count is None else f"{3 * count} numbers"
        raise ValueError(f"keypoints: expected {expected}, got {len(keypoints)}")
    known, visible = keypoint_flags(keypoints[2::3], "keypoints: v", where, notes)
    landmarks = np.full((len(known), 2), np.nan)
    for axis in (0, 1):
        # What a missing landmark has for coordinates is of no account: null, NaN, anything.
        values = [v for v, there in zip(keypoints[axis::3], known.tolist(), strict=True) if there]
        landmarks[known, axis] = numbers(values, "keypoints") - shift
    return landmarks, visible


def _box(bbox: object, where: str, notes: list[Note]) -> Box | None:
    if bbox is None or bbox == []:
        return None
    try:
        x, y, width, height = numbers(bbox, "bbox").tolist()
    except ValueError:
        message = f"bbox: expected x, y, width and height, got {reprlib.repr(bbox)}"
        notes.append(Note("ignored", "box that cannot be read", where, message))
        return None
    return ordered_box([x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5], where, notes)


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write a file for each split, or faces.json for faces of none, with one category "face".

    Args:
        folder: an existing folder.
        annotations: the faces. `area`, which COCO's evaluation needs, is that of the box, or of the box around the
            landmarks where there is none.
        images: their images as the file shall name them; relative ones are relative to the folder.

    Returns:
        A line for each thing that could not be kept.
    """
    scheme = annotations.scheme
    category = {
        "id": 1,
        "name": "face",
        "supercategory": "face",
        "keypoints": [str(m) for m in range(scheme.num_landmarks)],
        # 1-based, as COCO has it.
        "skeleton": [
            [a + 1, b + 1]
            for points, closed in scheme.contours
            for a, b in zip(points, points[1:] + (points[:1] if closed else ()), strict=False)
        ],
    }
    missing = np.isnan(annotations.landmarks[..., 0])
    flags = np.where(missing, 0, np.where(annotations.visible, 2, 1))
    landmarks = np.where(missing[..., None], 0, annotations.landmarks).round(6)
    keypoints = np.concatenate([landmarks, flags[..., None]], axis=-1)
    boxes = np.where(np.isnan(annotations.boxes), annotations.landmark_boxes(), annotations.boxes)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    files: dict[str, list[int]] = {}
    for i, split in enumerate(annotations.splits):
        files.setdefault(split if _SAFE.fullmatch(split) else "faces", []).append(i)
    for stem, members in files.items():
        ids: dict[str, int] = {}
        rows: list[dict[str, Any]] = []
        pictures: list[dict[str, Any]] = []
        for i in members:
            if images[i] not in ids:
                ids[images[i]] = len(ids) + 1
                width, height = image_size(str(folder / images[i]))
                pictures.append({"id": ids[images[i]], "file_name": images[i], "width": width, "height": height})
            row = {
                "id": len(rows) + 1,
                "image_id": ids[images[i]],
                "category_id": 1,
                "iscrowd": 0,
                "num_keypoints": int((flags[i] > 0).sum()),
                "keypoints": [int(v) if v.is_integer() else v for v in keypoints[i].ravel().tolist()],
                "area": round(float(areas[i]), 3),
            }
            if not np.isnan(annotations.boxes[i, 0]):
                x0, y0, x1, y1 = annotations.boxes[i].tolist()
                row["bbox"] = [round(v, 6) for v in (x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0)]
            about = {
                "person": annotations.persons[i],
                "split": annotations.splits[i],
                "subsets": sorted(annotations.subsets[i]),
            }
            row["attributes"] = {key: value for key, value in about.items() if value}
            rows.append(row)
        content = {"images": pictures, "annotations": rows, "categories": [category]}
        (folder / f"{stem}.json").write_text(json.dumps(content), encoding="utf-8")
    return []


def add_faceless(folder: Path, images: Sequence[str]) -> None:
    """Add images without a face to the file that `write_faces` wrote for faces of no split."""
    path = folder / "faces.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for number, image in enumerate(images, len(content["images"]) + 1):
        width, height = image_size(str(folder / image))
        content["images"].append({"id": number, "file_name": image, "width": width, "height": height})
    path.write_text(json.dumps(content), encoding="utf-8")


FORMAT = Format(
    title="COCO keypoints",
    looks_like="JSON with images, annotations and categories",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
    add_faceless=add_faceless,
)

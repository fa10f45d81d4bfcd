"""YOLO-pose of Ultralytics: a text file for each image, and a .yaml file that describes the data set.

    data.yaml                 images/train/a.jpg
      train: images/train     labels/train/a.txt
      val: images/val           0 0.5 0.45 0.3 0.4 0.41 0.38 2 0.59 0.38 2 0.5 0.5 1 …
      kpt_shape: [5, 3]
      flip_idx: [1, 0, 2, 4, 3]
      names: {0: face}

A line is a face: its class, centre and size of its box, then x, y and visibility of each landmark: 0 is missing, 1
hidden, 2 visible. Without visibility (kpt_shape: [5, 2]) 0 0 and negative pairs are missing. All are shares of the
upright image's width and height: 0 and 1 are its edges, half a pixel beyond the centres of the first and last pixel.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.files import read_limited
from acrloss.formats.containers.text_lines import read_lines
from acrloss.formats.face import Face, unread
from acrloss.formats.fields.boxes import boxes_of_all
from acrloss.formats.fields.face_box import ordered_box
from acrloss.formats.fields.folders import PictureFolders, Pictures, walk
from acrloss.formats.fields.image_places import locate
from acrloss.formats.fields.keypoint_flags import keypoint_flags
from acrloss.formats.fields.values import numbers, text
from acrloss.formats.format import Format
from acrloss.images import image_size
from acrloss.notes import Note
from acrloss.schemes import Scheme, generic_scheme, get_scheme, scheme_names
from acrloss.yaml_file import read_yaml

_SUFFIXES = {".yaml", ".yml"}
_SHAPE = re.compile(rb"^kpt_shape[ \t]*:", re.MULTILINE)
# Keys of data.yaml -> split. The last one is ours, for faces of no split; Ultralytics passes it over.
_SPLITS = {"train": "train", "val": "val", "test": "test", "unsplit": ""}
_MAX_YAML, _MAX_LABELS, _MAX_LIST = 1_000_000, 10_000_000, 500_000_000
_MAX_LANDMARKS = 10_000
# How deep label files lie below the folder of a split; a place that a file names may lead anywhere.
_DEPTH = 3
# Further outside than one image size no landmark lies; numbers beyond are pixels.
_SHARES = (-1.0, 2.0)
# Ultralytics drops whole label files with numbers that are further outside.
_TOLERANCE = 0.01


def recognises(path: Path) -> bool:
    """Whether this is a .yaml file with kpt_shape, or a folder with one in it."""
    return _description(path) is not None


def read_faces(
    path: Path, notes: list[Note], *, category: str | None = None, corner_origin: bool = True
) -> Iterator[Face]:
    """The faces of the label files that a .yaml file names.

    Args:
        path: the .yaml file, or the folder with it. Where the folders that it names are not there, as on another
            machine, they are looked for below it.
        notes: receives a line for each face that is left out.
        category: name of the class; the only one that has faces where None.
        corner_origin: the shares count from the corner of the image; false where pixel numbers were divided by the
            image's size, as in COCO's own keypoints converted by Ultralytics.
    """
    file = _description(path)
    if file is None:
        raise DataError(f"{path}: no .yaml file with kpt_shape, as YOLO-pose has it; give the data.yaml file")
    data = _read_description(file)
    if category is not None and category not in data.classes.values():
        raise DataError(f"{file}: no class {category!r}; give category= one of {', '.join(data.classes.values())}")
    shift = 0.5 if corner_origin else 0.0
    used: dict[float, str] = {}
    for split, label, image in _label_files(data, notes):
        try:
            lines = [line.split() for line in read_lines(label, _MAX_LABELS, "a label file")]
            size = image_size(image)
        except DataError as error:
            notes.append(Note("left out", "without a readable image or label file", str(label), str(error)))
            continue
        for number, words in enumerate(lines, start=1):
            if not words:
                continue
            where = f"{label}:{number}"
            try:
                kind = float(numbers(words[:1], "the class")[0])
                if category is not None and data.classes.get(kind) != category:
                    continue
                face = _face(where, image, words, data, size, shift, notes)
            except ValueError as error:
                notes.append(unread(where, error))
                continue
            used.setdefault(kind, where)
            if len(used) > 1:
                (_, first), (_, second) = used.items()
                named = ", ".join(data.classes.get(kind, f"{kind:g}") for kind in used)
                raise DataError(f"{first} and {second} are of different classes; give category= one of {named}")
            face.split = split
            yield face


@dataclass
class _Description:
    """What a .yaml file says: `marks` landmarks of `columns` numbers each, and where the images of each split are."""

    file: Path
    root: Path
    marks: int
    columns: int
    classes: dict[float, str]
    flip: tuple[int, ...] | None
    places: list[tuple[str, str]]


def _description(path: Path) -> Path | None:
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            small = file.suffix.lower() in _SUFFIXES and file.is_file() and file.stat().st_size <= _MAX_YAML
            if small and _SHAPE.search(read_limited(file, _MAX_YAML, "a YAML file")):
                return file
    except (OSError, DataError):
        pass
    return None


def _read_description(file: Path) -> _Description:
    values = read_yaml(file, "a file that describes a data set", texts=True)
    try:
        shape = numbers(values.get("kpt_shape"), "kpt_shape").tolist()
        if len(shape) != 2 or not (1 <= shape[0] <= _MAX_LANDMARKS and shape[0] % 1 == 0 and shape[1] in (2, 3)):
            raise ValueError(f"kpt_shape must be the number of landmarks and 2 or 3, got {shape[:4]}")
        flip = numbers(values["flip_idx"], "flip_idx") if values.get("flip_idx") else None
        if flip is not None and sorted(flip.tolist()) != list(range(int(shape[0]))):
            raise ValueError(f"flip_idx must hold each of 0 … {int(shape[0]) - 1} once")
        root = text(values["path"], "path") if values.get("path") else ""
        places = [(split, text(place, key)) for key, split in _SPLITS.items() for place in _listed(values.get(key))]
        if not places:
            raise ValueError("none of train, val and test says where the images are")
        classes = _classes(values.get("names"))
    except ValueError as error:
        raise DataError(f"{file}: {error}; mend the file") from None
    return _Description(
        file,
        file.parent / root,
        int(shape[0]),
        int(shape[1]),
        classes,
        None if flip is None else tuple(int(m) for m in flip),
        places,
    )


def _listed(value: Any) -> list[Any]:
    """Places of a split: one, a list of them, or none."""
    return value if isinstance(value, list) else [value] if value else []


def _classes(names: Any) -> dict[float, str]:
    if isinstance(names, dict):
        keys = numbers(list(names), "names").tolist()
        return {key: str(name) for key, name in zip(keys, names.values(), strict=True)}
    return {float(i): str(name) for i, name in enumerate(_listed(names))}


def _label_files(data: _Description, notes: list[Note]) -> Iterator[tuple[str, Path, str]]:
    """Split, label file and image of every label file, each once."""
    seen: set[str] = set()
    for split, entry in data.places:
        place = _place(data, entry)
        if place is None:
            message = f"{split or 'unsplit'}: no folder or list {entry}, neither as it is named nor below this file"
            notes.append(Note("ignored", "split without its folder", str(data.file), message))
            continue
        pairs = _in_folder(place, notes) if place.is_dir() else _in_list(data, place)
        again = 0
        for label, image in pairs:
            key = os.path.normpath(label)
            again += key in seen
            if key not in seen:
                seen.add(key)
                yield split, label, image
        if again:
            message = f"{split or 'unsplit'}: {again} label files are of an earlier split, too, and stay there"
            notes.append(Note("ignored", "label file named by two splits", str(data.file), message, again))


def _place(data: _Description, entry: str) -> Path | None:
    """The folder or list that an entry names: below `path`, beside the file, or by its last names there."""
    entry = entry.replace("\\", "/")
    here = data.file.parent
    # Roboflow writes ../train/images for train/images.
    names = [name for name in entry.removeprefix("../").split("/") if name not in ("", ".")]
    tails = ["/".join(names[i:]) for i in range(max(len(names) - 1, 1))]
    places = [data.root / entry, here / entry, *(here / tail for tail in tails)]
    return next((place for place in places if place.exists()), None)


def _in_folder(folder: Path, notes: list[Note]) -> Iterator[tuple[Path, str]]:
    """The label files of a folder of images: the last folder called images in its path is called labels in theirs."""
    parts = list(folder.parts)
    apart = "images" in parts
    if apart:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    labels = Path(*parts)
    for place, names in walk(labels, _DEPTH) if labels.is_dir() else ():
        beside = PictureFolders()[folder / place.relative_to(labels)] if apart else Pictures(place, names)
        for name in names:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 (pathlib is ten times slower here)
            if suffix.lower() != ".txt":
                continue
            found = beside.named(stem)
            if len(found) == 1:
                yield place / name, str(beside.folder / found[0])
            elif apart:
                # A folder that holds both has other texts as well.
                message = f"several images of its name: {', '.join(found)}" if found else f"no image in {beside.folder}"
                notes.append(Note("left out", "without one image of its name", str(place / name), message))


def _in_list(data: _Description, file: Path) -> Iterator[tuple[Path, str]]:
    """The label files of the images that a text file lists."""
    for number, line in enumerate(read_lines(file, _MAX_LIST, "a list of images"), start=1):
        if not line.strip():
            continue
        try:
            image = locate(
                text(line.strip().removeprefix("./"), "the image"), [data.root, file.parent, data.file.parent]
            )
        except ValueError as error:
            raise DataError(f"{file}:{number}: {error}") from None
        before, found, after = image.replace("\\", "/").rpartition("/images/")
        label = Path(f"{before}/labels/{after}" if found else image).with_suffix(".txt")
        # An image without a label file has no faces.
        if label.is_file():
            yield label, image


def _face(
    where: str,
    image: str,
    words: list[str],
    data: _Description,
    size: tuple[int, int],
    shift: float,
    notes: list[Note],
) -> Face:
    expected = 5 + data.marks * data.columns
    if len(words) != expected:
        raise ValueError(f"{len(words)} numbers, but class, box and {data.marks} landmarks are {expected}")
    columns = [words[5 + i :: data.columns] for i in range(data.columns)]
    if data.columns == 3:
        known, visible = keypoint_flags(columns[2], "visibility", where, notes)
        # What stands in the place of a missing landmark says nothing.
        columns[:2] = [
            [word if there else "0" for word, there in zip(column, known, strict=True)] for column in columns[:2]
        ]
    marks: NDArray[np.float64] = np.stack([numbers(column, "landmarks") for column in columns[:2]], axis=1)
    if data.columns == 2:
        known = ~((marks == 0).all(axis=1) | (marks < 0).all(axis=1))
        visible = known
    outside = (marks < _SHARES[0]) | (marks > _SHARES[1])
    if outside.any():
        raise ValueError(f"{marks[outside][0]:g} is no share of the image's side; YOLO's numbers lie between 0 and 1")
    marks = marks * size - shift
    marks[~known] = np.nan
    x, y, width, height = (numbers(words[1:5], "box") * (size * 2)).tolist()
    face = Face(where, image, marks, visible)
    # Edges lie half a pixel beyond the centres of the pixels that they enclose, whatever the landmarks count from.
    corners = [x - width / 2 - 0.5, y - height / 2 - 0.5, x + width / 2 - 0.5, y + height / 2 - 0.5]
    face.box = ordered_box(corners, where, notes)
    return face


def own_scheme(path: Path) -> Scheme | None:
    """The scheme that kpt_shape and flip_idx tell: a built-in one where both agree with it, else one of these pairs.

    None where there are no pairs: the number of landmarks tells the scheme then, or nothing does. Exports have
    flip_idx: [0, 1, 2, …] where nobody gave pairs, so that says nothing either.

    Raises:
        DataError: flip_idx is not its own inverse.
    """
    file = _description(path)
    data = None if file is None else _read_description(file)
    if data is None or data.flip is None or data.flip == tuple(range(data.marks)):
        return None
    known = (get_scheme(name) for name in scheme_names())
    found = next((scheme for scheme in known if scheme.num_landmarks == data.marks and scheme.flip == data.flip), None)
    try:
        return found or generic_scheme(data.marks, data.flip, f"yolo{data.marks}")
    except ValueError as error:
        raise DataError(f"{file}: flip_idx: {error}; mend the file") from None


def image_folder(split: str, subsets: frozenset[str]) -> str:
    """The folder that tells a face's split."""
    return f"images/{split if split in _SPLITS else 'unsplit'}"


def write_faces(folder: Path, annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Write data.yaml, and a label file for each image.

    Args:
        folder: an existing folder.
        annotations: the faces.
        images: their images, relative to the folder, in `image_folder`.

    Returns:
        A line for each thing that had to be changed or that Ultralytics refuses.
    """
    boxes, notes = boxes_of_all(annotations, "YOLO-pose")
    scheme = annotations.scheme
    by_image: dict[str, list[int]] = {}
    for i, image in enumerate(images):
        by_image.setdefault(image, []).append(i)
    outside = 0
    for image, members in by_image.items():
        size = np.array(image_size(str(folder / image)))
        lines = []
        for i in members:
            marks = (annotations.landmarks[i] + 0.5) / size
            x0, y0, x1, y1 = ((boxes[i] + 0.5) / np.tile(size, 2)).tolist()
            missing = np.isnan(marks[:, 0])
            flags = np.where(missing, 0, np.where(annotations.visible[i], 2, 1))
            shares = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, *marks[~missing].ravel().tolist()]
            outside += not -_TOLERANCE < min(shares) <= max(shares) < 1 + _TOLERANCE
            row = [f"{share:.12g}" for share in shares[:4]]
            for (x, y), flag in zip(np.where(missing[:, None], 0, marks).tolist(), flags.tolist(), strict=True):
                row += [f"{x:.12g}", f"{y:.12g}", str(flag)]
            lines.append(" ".join(["0", *row]) + "\n")
        label = folder / Path("labels", *Path(image).parts[1:]).with_suffix(".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("".join(lines), encoding="utf-8")
    kept = sorted({Path(image).parts[1] for image in by_image}, key=list(_SPLITS).index)
    content: dict[str, Any] = {key: f"images/{key}" for key in kept}
    content |= {"kpt_shape": [scheme.num_landmarks, 3], "flip_idx": list(scheme.flip), "names": {0: "face"}}
    lines_of_yaml = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110)
    (folder / "data.yaml").write_text(lines_of_yaml, encoding="utf-8")
    if "unsplit" in kept:
        count = sum(1 for image in images if Path(image).parts[1] == "unsplit")
        notes.append(f"YOLO-pose knows the splits train, val and test: {count} faces of none of them are in unsplit")
    if outside:
        notes.append(
            "Ultralytics refuses label files with numbers beyond the image: "
            f"{outside} faces have a box or landmarks there"
        )
    return notes


FORMAT = Format(
    title="YOLO-pose (Ultralytics, Roboflow, CVAT)",
    looks_like="`data.yaml` with kpt_shape, folders `images` and `labels`",
    recognises=recognises,
    read=read_faces,
    write=write_faces,
    cannot_hold=frozenset({"persons", "subsets", "splits"}),
    images="beside",
    image_folder=image_folder,
    scheme=own_scheme,
)

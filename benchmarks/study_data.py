"""Makes the data of studies/few.yaml, hard.yaml and sampling.yaml from 300-W: fewer faces, noisy landmarks, covered
and turned faces, hard or easy faces seen more often.

    python benchmarks/study_data.py 300w

writes beside it

- 300w-10, 300w-30: that share of the training faces, in percent
- 300w-noisy: all training faces; each landmark moved at random, by 4 % of the face's inter-ocular distance (standard
  deviation of each coordinate)
- 300w-hard: all training faces; scored on covered ones (a quarter of the face's box hidden by another picture) and on
  the third that is turned furthest
- 300w-harder, 300w-easier: all training faces, and that third again that the shape model of nine modes finds hardest
  or easiest (mean distance between a face and its Smooth-Face)

All hold out the fifth of the training faces that a run with seed 0 holds out of 300-W, as they are but in 300w-hard.
"""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations, concatenate, training_split
from acrloss.crops.crop import CropSpec, normalized_landmarks
from acrloss.formats import read_annotations, write_annotations
from acrloss.images import read_image
from acrloss.shapes.shape_model import ShapeModel

NOISE = 0.04
MODES = 9
EYE_CORNERS = (36, 45)
JAW_ENDS, NOSE_TIP = (0, 16), 30


def noisy(faces: Annotations, rng: np.random.Generator) -> Annotations:
    """The faces with landmarks moved at random."""
    marks = faces.landmarks
    interocular = np.linalg.norm(marks[:, EYE_CORNERS[0]] - marks[:, EYE_CORNERS[1]], axis=1)
    return replace(faces, landmarks=marks + rng.normal(0, NOISE, marks.shape) * interocular[:, None, None])


def turned(faces: Annotations) -> Annotations:
    """The third whose nose tip is furthest from the middle between the ends of the jaw."""
    first, second = (np.linalg.norm(faces.landmarks[:, end] - faces.landmarks[:, NOSE_TIP], axis=1) for end in JAW_ENDS)
    turn = abs(np.log(first / second))
    return faces.select(turn >= np.quantile(turn, 2 / 3))


def difficulty(faces: Annotations) -> NDArray[np.float64]:
    """(N,) mean distance of each face's landmarks from its Smooth-Face, in crop units."""
    shapes = normalized_landmarks(faces, CropSpec())
    smooth = ShapeModel.fit(shapes).smooth(shapes, MODES)
    return np.asarray(np.linalg.norm(np.asarray(smooth) - shapes, axis=-1).mean(axis=1))


def again(faces: Annotations, folder: Path) -> Annotations:
    """The faces in pictures of another name, since readers take a face once; pictures in `folder`."""
    folder.mkdir()
    names = [folder / f"again_{i:04}{Path(image).suffix}" for i, image in enumerate(faces.images)]
    for image, name in zip(faces.images, names, strict=True):
        shutil.copyfile(image, name)
    return replace(faces, images=tuple(map(str, names)))


def covered(faces: Annotations, folder: Path, rng: np.random.Generator) -> Annotations:
    """The faces with a square piece of another picture over a quarter of the landmarks' box; pictures in `folder`."""
    names = []
    for i, (image, box) in enumerate(zip(faces.images, faces.landmark_boxes(), strict=True)):
        picture = read_image(image).copy()
        other = read_image(faces.images[(i + 1 + int(rng.integers(len(faces) - 1))) % len(faces)])
        width, height = (int((box[2 + axis] - box[axis]) / 2) for axis in (0, 1))
        left, top = (int(rng.uniform(box[axis], box[2 + axis]) - size / 2) for axis, size in ((0, width), (1, height)))
        piece = cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA)
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + width, picture.shape[1]), min(top + height, picture.shape[0])
        picture[y0:y1, x0:x1] = piece[y0 - top : y1 - top, x0 - left : x1 - left]
        name = folder / f"covered_{i:04}.png"
        cv2.imwrite(str(name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        names.append(str(name))
    return replace(faces, images=tuple(names))


def named(faces: Annotations, split: str, subset: str = "") -> Annotations:
    """The faces as those of one split and one subset, without what else is known of them."""
    return Annotations.create(
        faces.images,
        faces.landmarks,
        faces.scheme,
        splits=[split] * len(faces),
        subsets=[frozenset({subset} if subset else ())] * len(faces),
        source=faces.source,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="300-W")
    source = Path(parser.parse_args().data)
    train, held = training_split(read_annotations(source), 0.2, 0)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(train))
    by_difficulty = np.argsort(difficulty(train))
    third = len(train) // 3
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            "10": (train.select(np.sort(order[: len(train) // 10])), [named(held, "val")]),
            "30": (train.select(np.sort(order[: len(train) * 3 // 10])), [named(held, "val")]),
            "noisy": (noisy(train, rng), [named(held, "val")]),
            "hard": (
                train,
                [named(covered(held, Path(folder), rng), "val", "covered"), named(turned(held), "val", "turned")],
            ),
        }
        for name, chosen in (("easier", by_difficulty[:third]), ("harder", by_difficulty[-third:])):
            twice = again(train.select(chosen), Path(folder, name))
            sets[name] = concatenate([train, twice]), [named(held, "val")]
        for name, (faces, scored) in sets.items():
            dest = source.with_name(f"{source.name}-{name}")
            write_annotations(concatenate([named(faces, "train"), *scored]), dest, "csv", copy_images=True)
            print(f"{dest}: {len(faces)} faces to train on, {sum(map(len, scored))} scored")


if __name__ == "__main__":
    main()

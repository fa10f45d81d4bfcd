"""Test and validation faces that share neither a person nor a picture with the training faces."""

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.data_check.duplicates import duplicate_groups
from acrloss.data_check.pictures import look_at
from acrloss.errors import DataError
from acrloss.images.threads import in_threads
from acrloss.progress_hook import Progress, no_progress
from acrloss.shapes.alignment import align_faces

# Units of like difficulty among which chance decides.
_WINDOW = 10


@dataclass(frozen=True)
class Split:
    """A data set that was split.

    Attributes:
        annotations: the same faces, each in split "train", "val" or "test".
        units: how many groups of faces there were that must stay together.
        people: how many persons the data names; 0 where it names none.
        duplicates: how many pictures are there a second time, under another name or nearly the same.
    """

    annotations: Annotations
    units: int
    people: int
    duplicates: int


def split_faces(
    annotations: Annotations, test: float = 0.2, val: float = 0.1, seed: int = 0, progress: Progress = no_progress
) -> Split:
    """Split a data set by persons and pictures, easy and hard faces alike in all parts.

    Faces of one person, of one picture, or of pictures that look the same stay together. What stays together is ordered
    by how unusual its shapes are and dealt out, so that each part has its share of the hard ones.

    Args:
        annotations: the faces; splits that they have do not count.
        test, val: shares of the faces; each is met but for the size of a group that stays together.
        seed: of what chance decides.
        progress: wraps the pictures that are decoded.

    Raises:
        ValueError: a share is negative, or nothing would be left for training.
        DataError: there are fewer groups than parts.
    """
    if test < 0 or val < 0 or not test + val < 1:
        raise ValueError(
            f"shares of test and val faces are 0 or more and leave some for training, not {test} and {val}"
        )
    shares = {name: share for name, share in (("train", 1 - test - val), ("test", test), ("val", val)) if share > 0}
    references = list(dict.fromkeys(annotations.images))
    looks = list(progress(in_threads(look_at, references), "looking for duplicates", len(references)))
    readable = [i for i, look in enumerate(looks) if isinstance(look, tuple)]
    groups = duplicate_groups([look[2] for look in looks if isinstance(look, tuple)])
    picture: dict[str, int] = {reference: i for i, reference in enumerate(references)}
    for group in groups:
        for member in group.members:
            picture[references[readable[member]]] = readable[group.members[0]]
    unit = _together(
        [(("picture", picture[image]), ("person", person)) if person else (("picture", picture[image]),)
         for image, person in zip(annotations.images, annotations.persons, strict=True)]
    )  # fmt: skip
    units = int(unit.max()) + 1 if len(unit) else 0
    if units < len(shares):
        raise DataError(
            f"{annotations.source}: {units} persons or pictures that share nothing are too few for "
            f"{' and '.join(shares)} faces; add people"
        )
    names = _deal(unit, _unusualness(annotations), shares, np.random.default_rng(seed))
    return Split(
        replace(annotations, splits=tuple(names)),
        units,
        len({person for person in annotations.persons if person}),
        sum(len(group.members) - 1 for group in groups),
    )


def _together(keys: list[tuple[Hashable, ...]]) -> NDArray[np.intp]:
    """(N,) the number of the group of each face: faces that share a key, directly or through others, are in one."""
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[Hashable, int] = {}
    for i, own in enumerate(keys):
        for key in own:
            parent[root(i)] = root(first.setdefault(key, i))
    _, numbers = np.unique([root(i) for i in range(len(keys))], return_inverse=True)
    return np.asarray(numbers)


def _unusualness(annotations: Annotations) -> Float:
    """(N,) how far each face's shape is from the mean shape; the median where that cannot be told."""
    try:
        aligned, mean = align_faces(annotations.landmarks)
    except DataError:
        return np.zeros(len(annotations))
    known = np.asarray(np.isfinite(aligned).all(axis=2))
    apart = np.where(known, np.linalg.norm(np.nan_to_num(aligned) - mean, axis=2), 0).sum(axis=1)
    apart = np.where(known.any(axis=1), apart / np.maximum(known.sum(axis=1), 1), np.nan)
    return np.where(np.isnan(apart), np.nanmedian(apart), apart)


def _deal(unit: NDArray[np.intp], unusual: Float, shares: dict[str, float], rng: np.random.Generator) -> list[str]:
    """The split of each face: groups in the order of their faces' unusualness, each to the split that lacks most."""
    members: dict[int, list[int]] = defaultdict(list)
    for face, number in enumerate(unit.tolist()):
        members[number].append(face)
    order = sorted(members, key=lambda number: float(unusual[members[number]].mean()))
    windows = [order[start : start + _WINDOW] for start in range(0, len(order), _WINDOW)]
    names = [""] * len(unit)
    given = dict.fromkeys(shares, 0)
    seen = 0
    for window in windows:
        for number in rng.permutation(window).tolist():
            seen += len(members[number])
            name = max(shares, key=lambda split: shares[split] * seen - given[split])
            given[name] += len(members[number])
            for face in members[number]:
                names[face] = name
    return names

"""The one in-memory form of annotated faces that every reader gives and everything else takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.boxes import tight_box
from acrloss.errors import DataError
from acrloss.notes import Note, counted, left_out
from acrloss.schemes import Scheme

# A field with an entry for each face; `select` and `concatenate` follow from it.
_EACH_FACE = {"each face": True}
_UNKNOWN: Any = None


@dataclass(frozen=True, eq=False)
class Annotations:
    """N annotated faces of one landmark scheme; immutable.

    Coordinates are pixels; the centre of the image's top-left pixel is (0, 0).

    Attributes:
        images: N image references for `acrloss.images.read_image`: a file's path,
            "synthetic://seed/index", "cofw://PATH#IsTr/index", or, where there are annotations only,
            "no-image://" and what tells the faces apart.
        landmarks: (N, M, 2) float64; NaN where a landmark is missing.
        scheme: the landmark scheme, of M landmarks.
        visible: (N, M) bool; False where a landmark is occluded or missing. By default what is not missing is visible.
        boxes: (N, 4) float64 face boxes x0, y0, x1, y1; NaN, the default, where there is none.
        persons: N names, "", the default, where unknown.
        splits: N names, usually "train", "val" or "test", "", the default, where unknown.
        subsets: N sets of tags, such as {"full", "common"}; empty by default.
        source: what was read, for messages.
        notes: what was left out, ignored, changed or guessed when these were read.
        official_faces: split or subset -> how many faces it has in the official protocol, where there is one; what is
            here may be fewer.

    Raises:
        ValueError: lengths or shapes disagree.
    """

    images: tuple[str, ...] = field(metadata=_EACH_FACE)
    landmarks: NDArray[np.float64] = field(metadata=_EACH_FACE)
    scheme: Scheme
    visible: NDArray[np.bool_] = field(default=_UNKNOWN, metadata=_EACH_FACE)
    boxes: NDArray[np.float64] = field(default=_UNKNOWN, metadata=_EACH_FACE)
    persons: tuple[str, ...] = field(default=_UNKNOWN, metadata=_EACH_FACE)
    splits: tuple[str, ...] = field(default=_UNKNOWN, metadata=_EACH_FACE)
    subsets: tuple[frozenset[str], ...] = field(default=_UNKNOWN, metadata=_EACH_FACE)
    source: str = ""
    notes: tuple[Note, ...] = ()
    official_faces: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, marks = len(self.images), self.scheme.num_landmarks
        landmarks = np.asarray(self.landmarks, dtype=np.float64)
        if count == 0 and landmarks.size == 0:
            landmarks = np.empty((0, marks, 2))
        # Of each field for each face: its shape and type, and what it is where nothing is known.
        arrays: dict[str, tuple[tuple[int, ...], type, Any]] = {
            "landmarks": ((count, marks, 2), np.float64, landmarks),
            "visible": ((count, marks), np.bool_, ~np.isnan(landmarks).any(axis=-1)),
            "boxes": ((count, 4), np.float64, np.full((count, 4), np.nan)),
        }
        others = {"images": "", "persons": "", "splits": "", "subsets": frozenset[str]()}
        for name, (shape, dtype, unknown) in arrays.items():
            given = landmarks if name == "landmarks" else getattr(self, name)
            # A private copy, so that nobody's later change reaches the annotations.
            array: NDArray[Any] = np.array(unknown if given is None else given, dtype=dtype)
            if array.shape != shape:
                raise ValueError(f"{name}: expected shape {shape} ({self.scheme.name}), got {array.shape}")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        for name, unknown in others.items():
            given = getattr(self, name)
            entries = (unknown,) * count if given is None else tuple(given)
            if len(entries) != count:
                raise ValueError(f"{name}: expected {count} entries, got {len(entries)}")
            object.__setattr__(self, name, entries)
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "official_faces", dict(self.official_faces))
        if np.isinf(self.landmarks).any() or np.isinf(self.boxes).any():
            raise ValueError("landmarks and boxes must be finite, or NaN where missing; got an infinite value")

    @classmethod
    def create(
        cls,
        images: Sequence[str],
        landmarks: ArrayLike,
        scheme: Scheme,
        *,
        skipped: Sequence[str] = (),
        **known: Any,
    ) -> Annotations:
        """Annotations from any sequences.

        Args:
            images, landmarks, scheme: as the attributes.
            skipped: lines about faces that were left out, where there are no `notes`.
            known: other attributes by their names; what is not given, or None, is unknown.
        """
        given = {name: value for name, value in known.items() if value is not None}
        given["notes"] = (*given.get("notes", ()), *(Note("left out", "", "", line) for line in skipped))
        return cls(tuple(images), np.asarray(landmarks, dtype=np.float64), scheme, **given)

    @property
    def skipped(self) -> tuple[str, ...]:
        """One line for each face that was left out, with its file and the reason."""
        return tuple(left_out(self.notes))

    def __len__(self) -> int:
        return len(self.images)

    def select(self, which: ArrayLike) -> Annotations:
        """The faces of an index array, in its order, or of a boolean mask (N,)."""
        chosen = np.asarray(which)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise ValueError(f"expected a mask of shape ({len(self)},), got {chosen.shape}")
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.intp) if chosen.size == 0 else chosen
        if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
            raise ValueError(f"expected a 1-D index array or mask, got {chosen.dtype} of shape {chosen.shape}")
        rows = chosen.tolist()
        picked: dict[str, Any] = {
            name: value[chosen] if isinstance(value, np.ndarray) else tuple(value[i] for i in rows)
            for name, value in ((name, getattr(self, name)) for name in _each_face())
        }
        return replace(self, **picked)

    def split(self, name: str) -> Annotations:
        """The faces of one split; empty where there is none of that name."""
        return self.select(np.array([split == name for split in self.splits], dtype=np.bool_))

    def subset(self, tag: str) -> Annotations:
        """The faces that carry a subset tag; empty where there is none of that name."""
        return self.select(np.array([tag in tags for tags in self.subsets], dtype=np.bool_))

    @property
    def split_names(self) -> list[str]:
        """Known splits, in order of first appearance."""
        return [name for name in dict.fromkeys(self.splits) if name]

    @property
    def subset_names(self) -> list[str]:
        """Subset tags, sorted."""
        return sorted(frozenset[str]().union(*self.subsets))

    def landmark_boxes(self) -> NDArray[np.float64]:
        """(N, 4) tight boxes x0, y0, x1, y1 around the known landmarks; NaN for a face without any."""
        return tight_box(self.landmarks)

    def of_official(self, name: str, count: int) -> str:
        """`count` faces of a split or subset as text: "554", or "4 of the official 135" where faces are missing."""
        official = self.official_faces.get(name, count)
        return f"{count}" if count >= official else f"{count} of the official {official}"

    def unused_splits(self) -> dict[str, int]:
        """Split -> its faces, of the splits that neither training nor scoring takes unless they are named.

        They are those besides train, val, test and the official ones; "" is there where only some faces have a split.
        """
        counts = Counter(self.splits)
        used = {"train", "val", "test", *self.official_faces}
        return {name: n for name, n in counts.items() if name not in used and (name or len(counts) > 1)}

    def remarks(self) -> list[str]:
        """What should be known before the faces are used: `notes` counted by reason, and splits that nobody uses."""
        unused = [
            f"{count} in {f'split {name!r}' if name else 'no split'}, used by nobody"
            for name, count in self.unused_splits().items()
        ]
        return counted(self.notes) + unused

    def summary(self) -> str:
        """One line: source, faces, landmarks, splits, subsets, people, and `remarks`."""
        parts = [self.scheme.count(len(self)), f"{self.scheme.num_landmarks} landmarks ({self.scheme.name})"]
        splits = Counter(self.splits)
        if self.split_names:
            parts.append(", ".join(f"{name or 'no split'} {self.of_official(name, n)}" for name, n in splits.items()))
        if self.subset_names:
            tags = Counter(tag for tags in self.subsets for tag in tags)
            named = (f"{name} {self.of_official(name, tags[name])}" for name in self.subset_names)
            parts.append("subsets " + ", ".join(named))
        people = len({person for person in self.persons if person})
        if people:
            parts.append(f"{people} people" if people > 1 else "1 person")
        parts += self.remarks()
        return (f"{self.source}: " if self.source else "") + "; ".join(parts)


def concatenate(parts: Sequence[Annotations]) -> Annotations:
    """All faces of several annotations of one scheme, in order.

    Raises:
        ValueError: no parts, or different schemes.
    """
    if not parts:
        raise ValueError("expected at least one Annotations to concatenate")
    scheme = parts[0].scheme
    for part in parts[1:]:
        if part.scheme != scheme:
            raise ValueError(f"cannot concatenate scheme {part.scheme.name} ({part.source}) to {scheme.name}")
    rows: dict[str, Any] = {
        name: np.concatenate(values) if isinstance(values[0], np.ndarray) else tuple(chain.from_iterable(values))
        for name, values in ((name, [getattr(part, name) for part in parts]) for name in _each_face())
    }
    return replace(
        parts[0],
        **rows,
        source=" + ".join(dict.fromkeys(part.source for part in parts if part.source)),
        notes=tuple(note for part in parts for note in part.notes),
        # Of two protocols together nothing official is known.
        official_faces=parts[0].official_faces
        if all(part.official_faces == parts[0].official_faces for part in parts)
        else {},
    )


def _each_face() -> list[str]:
    return [field.name for field in fields(Annotations) if field.metadata == _EACH_FACE]


def choose_split(annotations: Annotations, split: str | None) -> Annotations:
    """The faces to score: those of `split`, or if that is None of "test" where there is one, or all.

    Raises:
        DataError: no face is of that split.
    """
    split = split or ("test" if "test" in annotations.split_names else None)
    if split is None:
        return annotations
    chosen = annotations.split(split)
    if not len(chosen):
        has = f"it has {', '.join(annotations.split_names)}" if annotations.split_names else "it has no splits"
        raise DataError(f"{annotations.source} has no faces of split {split!r} ({has}); choose another")
    return chosen


def training_split(annotations: Annotations, validation_share: float, seed: int) -> tuple[Annotations, Annotations]:
    """Training and validation faces.

    Splits "train" and "val" are taken as they are. Without "val", a random `validation_share` of the training faces
    is held out, whole persons where persons are known. Data without any split is all for training.

    Raises:
        DataError: there are no faces to train on, or too few to hold any out.
    """
    known = set(annotations.split_names)
    train = annotations.split("train") if known else annotations
    if len(train) == 0:
        raise DataError(
            f"{annotations.source} has no faces of split 'train' (it has: {', '.join(sorted(known))}); "
            "name the training faces' split 'train'"
        )
    if "val" in known:
        return train, annotations.split("val")
    if validation_share == 0:
        return train, train.select(np.zeros(len(train), dtype=bool))
    # Faces without a person are each their own.
    persons = np.array([person or f"face {i}" for i, person in enumerate(train.persons)])
    names = np.unique(persons)
    held = np.random.default_rng(seed).permutation(names)[: max(1, round(len(names) * validation_share))]
    out = np.isin(persons, held)
    if out.all():
        raise DataError(
            f"{annotations.source} has faces of one person only, none can be held out for validation; "
            "add people, or train without validation: --validation_share 0"
        )
    return train.select(~out), train.select(out)

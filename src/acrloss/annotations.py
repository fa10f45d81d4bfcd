"""The one in-memory form of annotated faces that every reader gives and everything else takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.boxes import tight_box
from acrloss.schemes import Scheme


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
        visible: (N, M) bool; False where a landmark is occluded or missing.
        boxes: (N, 4) float64 face boxes x0, y0, x1, y1; NaN where there is none.
        persons: N names, "" where unknown.
        splits: N names, usually "train", "val" or "test", "" where unknown.
        subsets: N sets of tags, such as {"full", "common"}.
        source: what was read, for messages.
        skipped: one line for each face that was left out, with its file and the reason.
        official_faces: split or subset -> how many faces it has in the official protocol, where there is one; what is
            here may be fewer.

    Raises:
        ValueError: lengths or shapes disagree.
    """

    images: tuple[str, ...]
    landmarks: NDArray[np.float64]
    scheme: Scheme
    visible: NDArray[np.bool_]
    boxes: NDArray[np.float64]
    persons: tuple[str, ...]
    splits: tuple[str, ...]
    subsets: tuple[frozenset[str], ...]
    source: str
    skipped: tuple[str, ...]
    official_faces: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, marks = len(self.images), self.scheme.num_landmarks
        for name, dtype, shape in (
            ("landmarks", np.float64, (count, marks, 2)),
            ("visible", np.bool_, (count, marks)),
            ("boxes", np.float64, (count, 4)),
        ):
            # A private copy, so that nobody's later change reaches the annotations.
            array: NDArray[Any] = np.array(getattr(self, name), dtype=dtype)
            if array.shape != shape:
                raise ValueError(f"{name}: expected shape {shape} ({self.scheme.name}), got {array.shape}")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        for name in ("persons", "splits", "subsets"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name}: expected {count} entries, got {len(getattr(self, name))}")
        if np.isinf(self.landmarks).any() or np.isinf(self.boxes).any():
            raise ValueError("landmarks and boxes must be finite, or NaN where missing; got an infinite value")

    @classmethod
    def create(
        cls,
        images: Sequence[str],
        landmarks: ArrayLike,
        scheme: Scheme,
        *,
        visible: ArrayLike | None = None,
        boxes: ArrayLike | None = None,
        persons: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        subsets: Sequence[frozenset[str]] | None = None,
        source: str = "",
        skipped: Sequence[str] = (),
        official_faces: Mapping[str, int] | None = None,
    ) -> Annotations:
        """Annotations with defaults: a landmark is visible unless missing, and nothing else is known."""
        marks = np.asarray(landmarks, dtype=np.float64)
        count = len(images)
        if count == 0 and marks.size == 0:
            marks = np.empty((0, scheme.num_landmarks, 2))
        return cls(
            images=tuple(images),
            landmarks=marks,
            scheme=scheme,
            visible=np.asarray(~np.isnan(marks).any(axis=-1) if visible is None else visible, np.bool_),
            boxes=np.full((count, 4), np.nan) if boxes is None else np.asarray(boxes, dtype=np.float64),
            persons=("",) * count if persons is None else tuple(persons),
            splits=("",) * count if splits is None else tuple(splits),
            subsets=(frozenset[str](),) * count if subsets is None else tuple(subsets),
            source=source,
            skipped=tuple(skipped),
            official_faces=dict(official_faces or {}),
        )

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
        return Annotations(
            images=tuple(self.images[i] for i in chosen),
            landmarks=self.landmarks[chosen],
            scheme=self.scheme,
            visible=self.visible[chosen],
            boxes=self.boxes[chosen],
            persons=tuple(self.persons[i] for i in chosen),
            splits=tuple(self.splits[i] for i in chosen),
            subsets=tuple(self.subsets[i] for i in chosen),
            source=self.source,
            skipped=self.skipped,
            official_faces=self.official_faces,
        )

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

    def summary(self) -> str:
        """One line: source, faces, landmarks, splits, subsets, skipped."""
        parts = [f"{len(self)} faces", f"{self.scheme.num_landmarks} landmarks ({self.scheme.name})"]
        splits = Counter(self.splits)
        if self.split_names:
            parts.append(", ".join(f"{name or 'no split'} {self.of_official(name, n)}" for name, n in splits.items()))
        if self.subset_names:
            tags = Counter(tag for tags in self.subsets for tag in tags)
            named = (f"{name} {self.of_official(name, tags[name])}" for name in self.subset_names)
            parts.append("subsets " + ", ".join(named))
        people = len({person for person in self.persons if person})
        if people:
            parts.append(f"{people} people")
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
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
    return Annotations(
        images=tuple(image for part in parts for image in part.images),
        landmarks=np.concatenate([part.landmarks for part in parts]),
        scheme=scheme,
        visible=np.concatenate([part.visible for part in parts]),
        boxes=np.concatenate([part.boxes for part in parts]),
        persons=tuple(person for part in parts for person in part.persons),
        splits=tuple(split for part in parts for split in part.splits),
        subsets=tuple(tags for part in parts for tags in part.subsets),
        source=" + ".join(dict.fromkeys(part.source for part in parts if part.source)),
        skipped=tuple(message for part in parts for message in part.skipped),
        # Of two protocols together nothing official is known.
        official_faces=parts[0].official_faces
        if all(part.official_faces == parts[0].official_faces for part in parts)
        else {},
    )

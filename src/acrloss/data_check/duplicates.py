"""Pictures that are the same, to the pixel or to the eye."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 32
_FREQUENCIES = 8
# Of 63 bits. On 300-W and YouTube Faces all pairs of pictures that a person calls the same lie below, and the
# correlation then leaves out those that merely resemble each other.
_BITS_APART = 8
_CORRELATION = 0.97
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is remembered of a picture.

    Attributes:
        digest: of its size and its pixels.
        bits: (63,) bool, the perceptual hash: signs of the low frequencies about their median (Zauner 2010).
        thumbnail: (32, 32) uint8, grey.
    """

    digest: bytes
    bits: NDArray[np.bool_]
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True)
class DuplicateGroup:
    """Pictures of which each is the same as another of the group.

    Attributes:
        members: their positions, rising.
        identical: whether all have the same pixels.
        similarity: correlation of the most similar pair (1 for the same pixels).
    """

    members: tuple[int, ...]
    identical: bool
    similarity: float


def fingerprint(image: NDArray[np.uint8]) -> Fingerprint:
    """The fingerprint of an (H, W, 3) uint8 RGB image."""
    pixels = np.ascontiguousarray(image)
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(pixels.data)
    # Shrinking first makes the conversion to grey nearly free.
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    low = cv2.dct(grey.astype(np.float32))[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]
    return Fingerprint(digest.digest(), np.asarray(low > np.median(low)), grey)


def duplicate_groups(fingerprints: Sequence[Fingerprint]) -> list[DuplicateGroup]:
    """Groups of two or more pictures that are the same, linked pair by pair; identical and most similar first."""
    if not fingerprints:
        return []
    pairs = _identical_pairs(fingerprints) + _similar_pairs(fingerprints)
    parent = list(range(len(fingerprints)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j, _ in pairs:
        parent[root(j)] = root(i)
    members: dict[int, set[int]] = defaultdict(set)
    similarity: dict[int, float] = defaultdict(float)
    for i, j, value in pairs:
        members[root(i)] |= {i, j}
        similarity[root(i)] = max(similarity[root(i)], value)
    groups = [
        DuplicateGroup(
            tuple(sorted(group)), len({fingerprints[i].digest for i in group}) == 1, min(similarity[first], 1.0)
        )
        for first, group in members.items()
    ]
    return sorted(groups, key=lambda group: (not group.identical, -group.similarity, group.members))


def _identical_pairs(fingerprints: Sequence[Fingerprint]) -> list[tuple[int, int, float]]:
    first: dict[bytes, int] = {}
    pairs = []
    for i, one in enumerate(fingerprints):
        if one.digest in first:
            pairs.append((first[one.digest], i, 1.0))
        else:
            first[one.digest] = i
    return pairs


def _similar_pairs(fingerprints: Sequence[Fingerprint]) -> list[tuple[int, int, float]]:
    # As a product of ±1 vectors, distances of a hundred thousand pictures take a minute and a block of memory.
    signs = np.stack([one.bits for one in fingerprints]).astype(np.float32) * 2 - 1
    thumbnails = np.stack([one.thumbnail for one in fingerprints]).reshape(len(fingerprints), -1)
    pairs = []
    for start in range(0, len(signs), _BLOCK):
        agreement = signs[start : start + _BLOCK] @ signs[start:].T
        near = np.argwhere(agreement >= signs.shape[1] - 2 * _BITS_APART) + start
        near = near[near[:, 0] < near[:, 1]]
        for part in range(0, len(near), _BLOCK):
            i, j = near[part : part + _BLOCK].T
            correlation = (_standard(thumbnails[i]) * _standard(thumbnails[j])).sum(axis=1)
            same = correlation >= _CORRELATION
            pairs += list(zip(i[same].tolist(), j[same].tolist(), correlation[same].tolist(), strict=True))
    return pairs


def _standard(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Thumbnails of mean 0 and length 1; a picture of one colour is 0 and like no other."""
    centred = thumbnails - thumbnails.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.where(length > 1, length, np.inf), dtype=np.float64)

"""Splits that files and folders are named after."""

from __future__ import annotations

import re

SPLITS = {
    "train": "train",
    "trainset": "train",
    "training": "train",
    "val": "val",
    "valset": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testset": "test",
    "testing": "test",
    "private": "private",
}
_WORDS = re.compile("[a-z]+")


def split_named(name: str) -> str:
    """The split in a name such as "person_keypoints_train2017" or "testing_faces"; "" where there is none, or two."""
    found = {SPLITS[word] for word in _WORDS.findall(name.lower()) if word in SPLITS}
    return found.pop() if len(found) == 1 else ""

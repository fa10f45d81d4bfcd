"""Splits: one meaning of the words in which files, folders, columns and attributes give them."""

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
    "dev": "val",
    "test": "test",
    "testset": "test",
    "testing": "test",
    "private": "private",
}
_WORDS = re.compile("[a-z]+")
# Words that are a split as a value, but not as a folder.
_VALUES = {**SPLITS, "dev": "val", "development": "val"}
# Words beside one of these that change nothing: "train_set", "test split".
_FILLING = frozenset({"set", "split", "subset", "data", "dataset", "images", "faces"})


def split_named(name: str) -> str:
    """The split in a name such as "person_keypoints_train2017" or "testing_faces"; "" where there is none, or two."""
    found = {SPLITS[word] for word in _WORDS.findall(name.lower()) if word in SPLITS}
    return found.pop() if len(found) == 1 else ""


def split_meant(value: str) -> str:
    """What a value that is a split, and nothing else, means: "Validation", "valid" and "val_set" are "val".

    A split of another name, such as "holdout" or "train and test", stays as it is.
    """
    words = _alone(value)
    return _VALUES.get(words[0], value.strip()) if len(words) == 1 else value.strip()


def split_of_folder(name: str) -> str:
    """The split that a folder of this name means, "" where it means none."""
    words = _alone(name)
    return SPLITS.get(words[0], "") if len(words) == 1 else ""


def _alone(text: str) -> list[str]:
    return [word for word in re.split(r"[\W\d_]+", text.lower()) if word and word not in _FILLING]

"""What the results of each photograph and video are called, so that no two of them ever share a file."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

# With "_99.pts" and the like added, and what a file that is being written is called, it fits into 255 bytes.
_MOST_BYTES = 200
# They would command the terminal where the name is shown, and break the lines of lists.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def result_names(files: Sequence[Path]) -> list[str]:
    """A name for the results of each file, below the output folder and without a suffix; no two are equal.

    It is the stem, without control characters. Where files of several folders have the same, all keep the folders
    below the one that they share; where files of one folder have, they keep their suffix. Names too long for a result
    are shortened.
    """
    names = [path.stem for path in files]
    if _shared(names):
        whole = [Path(os.path.abspath(path)) for path in files]  # noqa: PTH100 (links stay as they are named)
        top = os.path.commonpath([path.parent for path in whole])
        # As text: the stem of "..jpg" is a dot, which a path would swallow.
        folders = [path.parent.relative_to(top).as_posix() for path in whole]
        names = [
            path.stem if folder == "." else f"{folder}/{path.stem}" for folder, path in zip(folders, whole, strict=True)
        ]
    shared = _shared(names)
    names = [name + path.suffix if folded(name) in shared else name for name, path in zip(names, files, strict=True)]
    taken: set[str] = set()
    unique = []
    for name in map(_shortened, (_CONTROL.sub("_", name) for name in names)):
        number, tried = 2, name
        while folded(tried) in taken:
            number, tried = number + 1, f"{name}~{number}"
        taken.add(folded(tried))
        unique.append(tried)
    return unique


def face_prefixes(names: Sequence[str], earlier: Iterable[str] = ()) -> list[str]:
    """What stands before the number in the .pts files of a photograph's second face and those after it.

    Usually NAME_, as in photo_2.pts; with more "_" where another photograph is called photo_2.

    Args:
        names: of the photographs' results, all different.
        earlier: names of results that lie in the folder already.
    """
    taken = {re.sub(r"\d+$", "", folded(name)) for name in (*names, *earlier) if name[-1:].isdigit()}
    prefixes = []
    for name in names:
        prefix = f"{name}_"
        while folded(prefix) in taken:
            prefix += "_"
        taken.add(folded(prefix))
        prefixes.append(prefix)
    return prefixes


def folded(name: str) -> str:
    """The name as file systems compare it that tell neither `a` from `A` nor the two spellings of `ä` apart."""
    return unicodedata.normalize("NFC", name).casefold()


def _shared(names: Sequence[str]) -> set[str]:
    return {name for name, count in Counter(map(folded, names)).items() if count > 1}


def _shortened(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    encoded = os.fsencode(last)
    if len(encoded) <= _MOST_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{folder}{slash}{encoded[: _MOST_BYTES - 9].decode(errors='ignore')}~{digest}"

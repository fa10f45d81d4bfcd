"""Where the images are that a file of annotations names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

_ABSOLUTE = re.compile(r"/|\\\\|[A-Za-z]:[\\/]")


def locate(name: str, folders: Sequence[Path]) -> str:
    """The image's path in the first folder that has it, or in the first of all where none has.

    An absolute path stays, if there is such a file; of one that is from another machine the file's name counts.
    Backslashes, as Windows programs write them, separate folders where no file is named so.
    """
    candidates = [name, name.replace("\\", "/")]
    if _ABSOLUTE.match(name):
        candidates.append(candidates[-1].rsplit("/", 1)[-1])
    for candidate in dict.fromkeys(candidates):
        for folder in folders:
            path = os.path.join(folder, candidate)  # noqa: PTH118 (pathlib is ten times slower here)
            if os.path.exists(path):  # noqa: PTH110
                return path
    return str(folders[0] / name)

"""Where the images are that a file of annotations names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def locate(name: str, folders: Sequence[Path]) -> str:
    """The image's path in the first folder that has it, or in the first of all where none has.

    An absolute path stays. Backslashes, as Windows programs write them, separate folders where no file is named so.
    """
    for candidate in dict.fromkeys((name, name.replace("\\", "/"))):
        for folder in folders:
            path = os.path.join(folder, candidate)  # noqa: PTH118 (pathlib is ten times slower here)
            if os.path.exists(path):  # noqa: PTH110
                return path
    return str(folders[0] / name)

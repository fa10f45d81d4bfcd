"""A folder of results that replaces nothing but what we wrote ourselves.

Which files are ours stands in a list in the folder, in the format of `sha256sum`: a file that is not in it, or was
changed since, is somebody's own. All of that is looked at before any work.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from acrloss.errors import DataError
from acrloss.files import write_atomic

LIST = "acrloss-results.sha256"
LEFT_OUT = "left_out.txt"
"""The file that names what has no result, and what was passed over."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_MOST_LIST_BYTES = 100_000_000


class ResultsFolder:
    """The output folder of a run: `claim` what will be written, then `write` it."""

    def __init__(self, folder: str | Path) -> None:
        """
        Args:
            folder: where the results go; it is made if it is not there.

        Raises:
            DataError: it is no folder that can be written, or its list of results is none of ours.
        """
        self.folder = Path(folder)
        self._list = self.folder / LIST
        try:
            self._sums = self._read_list()
            self.folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise PermissionError(None, "Permission denied")
        except OSError as error:
            raise DataError(
                f"results cannot be written into {self.folder} ({error.strerror or error}); "
                "give a folder that you can write to with --output"
            ) from error

    @property
    def names(self) -> list[str]:
        """The files that were written here, by this run and earlier ones, relative to the folder."""
        return list(self._sums)

    def claim(self, names: Iterable[str], inputs: Iterable[str | Path]) -> None:
        """Make sure that files and folders of these names, relative to the folder, may be written.

        Args:
            names: of all that may come of this run.
            inputs: the files that it comes from, none of which is ever replaced.

        Raises:
            DataError: one of them is an input, or exists and is not ours.
        """
        given = {Path(path).resolve() for path in inputs}
        foreign: list[str] = []
        for name in names:
            path = self.folder / name
            if not os.path.lexists(path):
                continue
            if path.resolve() in given:
                raise DataError(f"{path} would be replaced by its own result; give another folder with --output")
            foreign += [other for other in self._below(name) if not self.is_ours(other)]
        if foreign:
            path, more = self.folder / foreign[0], len(foreign) - 1
            what = "was changed since it was written here" if foreign[0] in self._sums else "is no result of ours"
            also = f", nor may {more} more files be replaced" if more else ""
            raise DataError(
                f"{path} {what} and would be replaced{also}; move it away, or give another folder with --output"
            )

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file, whole or not at all."""
        content = content.encode() if isinstance(content, str) else content
        # Known as ours before it is there: whenever we are stopped, the next run may replace it.
        self._remember(name, hashlib.sha256(content).hexdigest())
        return write_atomic(self.folder / name, content)

    def take(self, name: str, file: Path) -> Path:
        """Give `file`, which lies on the same disk, its place and name."""
        self._remember(name, _sha256(file))
        try:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            return file.replace(path)
        except OSError as error:
            raise DataError(f"cannot write {path}: {error.strerror or error}") from error

    def adopt(self, name: str) -> None:
        """Know all files of a folder, which was just written, as ours."""
        for inside in self._below(name):
            self._remember(inside, _sha256(self.folder / inside))

    def remove(self, name: str) -> None:
        """Remove what an earlier run wrote under this name: a file, or a folder with all that is in it."""
        if not os.path.lexists(self.folder / name) or not all(map(self.is_ours, self._below(name))):
            return
        if (self.folder / name).is_dir():
            shutil.rmtree(self.folder / name)
        else:
            (self.folder / name).unlink()
        for known in list(self._sums):
            if known == name or known.startswith(f"{name}/"):
                del self._sums[known]

    def list_left_out(self, lines: Sequence[str]) -> None:
        """Write `LEFT_OUT`; without lines that of an earlier run is removed."""
        if lines:
            self.write(LEFT_OUT, "".join(f"{line}\n" for line in lines))
        else:
            self.remove(LEFT_OUT)

    def close(self) -> None:
        """Write the list anew, without what was removed."""
        lines = [f"{self._sums[name][-1]}  {name}\n" for name in sorted(self._sums)]
        if lines:
            write_atomic(self._list, "".join(lines).encode("utf-8", "surrogateescape"))

    def _below(self, name: str) -> list[str]:
        """The file of this name, or all files in the folder of this name."""
        path = self.folder / name
        if not path.is_dir() or path.is_symlink():
            return [name]
        return [
            f"{name}/{inside.relative_to(path).as_posix()}" for inside in sorted(path.rglob("*")) if not inside.is_dir()
        ]

    def is_ours(self, name: str) -> bool:
        """Whether a file is there as we wrote it."""
        if name not in self._sums or not (self.folder / name).is_file():
            return False
        return _sha256(self.folder / name) in self._sums[name]

    def _remember(self, name: str, sha256: str) -> None:
        self._sums.setdefault(name, []).append(sha256)
        try:
            with self._list.open("ab") as file:
                file.write(f"{sha256}  {name}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise DataError(f"cannot write {self._list}: {error.strerror or error}") from error

    def _read_list(self) -> dict[str, list[str]]:
        """Name -> the sums of what was written or was about to be; the last is the newest."""
        sums: dict[str, list[str]] = {}
        if not self._list.exists():
            return sums
        if not self._list.is_file() or self._list.stat().st_size > _MOST_LIST_BYTES:
            raise DataError(f"{self._list} is no list of results; give another folder with --output")
        *lines, rest = self._list.read_bytes().decode("utf-8", "surrogateescape").split("\n")
        if rest:
            # The writing of the last line was interrupted, and nothing was written under that name yet.
            write_atomic(self._list, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
        for number, line in enumerate(lines, 1):
            match = _LINE.fullmatch(line)
            if match is None:
                raise DataError(
                    f"{self._list}, line {number}: not a SHA-256 and a name but {line[:60]!r}; "
                    "remove the line, or give another folder with --output"
                )
            sums.setdefault(match[2], []).append(match[1])
        return sums


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

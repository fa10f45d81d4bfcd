"""Reading files within bounds, and writing them so that an interruption leaves either the old content or the new."""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from acrloss.errors import DataError


@contextmanager
def atomic_file(path: str | Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A new file to write to that takes the place of `path` when all is written, and vanishes where that fails.

    It lies in the same folder, so that one rename is enough whatever disk that is on. Missing folders are made.

    Args:
        path: the file.
        durable: wait until the disk has it, for what must survive a loss of power.

    Raises:
        DataError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            # mkstemp makes private files; a result should be as readable as any other new file.
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}; choose a folder you can write to") from error


def write_atomic(path: str | Path, data: bytes | str, *, durable: bool = False) -> Path:
    """Write `data` to `path` as `atomic_file` does; text is written as UTF-8.

    Raises:
        DataError: the folder cannot be made or written, or the disk is full.
    """
    with atomic_file(path, durable=durable) as file:
        file.write(data.encode() if isinstance(data, str) else data)
    return Path(path)


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what a process that was killed while writing files of these names left behind in `folder`."""
    for name in names:
        for path in folder.glob(f".{name}.????????"):
            path.unlink(missing_ok=True)


def regular_only(path: str, flags: int) -> int:
    """An opener for `open(path, opener=regular_only)`: a pipe, from which reading might never come back, is refused.

    Raises:
        OSError: not a regular file, besides what `os.open` raises.
    """
    # Without O_NONBLOCK opening a pipe waits for somebody who writes to it; regular files do not know the difference.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def read_limited(path: str | Path, limit: int, what: str = "such a file", remedy: str = "") -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Args:
        path: the file.
        limit: in bytes.
        what: the file's kind, as a message calls it.
        remedy: what to do with a larger one.

    Raises:
        DataError: there is no such file, it is a folder, pipe or device, cannot be read, or is larger.
    """
    try:
        with open(path, "rb", opener=regular_only) as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read() if size <= limit else b""
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if size > limit:
        raise DataError(f"{path}: {size} bytes; {what} may have at most {limit}{remedy and f', {remedy}'}")
    return content


def read_checked(path: Path, sha256: str, remedy: str = "install acrloss again") -> bytes:
    """The content of a file of a package.

    Raises:
        DataError: it is missing, or not the file with that SHA-256; the message ends with the remedy.
    """
    content = path.read_bytes() if path.is_file() else None
    digest = hashlib.sha256(content).hexdigest() if content is not None else "no file"
    if content is None or digest != sha256:
        raise DataError(f"{path} has SHA-256 {digest}, expected {sha256}; {remedy}")
    return content

"""Small files from anywhere, as bytes and as lines: regular and of bounded size, so that none hangs or fills memory."""

from __future__ import annotations

import stat
from pathlib import Path

from acrloss.errors import DataError


def read_bounded(file: Path, most: int, what: str) -> bytes:
    """The bytes of a file that is `what`, such as "a list of images", of at most `most` bytes.

    Raises:
        DataError: it cannot be read, is no regular file, or is larger.
    """
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{file}: not a file; give {what}")
        if status.st_size > most:
            raise DataError(f"{file}: {status.st_size} bytes is too large for {what} (at most {most})")
        with file.open("rb") as content:
            return content.read(status.st_size)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_lines(file: Path, most: int, what: str) -> list[str]:
    """The lines of such a file, with any line ending; bytes that are not UTF-8 become replacement characters.

    Raises:
        DataError: as `read_bounded`.
    """
    text = read_bounded(file, most, what).removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

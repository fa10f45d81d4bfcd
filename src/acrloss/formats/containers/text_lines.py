"""Text files from anywhere as lines: regular files of bounded size, in any encoding and with any line ending."""

from __future__ import annotations

from pathlib import Path

from acrloss.files import read_limited


def read_lines(file: Path, limit: int, what: str) -> list[str]:
    """The lines of a file of at most `limit` bytes; bytes that are not UTF-8 become replacement characters.

    Raises:
        DataError: as `acrloss.files.read_limited`.
    """
    text = read_limited(file, limit, what).removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

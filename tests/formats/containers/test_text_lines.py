import os
from pathlib import Path

import pytest

from acrloss.errors import DataError
from acrloss.formats.containers.text_lines import read_lines


def test_lines_of_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntw\xc3\xb6\rthr\xffee\n")
    assert read_lines(path, 100, "a list") == ["one", "twö", "thr�ee", ""]


def test_what_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    for name, message in (
        ("big", "big: 5 bytes; a list may have at most 4"),
        ("pipe", "pipe: cannot be read: "),
        ("none", "none: cannot be read: No such file or directory"),
    ):
        with pytest.raises(DataError) as caught:
            read_lines(tmp_path / name, 4, "a list")
        assert message in str(caught.value)

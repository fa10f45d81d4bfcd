import os
import stat
from pathlib import Path

import pytest

from acrloss.errors import DataError
from acrloss.files import read_limited, regular_only, write_atomic


def test_writes_text_and_bytes_into_new_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "text.json"
    assert write_atomic(path, "Φ\n") == path
    assert path.read_bytes() == "Φ\n".encode()
    assert write_atomic(str(path), b"\x00\xff") == path
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(path.parent) == ["text.json"]  # noqa: PTH208 (nothing temporary is left)


def test_a_result_is_as_readable_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    written = write_atomic(tmp_path / "atomic", "")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_an_interruption_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    path.write_text("old")

    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_unwritable_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "below", tmp_path / "file" / "deep" / "below", tmp_path / "folder"):
        with pytest.raises(DataError, match=r"cannot write .*choose a folder you can write to") as caught:
            write_atomic(path, "text")
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(DataError, match=r"a\.txt: 5 bytes; a note may have at most 4, split it$"):
        read_limited(path, 4, "a note", "split it")
    with pytest.raises(DataError, match=r"none: cannot be read: No such file or directory"):
        read_limited(tmp_path / "none", 5)
    with pytest.raises(DataError, match="cannot be read: embedded null"):
        read_limited("a\0b", 5)


def test_a_pipe_or_device_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(DataError, match=r"cannot be read: (not a regular file|Is a directory)"):
            read_limited(path, 5)
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            open(path, opener=regular_only).close()

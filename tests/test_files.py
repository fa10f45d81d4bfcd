import os
import stat
from pathlib import Path

import pytest

from acrloss.errors import DataError
from acrloss.files import write_atomic


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

"""Images that are kept for a while."""

from pathlib import Path

import numpy as np
import pytest

from acrloss.errors import DataError
from acrloss.images import read_image
from acrloss.images.encode import save_png
from acrloss.images.read_once import ReadOnce


def test_an_image_is_read_once_until_it_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save_png(path, np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    read, whole, half = ReadOnce(), read_image(str(path)), read_image(str(path), 2)
    assert (read(str(path)) == whole).all()
    path.unlink()
    assert (read(str(path)) == whole).all()
    with pytest.raises(DataError, match="no such"):
        read(str(path), 2)
    save_png(path, whole)
    assert (read(str(path), 2) == half).all()
    path.unlink()
    read.forget()
    with pytest.raises(DataError, match="no such"):
        read(str(path))


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    """Of images of 300 bytes two fit into 700; what is forgotten makes room."""
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path in paths:
        save_png(Path(path), np.zeros((10, 10, 3), np.uint8))
    read = ReadOnce(most_bytes=700)
    for turn in range(2):
        order = paths if turn == 0 else paths[::-1]
        for path in order:
            read(path)
        for path in order:
            Path(path).unlink()
        assert read(order[0]).shape == read(order[1]).shape == (10, 10, 3)
        with pytest.raises(DataError, match="no such"):
            read(order[2])
        read.forget()
        for path in paths:
            save_png(Path(path), np.zeros((10, 10, 3), np.uint8))

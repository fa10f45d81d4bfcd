"""AVIF where OpenCV reads it and where it does not."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from acrloss.errors import DataError
from acrloss.images import image_size, read_image


def without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenCV before 4.12 is built."""

    def imdecode(data: Any, flags: int) -> None:
        return None

    monkeypatch.setattr(cv2, "imdecode", imdecode)


@pytest.mark.parametrize("orientation", [1, 6])
def test_pillow_reads_it_where_opencv_does_not(
    orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.zeros((40, 64, 3), np.uint8)
    picture[:20, :32], picture[20:, 32:] = (220, 40, 60), (30, 90, 210)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(tmp_path / "a.avif", quality=95, exif=exif)
    name = str(tmp_path / "a.avif")
    with monkeypatch.context() as patch:
        without_opencv(patch)
        read = read_image(name)
    # A quarter clockwise, as a telephone held upright says.
    upright = picture if orientation == 1 else np.rot90(picture, -1)
    assert read.shape == upright.shape
    assert image_size(name) == upright.shape[1::-1]
    assert np.abs(read.astype(int) - upright).mean() < 4
    if cv2.haveImageReader(name):
        assert np.abs(read.astype(int) - read_image(name)).mean() < 1


def test_a_damaged_one_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.full((40, 64, 3), 90, np.uint8)).save(tmp_path / "a.avif")
    content = bytearray((tmp_path / "a.avif").read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = bytes(len(content) - start)
    (tmp_path / "a.avif").write_bytes(content)
    without_opencv(monkeypatch)
    with pytest.raises(DataError, match=r"a\.avif: cannot decode the image, it is damaged; replace the file"):
        read_image(str(tmp_path / "a.avif"))

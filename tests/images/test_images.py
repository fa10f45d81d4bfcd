import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.images import image_size, read_image
from real_data import FACES_300W, needs_300w

LOSSLESS = [".png", ".bmp", ".tif", ".ppm"]


def picture(height: int = 101, width: int = 151) -> NDArray[np.uint8]:
    """A smooth RGB picture in which every corner and every channel differs."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 200 // width + 20, y * 200 // height + 30, (x + y) * 120 // (width + height)], -1).astype(
        np.uint8
    )


def write(path: Path, rgb: NDArray[np.uint8], **options: int) -> str:
    flags = [value for name, setting in options.items() for value in (getattr(cv2, name), setting)]
    assert cv2.imwrite(str(path), rgb[..., ::-1] if rgb.ndim == 3 else rgb, flags)
    return str(path)


def opencv(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image[..., ::-1], dtype=np.uint8)


def exif(orientation: int, order: str = "<") -> bytes:
    """A TIFF block with one tag before Orientation."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(order + "HHHIHH", 2, 0x010F, 3, 1, 0, 0)
    entries += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(order + "I", 8) + entries + struct.pack(order + "I", 0)


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    payload = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def stored(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The picture as a camera stores it under an EXIF orientation, by the standard's row and column table."""
    turned: NDArray[np.uint8] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    return np.ascontiguousarray(turned)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_types_come_back_exactly_as_rgb(suffix: str, tmp_path: Path) -> None:
    rgb = picture()
    path = write(tmp_path / f"a{suffix}", rgb)
    np.testing.assert_array_equal(read_image(path), rgb)
    assert image_size(path) == (151, 101)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_types_come_back_nearly(suffix: str, tmp_path: Path) -> None:
    rgb = picture()
    path = write(tmp_path / f"a{suffix}", rgb)
    read = read_image(path)
    assert read.shape == rgb.shape
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - rgb).mean() < 3
    assert image_size(path) == (151, 101)


def test_grey_alpha_and_16_bit_become_rgb_bytes(tmp_path: Path) -> None:
    rgb = picture()
    grey = rgb[..., 0]
    np.testing.assert_array_equal(read_image(write(tmp_path / "g.png", grey)), np.dstack([grey] * 3))
    assert read_image(write(tmp_path / "g.jpg", grey)).shape == (101, 151, 3)
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), rgb[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(str(deep)), rgb)
    alpha = tmp_path / "alpha.png"
    cv2.imwrite(str(alpha), np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], 128, np.uint8)]))
    np.testing.assert_array_equal(read_image(str(alpha)), rgb)


@pytest.mark.parametrize(("suffix", "orientation"), [(".jpg", 1), (".jpg", 6), (".png", 1)])
@pytest.mark.parametrize("reduce", [2, 4, 8])
def test_reduced_images_average_blocks_at_the_documented_place(
    suffix: str, orientation: int, reduce: int, tmp_path: Path
) -> None:
    rgb = picture()
    path = Path(write(tmp_path / f"a{suffix}", stored(rgb, orientation), IMWRITE_JPEG_QUALITY=100))
    if suffix == ".jpg":
        path.write_bytes(with_exif(path.read_bytes(), exif(orientation)))
    small = read_image(str(path), reduce)
    assert small.shape == (-(-101 // reduce), -(-151 // reduce), 3)
    rows, columns = 101 // reduce * reduce, 151 // reduce * reduce
    blocks = rgb[:rows, :columns].reshape(rows // reduce, reduce, columns // reduce, reduce, 3).mean(axis=(1, 3))
    difference = np.abs(small[: rows // reduce, : columns // reduce] - blocks)
    # A shift by half a reduced pixel changes these ramps by up to 0.66 * reduce grey levels.
    assert difference.mean() < 1.0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 8])
def test_exif_orientation_of_jpeg(orientation: int, order: str, tmp_path: Path) -> None:
    rgb = picture()
    path = Path(write(tmp_path / "a.jpg", stored(rgb, orientation), IMWRITE_JPEG_QUALITY=100))
    path.write_bytes(with_exif(path.read_bytes(), exif(orientation, order)))
    assert image_size(str(path)) == (151, 101)
    read = read_image(str(path))
    assert read.shape == rgb.shape
    assert np.abs(read.astype(int) - rgb).mean() < 2


def test_every_exif_orientation_agrees_with_opencv(tmp_path: Path) -> None:
    for orientation in range(10):
        path = Path(write(tmp_path / "a.jpg", picture()))
        path.write_bytes(with_exif(path.read_bytes(), exif(orientation)))
        np.testing.assert_array_equal(read_image(str(path)), opencv(path))


def test_exif_orientation_of_png(tmp_path: Path) -> None:
    rgb = picture()
    path = Path(write(tmp_path / "a.png", stored(rgb, 6)))
    content = path.read_bytes()
    block = b"eXIf" + exif(6)
    chunk = struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block))
    path.write_bytes(content[:33] + chunk + content[33:])
    assert image_size(str(path)) == (151, 101)
    np.testing.assert_array_equal(read_image(str(path)), rgb)


def test_header_beyond_the_first_kilobytes(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.jpg", picture()))
    filler = b"\xff\xe2" + struct.pack(">H", 60002) + b"\xff" * 60000
    path.write_bytes(path.read_bytes()[:2] + filler + path.read_bytes()[2:])
    assert image_size(str(path)) == (151, 101)
    assert read_image(str(path)).shape == (101, 151, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
@pytest.mark.filterwarnings("ignore:(Corrupt EXIF|Truncated File)")
def test_truncated_files_are_refused(suffix: str, share: float, tmp_path: Path) -> None:
    path = Path(write(tmp_path / f"a{suffix}", picture()))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    for reduce in (1, 2):
        with pytest.raises(DataError, match=f"a\\{suffix}: .*replace") as caught:
            read_image(str(path), reduce)
        assert "\n" not in str(caught.value)


def test_truncated_jpeg_with_a_complete_thumbnail_is_refused(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.jpg", picture()))
    thumbnail = cv2.imencode(".jpg", picture(12, 16))[1].tobytes()
    content = with_exif(path.read_bytes(), exif(1) + thumbnail)
    path.write_bytes(content)
    assert read_image(str(path)).shape == (101, 151, 3)
    path.write_bytes(content[:-200])
    with pytest.raises(DataError, match="truncated"):
        read_image(str(path))


def test_bytes_after_the_picture_do_no_harm(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.jpg", picture()))
    path.write_bytes(path.read_bytes() + b"trailer" * 100)
    assert read_image(str(path)).shape == (101, 151, 3)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a"])
@pytest.mark.parametrize("content", [b"not an image\n" * 50, b"\xff\xd8", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for read in (read_image, image_size):
        with pytest.raises(DataError, match="replace the file"):
            read(str(path))


def test_empty_missing_and_odd_paths(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for read in (read_image, image_size):
        with pytest.raises(DataError, match=r"empty\.jpg: the image file is empty"):
            read(str(tmp_path / "empty.jpg"))
        with pytest.raises(DataError, match=r"none\.jpg: no such image file"):
            read(str(tmp_path / "none.jpg"))
        with pytest.raises(DataError, match="not a file"):
            read(str(tmp_path))
        with pytest.raises(DataError, match="cannot read"):
            read("a\0b.jpg")


def test_reduce_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reduce must be 1, 2, 4 or 8, got 3"):
        read_image("a.jpg", 3)


def test_huge_sizes_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", decode)
    jpeg = b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 65500, 65500) + b"\x03" + b"\0" * 9
    header = b"IHDR" + struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    png += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0)
    for name, content in (("a.jpg", jpeg), ("a.png", png), ("a.bmp", bmp)):
        (tmp_path / name).write_bytes(content)
        for read in (read_image, image_size):
            with pytest.raises(DataError, match=f"{name}: .*pixels"):
                read(str(tmp_path / name))
    monkeypatch.setattr("acrloss.images.header.MAX_BYTES", 10)
    with pytest.raises(DataError, match="at most 10"):
        image_size(str(tmp_path / "a.jpg"))


def test_zero_sized_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff\xc0\0\x11\x08\0\0\0\x10\x03" + b"\0" * 9)
    with pytest.raises(DataError, match="16 x 0 pixels"):
        image_size(str(path))


@given(
    content=st.binary(max_size=400),
    start=st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\0\x20Exif\0\0II*\0"]),
)
def test_any_bytes_give_one_clear_line(content: bytes, start: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jpg"
    path.write_bytes(start + content)
    with pytest.raises(DataError) as caught:
        read_image(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    try:
        assert min(image_size(str(path))) > 0
    except DataError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")


@given(position=st.integers(0, 3000), value=st.integers(0, 255))
def test_a_changed_byte_never_crashes(position: int, value: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.jpg"
    content = bytearray(cv2.imencode(".jpg", picture())[1].tobytes())
    content[position % len(content)] = value
    path.write_bytes(content)
    try:
        image = read_image(str(path))
    except DataError:
        return
    width, height = image_size(str(path))
    assert image.shape == (height, width, 3)


@needs_300w
def test_real_photographs_equal_opencv() -> None:
    for path in sorted((FACES_300W / "afw").glob("*.jpg"))[:20]:
        expected = opencv(path)
        np.testing.assert_array_equal(read_image(str(path)), expected)
        assert image_size(str(path)) == (expected.shape[1], expected.shape[0])

"""Reading images: files of any common type, references to synthetic faces, or to images in a COFW file, as RGB arrays.

The size is known from the header before anything is decoded, so that a small file cannot ask for a huge
array, and a file that ends early is an error: OpenCV before version 5 fills the rest of such a picture with
grey and says nothing.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError

MAX_PIXELS = 100_000_000
# Begins the reference of a face of which there are annotations only.
NO_IMAGE = "no-image://"
_MAX_BYTES = 4 * MAX_PIXELS
# JPEG headers are nearly always complete in the first few KB; embedded thumbnails and colour profiles need
# more.
_HEADER_BYTES = 8192
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
# Other types are recognised by Pillow; its many rarer plug-ins stay closed to unknown files.
_FORMATS = ("PNG", "BMP", "WEBP", "TIFF", "PPM", "GIF")
_SYNTHETIC = "synthetic://"
_COFW = "cofw://"


class _Header(NamedTuple):
    width: int
    height: int
    orientation: int
    format: str
    pixels_at: int


def read_image(reference: str, reduce: int = 1) -> NDArray[np.uint8]:
    """The image as (height, width, 3) RGB uint8, upright (EXIF orientation applied).

    Grey, palette, RGBA (alpha dropped) and 16-bit images are converted.

    Args:
        reference: a file's path, "synthetic://seed/index", or "cofw://PATH#IsTr/index" (see
            `acrloss.readers.cofw`).
        reduce: 1, 2, 4 or 8: divide both sides by this, rounding up. A JPEG is decoded at that size, which
            costs much less than decoding all of it. Position x in the image is (x + 0.5) / reduce - 0.5 in
            the result.

    Raises:
        DataError: no such file, not an image, damaged or truncated, of more than MAX_PIXELS pixels, or there
            are annotations only.
        ValueError: another `reduce`.
    """
    if reduce not in _REDUCED:
        raise ValueError(f"reduce must be 1, 2, 4 or 8, got {reduce!r}")
    if reference.startswith(_SYNTHETIC):
        from acrloss.synthetic import render_reference

        return _shrink(render_reference(reference), reduce)
    if reference.startswith(_COFW):
        from acrloss.readers import cofw

        return _shrink(cofw.read_image(reference), reduce)
    data = _read(reference, _MAX_BYTES)
    header = _parse(reference, data)
    if header is None:
        raise DataError(f"{reference}: the image ends inside its header; replace the file")
    _refuse_truncated(reference, data, header)
    # The decoder pads the right and bottom to whole pixels of the reduced image. Turned by EXIF the padding
    # would come first and shift everything by part of a pixel.
    early = header.format == "JPEG" and (
        header.orientation == 1 or (header.width % reduce == 0 and header.height % reduce == 0)
    )
    flags = (_REDUCED[reduce] if early else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{reference}: cannot decode the image ({error.err}); replace the file") from error
    scale = reduce if early else 1
    if decoded is None or decoded.shape[:2] != (-(-header.height // scale), -(-header.width // scale)):
        raise DataError(f"{reference}: cannot decode the image, it is damaged; replace the file")
    image: NDArray[np.uint8] = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)  # type: ignore[assignment]
    image = _upright(image, header.orientation)
    return image if early else _shrink(image, reduce)


def image_size(reference: str) -> tuple[int, int]:
    """(width, height) in pixels of the upright image, from the header alone: a few KB are read and nothing
    decoded.

    Raises:
        DataError: no such file, not an image, of more than MAX_PIXELS pixels, or there are annotations only.
    """
    if reference.startswith(_SYNTHETIC):
        height, width = read_image(reference).shape[:2]
        return width, height
    if reference.startswith(_COFW):
        from acrloss.readers import cofw

        return cofw.image_size(reference)
    header = _parse(reference, _read(reference, _HEADER_BYTES)) or _parse(reference, _read(reference, _MAX_BYTES))
    if header is None:
        raise DataError(f"{reference}: the image ends inside its header; replace the file")
    return (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)


def _read(reference: str, limit: int) -> bytes:
    """The first `limit` bytes of a regular file."""
    if reference.startswith(NO_IMAGE):
        raise DataError(
            f"{reference.removeprefix(NO_IMAGE)}: there are annotations only, without an image; "
            "they can score predictions, but not train or draw"
        )
    path = Path(reference)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{reference}: not a file; give an image file")
        if status.st_size > _MAX_BYTES:
            raise DataError(f"{reference}: {status.st_size} bytes; an image file may have at most {_MAX_BYTES}")
        with path.open("rb") as file:
            data = file.read(min(limit, status.st_size))
    except FileNotFoundError:
        raise DataError(f"{reference}: no such image file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{reference}: cannot read the image: {getattr(error, 'strerror', None) or error}") from error
    if not data:
        raise DataError(f"{reference}: the image file is empty; replace it")
    return data


def _parse(reference: str, data: bytes) -> _Header | None:
    """The header of an image file that begins with `data`; None where a JPEG's goes on beyond that."""
    header = _parse_jpeg(reference, data) if data.startswith(b"\xff\xd8") else _parse_other(reference)
    if header is not None and not 0 < header.width * header.height <= MAX_PIXELS:
        raise DataError(
            f"{reference}: {header.width} x {header.height} pixels, but 1 to {MAX_PIXELS} are read; mend it"
        )
    return header


def _parse_jpeg(reference: str, data: bytes) -> _Header | None:
    """Walk the segments up to the frame header (ITU-T T.81, annex B)."""
    position, orientation = 2, 1
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 9 > len(data):
            return None
        marker = data[position + 1]
        if marker == 0xFF or marker == 0:
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
            position += 2
        elif marker in (0xD9, 0xDA):
            raise DataError(f"{reference}: a JPEG without a frame header; replace the file")
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            return _Header(width, height, orientation, "JPEG", position)
        else:
            length = int.from_bytes(data[position + 2 : position + 4], "big")
            if marker == 0xE1 and data[position + 4 : position + 10] == b"Exif\0\0":
                if position + 2 + length > len(data):
                    return None
                orientation = _exif_orientation(data[position + 10 : position + 2 + length])
            position += 2 + max(length, 2)


def _exif_orientation(tiff: bytes) -> int:
    """Tag 0x0112 of the first directory of an EXIF block; 1 (upright) where there is none."""
    order = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], "little" if order == "little" else "big")

    directory = number(4, 4)
    for entry in range(directory + 2, min(directory + 2 + 12 * number(directory, 2), len(tiff) - 11), 12):
        if number(entry, 2) == 0x0112:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def _parse_other(reference: str) -> _Header:
    from PIL import Image

    try:
        # Lazy: this reads the header only.
        with Image.open(reference, formats=_FORMATS) as image:
            exif = image.info.get("exif", b"")
            orientation = _exif_orientation(exif.removeprefix(b"Exif\0\0")) if isinstance(exif, bytes) else 1
            return _Header(image.width, image.height, orientation, str(image.format), 0)
    except Image.DecompressionBombError:
        raise DataError(f"{reference}: more than {MAX_PIXELS} pixels; shrink it") from None
    except Exception as error:  # Pillow's parsers raise whatever damaged bytes lead to
        raise DataError(f"{reference}: not an image that can be read; replace the file") from error


def _refuse_truncated(reference: str, data: bytes, header: _Header) -> None:
    """JPEG and PNG end with a marker that compressed data cannot hold; other decoders notice themselves."""
    end = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}.get(header.format)
    # An embedded thumbnail has its own end marker, but before the frame header.
    if end is not None and data.rfind(end) < header.pixels_at + 1:
        raise DataError(f"{reference}: the image file is truncated; replace it")


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo EXIF orientation 1 … 8."""
    if orientation == 1:
        return image
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _shrink(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average factor x factor blocks, the last ones filled up by repeating the border."""
    if factor == 1:
        return image
    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, -height % factor, 0, -width % factor, cv2.BORDER_REPLICATE)
    size = (padded.shape[1] // factor, padded.shape[0] // factor)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

"""What an image file says of itself before anything is decoded: size, orientation, whether it is whole."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, NamedTuple

from acrloss.errors import DataError

MAX_PIXELS = 100_000_000

# Begins the reference of a face of which there are annotations only.
NO_IMAGE = "no-image://"

MAX_BYTES = 4 * MAX_PIXELS

# JPEG headers are nearly always complete in the first few KB; embedded thumbnails and colour profiles need
# more.
HEADER_BYTES = 8192

# Other types are recognised by Pillow; its many rarer plug-ins stay closed to unknown files.
_FORMATS = ("PNG", "BMP", "WEBP", "TIFF", "PPM", "GIF", "AVIF")
# Those whose values may be of 16 bits.
DEEP = ("PNG", "TIFF", "PPM")


class Header(NamedTuple):
    width: int
    height: int
    orientation: int
    format: str
    pixels_at: int


def read_bytes(reference: str, limit: int) -> bytes:
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
        if status.st_size > MAX_BYTES:
            raise DataError(f"{reference}: {status.st_size} bytes; an image file may have at most {MAX_BYTES}")
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


def parse_header(reference: str, data: bytes, reduce: int = 1) -> Header | None:
    """The header of an image file that begins with `data`; None where a JPEG's goes on beyond that.

    Its size is checked for a picture whose sides are divided by `reduce` while it is decoded.
    """
    header = _parse_jpeg(reference, data) if data.startswith(b"\xff\xd8") else _parse_other(reference)
    if header is not None and not 0 < header.width * header.height <= MAX_PIXELS * reduce**2:
        raise DataError(
            f"{reference}: {header.width} x {header.height} pixels, but 1 to {MAX_PIXELS} are read; shrink it"
        )
    return header


def _parse_jpeg(reference: str, data: bytes) -> Header | None:
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
            return Header(width, height, orientation, "JPEG", position)
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


def _parse_other(reference: str) -> Header:
    from PIL import Image

    try:
        # Lazy: this reads the header only.
        with Image.open(reference, formats=_FORMATS) as image:
            exif = image.info.get("exif", b"")
            orientation = _exif_orientation(exif.removeprefix(b"Exif\0\0")) if isinstance(exif, bytes) else 1
            return Header(image.width, image.height, orientation, str(image.format), 0)
    except Image.DecompressionBombError:
        raise DataError(f"{reference}: more than {MAX_PIXELS} pixels; shrink it") from None
    except Exception as error:  # Pillow's parsers raise whatever damaged bytes lead to
        raise DataError(f"{reference}: not an image that can be read; replace the file") from error


def is_deep(reference: str) -> bool:
    """Whether the values of an image file have 16 bits, by its header; False where there is none to be read."""
    from PIL import Image

    if "://" in reference:
        return False
    try:
        with Image.open(reference, formats=DEEP) as image:
            if image.format == "TIFF":
                tags: Any = image
                return int(max(tags.tag_v2.get(258, (8,)))) > 8
            arguments: Any = image.tile[0].args
            rawmode, *more = (arguments,) if isinstance(arguments, str) else arguments
            return ";16" in str(rawmode) or (image.format == "PPM" and more != [] and int(more[0]) > 255)
    except Exception:  # Pillow's parsers raise whatever damaged bytes lead to
        return False


def refuse_truncated(reference: str, data: bytes, header: Header) -> None:
    """JPEG and PNG end with a marker that compressed data cannot hold; other decoders notice themselves."""
    end = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}.get(header.format)
    # An embedded thumbnail has its own end marker, but before the frame header.
    if end is not None and data.rfind(end) < header.pixels_at + 1:
        raise DataError(f"{reference}: the image file is truncated; replace it")

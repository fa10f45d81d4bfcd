"""Reading images: files of any common type, references to synthetic faces, or to images in a COFW file, as RGB arrays.

The size is known from the header before anything is decoded, so that a small file cannot ask for a huge
array, and a file that ends early is an error: OpenCV before version 5 fills the rest of such a picture with
grey and says nothing.
"""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.images import cofw
from acrloss.images.depth import bits_filled, eight_bits
from acrloss.images.header import (
    DEEP,
    HEADER_BYTES,
    MAX_BYTES,
    MAX_PIXELS,
    Header,
    parse_header,
    read_bytes,
    refuse_truncated,
)

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_SYNTHETIC = "synthetic://"


def read_image(reference: str, reduce: int = 1) -> NDArray[np.uint8]:
    """The image as (height, width, 3) RGB uint8, upright (EXIF orientation applied).

    Grey, palette, RGBA (alpha dropped) and 16-bit images are converted; of 16 bits those that are filled count
    (`acrloss.images.depth`), so that 12-bit photographs are not black.

    Args:
        reference: a file's path, "synthetic://seed/index", or "cofw://PATH#IsTr/index" (see
            `acrloss.images.cofw`).
        reduce: 1, 2, 4 or 8: divide both sides by this, rounding up. A JPEG is decoded at that size, which
            costs much less than decoding all of it. Position x in the image is (x + 0.5) / reduce - 0.5 in
            the result.

    Raises:
        DataError: no such file, not an image, damaged or truncated, of more than MAX_PIXELS pixels, or there
            are annotations only.
        ValueError: another `reduce`.
    """
    return read_with_depth(reference, reduce)[0]


def read_with_depth(reference: str, reduce: int = 1) -> tuple[NDArray[np.uint8], int]:
    """The image as of `read_image`, and the bits that its 16-bit values fill: 8, 10, 12, 14 or 16; of others 0."""
    if reduce not in _REDUCED:
        raise ValueError(f"reduce must be 1, 2, 4 or 8, got {reduce!r}")
    if reference.startswith(_SYNTHETIC):
        # Only here: the renderer is large, and photographs do without.
        from acrloss.synthetic import render_reference

        return _shrink(render_reference(reference), reduce), 0
    if reference.startswith(cofw.REFERENCE):
        return _shrink(cofw.read_image(reference), reduce), 0
    data = read_bytes(reference, MAX_BYTES)
    header = parse_header(reference, data, reduce)
    if header is None:
        raise DataError(f"{reference}: the image ends inside its header; replace the file")
    refuse_truncated(reference, data, header)
    early = _decodes_reduced(header, reduce)
    if reduce > 1 and not early:
        parse_header(reference, data)  # all of it is decoded, and may be too large for that
    flags = (_REDUCED[reduce] if early else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    if header.format in DEEP:
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{reference}: cannot decode the image ({error.err}); replace the file") from error
    if decoded is None and header.format == "AVIF":
        decoded = _avif(data)
    scale = reduce if early else 1
    if decoded is None or decoded.shape[:2] != (-(-header.height // scale), -(-header.width // scale)):
        # OpenCV does not tell a TIFF that is damaged from one of floats.
        remedy = "replace the file" + (", or save it with 8 or 16 bits" if header.format == "TIFF" else "")
        raise DataError(f"{reference}: cannot decode the image, it is damaged; {remedy}")
    bits = 0
    if decoded.dtype == np.uint16:
        values: NDArray[np.uint16] = np.asarray(decoded, dtype=np.uint16)
        bits = bits_filled(values)
        decoded = eight_bits(values, bits)
    elif decoded.dtype != np.uint8:
        raise DataError(f"{reference}: its values are {decoded.dtype}; save it with 8 or 16 bits")
    image: NDArray[np.uint8] = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)  # type: ignore[assignment]
    image = _upright(image, header.orientation)
    return image if early else _shrink(image, reduce), bits


def _avif(data: bytes) -> NDArray[Any] | None:
    """The BGR pixels of an AVIF, which OpenCV reads from 4.12 on; None where it is damaged."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("AVIF",)) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    except (OSError, ValueError, SyntaxError, RuntimeError):  # the last from its AVIF decoder
        return None


def needed_reduction(reference: str) -> int:
    """The `reduce` at which an image can be read: 1 but for a JPEG of more than MAX_PIXELS pixels.

    Raises:
        DataError: it cannot be read at any.
    """
    if "://" in reference:
        return 1
    header = _header(reference, max(_REDUCED))
    for reduce in _REDUCED:
        fits = header.width * header.height <= MAX_PIXELS * reduce**2
        if fits and (reduce == 1 or _decodes_reduced(header, reduce)):
            return reduce
    return 1


def image_size(reference: str) -> tuple[int, int]:
    """(width, height) in pixels of the upright image, from the header alone: a few KB are read and nothing
    decoded.

    Raises:
        DataError: no such file, not an image, of more than MAX_PIXELS pixels, or there are annotations only.
    """
    if reference.startswith(_SYNTHETIC):
        height, width = read_image(reference).shape[:2]
        return width, height
    if reference.startswith(cofw.REFERENCE):
        return cofw.image_size(reference)
    header = _header(reference)
    return (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)


def _header(reference: str, reduce: int = 1) -> Header:
    header = parse_header(reference, read_bytes(reference, HEADER_BYTES), reduce)
    if header is None:
        header = parse_header(reference, read_bytes(reference, MAX_BYTES), reduce)
    if header is None:
        raise DataError(f"{reference}: the image ends inside its header; replace the file")
    return header


def _decodes_reduced(header: Header, reduce: int) -> bool:
    """Whether the decoder itself can divide the sides: a JPEG's can."""
    # It pads the right and bottom to whole pixels of the reduced image. Turned by EXIF the padding would come first and
    # shift everything by part of a pixel.
    whole = header.orientation == 1 or (header.width % reduce == 0 and header.height % reduce == 0)
    return header.format == "JPEG" and whole


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

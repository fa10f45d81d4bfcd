"""What people give to be predicted: arrays, PIL images, files, folders, patterns and boxes."""

from __future__ import annotations

import glob
import warnings
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Float, Image
from acrloss.errors import DataError
from acrloss.images import IMAGE_SUFFIXES
from acrloss.images.depth import bits_filled, eight_bits
from acrloss.images.read import needed_reduction, read_with_depth
from acrloss.prediction.passed_over import REMEDIES, PassedOver, by_kind

if TYPE_CHECKING:
    import PIL.Image

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
        *(".wmv", ".flv", ".3gp", ".ogv"),
    }
)

_SCALE = "scale them if they are not"

_STREAMS = ("http://", "https://", "rtsp://", "rtsps://", "rtmp://", "udp://", "srt://")


def check_boxes(boxes: ArrayLike) -> Float:
    """(N, 4) from one box or several; none from an empty list.

    Raises:
        ValueError: a box has no extent or is not finite.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 4))
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes are x0, y0, x1, y1 or (N, 4) of these, not of shape {np.shape(boxes)}")
    for box in array:
        if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
            raise ValueError(f"a box is x0,y0,x1,y1 with x0 < x1 and y0 < y1, not {','.join(f'{v:g}' for v in box)}")
    return array


def as_rgb(image: Any) -> Image:
    """A file, array or PIL image as (H, W, 3) uint8 RGB, upright.

    Values of uint16 that fill fewer bits, as those of 10- and 12-bit cameras, are scaled by the bits that they fill,
    with a warning.

    Raises:
        DataError: the file cannot be read.
        ValueError: the array is no image.
    """
    if isinstance(image, str | Path):
        return read_pixels(image)[0]
    if not isinstance(image, np.ndarray) and hasattr(image, "getexif"):
        from PIL import ImageOps

        image = _from_pil(ImageOps.exif_transpose(image))
        if image.dtype == np.uint8 and 0 < image.max() < 16:
            # PIL keeps the upper eight bits of colours of 16, whatever the file fills.
            _warn(f"the image {_almost_black(image)}, or give the file's name")
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(f"an image is (H, W), (H, W, 3) or (H, W, 4), not of shape {np.shape(image)}")
    # Alpha is no brightness.
    array = array[..., :3]
    if array.dtype == np.uint16:
        bits = bits_filled(array)
        if bits < 16:
            _warn(f"the image's uint16 values end at {array.max()} and are read as {bits} bits; {_SCALE}")
        array = eight_bits(array, bits)
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise ValueError("an image of floats has values from 0 to 1; divide it by 255, or give uint8")
        array = (array * 255).round()
    elif array.dtype != np.uint8:
        raise ValueError(f"an image is of uint8, uint16 or floats, not {array.dtype}")
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)), dtype=np.uint8)


def read_pixels(path: str | Path) -> tuple[Image, int]:
    """The upright (H, W, 3) uint8 RGB pixels of an image file, and by what its sides were divided.

    That is 1 but for a JPEG of more than 100 megapixels, which is decoded smaller: at 1/2, 1/4 or 1/8.

    Raises:
        DataError: it cannot be read.
    """
    try:
        reduced = needed_reduction(str(path))
        pixels, bits = read_with_depth(str(path), reduced)
    except DataError as error:
        remedy = REMEDIES.get(Path(path).suffix.lower())
        if remedy is None or not Path(path).is_file():
            raise
        raise DataError(f"{path}: {remedy}") from error
    if 0 < bits < 16 and pixels.any():
        # Of the folder, not of each of thousands of images.
        _warn(f"16-bit images in {Path(path).parent} end below {1 << bits} and are read as {bits} bits; {_SCALE}")
    elif 0 < pixels.max() < 16:
        _warn(f"{path} {_almost_black(pixels)}")
    return pixels, reduced


def image_files(sources: str | Path | Iterable[str | Path], passed: list[PassedOver] | None = None) -> list[Path]:
    """The image files that paths, folders and glob patterns name, each once, in order.

    Args:
        sources: a path, or several.
        passed: takes what else there is in the folders and patterns: files that are no images, and folders in folders.

    Raises:
        DataError: one of them names none.
    """
    given: Sequence[str | Path] = [sources] if isinstance(sources, str | Path) else list(sources)
    files: dict[Path, None] = {}
    for source in given:
        path = Path(source)
        there = is_there(path)
        if there and not path.is_dir():
            files[path] = None
            continue
        if there:
            try:
                inside = sorted(path.iterdir())
            except OSError as error:
                raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
            nothing = f"{path} holds no image; give a folder of images, or '{path}/**/*.jpg' for deeper ones"
        elif glob.has_magic(str(source)):
            # Not Path.glob: a pattern may start anywhere, and this follows the shell.
            matches = islice(glob.iglob(str(source), recursive=True), 1_000_000)  # noqa: PTH207
            inside = sorted(map(Path, matches))
            nothing = f"no image matches {source}"
        else:
            raise DataError(f"{source}: no such file or folder")
        found = [p for p in inside if p.suffix.lower() in IMAGE_SUFFIXES]
        others = [_no_image(p) for p in inside if p.suffix.lower() not in IMAGE_SUFFIXES and p.is_file()]
        if there:
            deeper = f"give '{path}/**/*.jpg' for what is in it"
            others += [PassedOver(p, "folder", deeper) for p in inside if p.is_dir()]
        if not found:
            raise DataError("; ".join([nothing, *by_kind(others)]))
        if passed is not None:
            passed += others
        files.update(dict.fromkeys(found))
    return list(files)


def videos_among(sources: Iterable[str], passed: list[PassedOver] | None = None) -> tuple[list[str], list[str]]:
    """The videos, cameras and addresses among sources, and the other sources.

    A pattern that matches videos and no image stands for those videos; `passed` takes the other files that it matches.
    """
    videos: dict[str, None] = {}
    others = []
    for source in sources:
        if is_video(source):
            videos[source] = None
        elif glob.has_magic(source) and not is_there(Path(source)):
            matches = sorted(islice(glob.iglob(source, recursive=True), 1_000_000))  # noqa: PTH207
            suffixes = {Path(match).suffix.lower() for match in matches}
            if suffixes & VIDEO_SUFFIXES and not suffixes & IMAGE_SUFFIXES:
                found = [match for match in matches if Path(match).suffix.lower() in VIDEO_SUFFIXES]
                videos.update(dict.fromkeys(found))
                if passed is not None:
                    rest = (Path(match) for match in matches if Path(match).suffix.lower() not in VIDEO_SUFFIXES)
                    passed += [PassedOver(p, p.suffix.lower() or "unnamed", "no video") for p in rest if p.is_file()]
            else:
                others.append(source)
        else:
            others.append(source)
    return list(videos), others


def is_stream(source: str) -> bool:
    """Whether a source is the address of a video."""
    return source.lower().startswith(_STREAMS)


def is_camera(source: str) -> bool:
    """Whether a source is the number of a camera; a file or folder of that name is not."""
    return source.isdecimal() and not is_there(Path(source))


def is_video(source: str) -> bool:
    """Whether a source is a camera, an address, or called as video files are."""
    named = Path(source).suffix.lower() in VIDEO_SUFFIXES and not glob.has_magic(source)
    there = is_there(Path(source))
    return is_camera(source) or is_stream(source) or (named and not (there and Path(source).is_dir()))


def is_there(path: Path) -> bool:
    """Whether a path exists; what cannot be a path does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _no_image(path: Path) -> PassedOver:
    suffix = path.suffix.lower()
    why = "videos are given by name" if suffix in VIDEO_SUFFIXES else REMEDIES.get(suffix, "no image")
    return PassedOver(path, suffix or "unnamed", why)


def _from_pil(image: PIL.Image.Image) -> NDArray[Any]:
    """The values of a PIL image of any mode, of a type that `as_rgb` knows."""
    if image.mode in ("L", "RGB"):
        return np.asarray(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        values = np.asarray(image)
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
            raise ValueError(
                f"a PIL image of mode {image.mode} has values from 0 to 65535, not {values.min():g} to {values.max():g}"
            )
        if image.mode == "F" and values.max() <= 1:
            return values
        # Eight bits in a wider type stay what they are; more are brought to eight.
        return np.asarray(values.round(), dtype=np.uint8 if values.max() <= 255 else np.uint16)
    return np.asarray(image.convert("RGB"))


def _almost_black(pixels: NDArray[Any]) -> str:
    return f"is almost black (its brightest value is {pixels.max()} of 255); if it holds 12 bits, scale them"


def _warn(message: str) -> None:
    warnings.warn(f"acrloss: {message}", UserWarning, stacklevel=3)

"""What people give to be predicted: arrays, PIL images, files, folders, patterns and boxes."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from acrloss.arrays import Float, Image
from acrloss.errors import DataError
from acrloss.images import IMAGE_SUFFIXES, read_image

if TYPE_CHECKING:
    pass


VIDEO_SUFFIXES = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"}


def check_boxes(boxes: ArrayLike) -> Float:
    """(N, 4) from one box or several.

    Raises:
        ValueError: a box has no extent or is not finite.
    """
    array = np.asarray(boxes, dtype=np.float64)
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes are x0, y0, x1, y1 or (N, 4) of these, not of shape {np.shape(boxes)}")
    for box in array:
        if not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
            raise ValueError(f"a box is x0,y0,x1,y1 with x0 < x1 and y0 < y1, not {','.join(f'{v:g}' for v in box)}")
    return array


def as_rgb(image: Any) -> Image:
    """A file, array or PIL image as (H, W, 3) uint8 RGB, upright.

    Raises:
        DataError: the file cannot be read.
        ValueError: the array is no image.
    """
    if isinstance(image, str | Path):
        return read_image(str(image))
    if not isinstance(image, np.ndarray) and hasattr(image, "getexif"):
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(image)
        image = np.asarray(upright.convert("RGB") if upright.mode not in ("L", "RGB", "I;16") else upright)
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(f"an image is (H, W), (H, W, 3) or (H, W, 4), not of shape {np.shape(image)}")
    if array.dtype == np.uint16:
        array = array >> 8
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise ValueError("an image of floats has values from 0 to 1; divide it by 255, or give uint8")
        array = (array * 255).round()
    elif array.dtype != np.uint8:
        raise ValueError(f"an image is of uint8, uint16 or floats, not {array.dtype}")
    return np.ascontiguousarray(np.broadcast_to(array[..., :3], (*array.shape[:2], 3)), dtype=np.uint8)


def image_files(sources: str | Path | Iterable[str | Path]) -> list[Path]:
    """The image files that paths, folders and glob patterns name, each once, in order.

    Raises:
        DataError: one of them names none.
    """
    given: Sequence[str | Path] = [sources] if isinstance(sources, str | Path) else list(sources)
    files: dict[Path, None] = {}
    for source in given:
        path = Path(source)
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise DataError(f"{path} holds no image; give a folder of images, or '{path}/**/*.jpg' for deeper ones")
        elif path.exists():
            found = [path]
        elif glob.has_magic(str(source)):
            # Not Path.glob: a pattern may start anywhere, and this follows the shell.
            matches = islice(glob.iglob(str(source), recursive=True), 1_000_000)  # noqa: PTH207
            found = sorted(p for p in map(Path, matches) if p.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise DataError(f"no image matches {source}")
        else:
            raise DataError(f"{source}: no such file or folder")
        files.update(dict.fromkeys(found))
    return list(files)

"""Faces cut out of their photographs once, so that training need not decode whole photographs again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.augment import Augmentation
from acrloss.crop import CropSpec, apply_matrix
from acrloss.dataset import patch_reach
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.formats.packed import FORMAT, INDEX, VERSION
from acrloss.images import read_image
from acrloss.images.encode import encode_jpeg, encode_png
from acrloss.images.threads import in_threads
from acrloss.progress_hook import Progress, no_progress

_QUALITY = 95
_DECIMALS = 6
_LARGEST = 4


def pack(
    annotations: Annotations,
    dest: str | Path,
    crop: CropSpec = CropSpec(),
    augmentation: Augmentation = Augmentation(),
    *,
    lossless: bool = False,
    progress: Progress = no_progress,
) -> list[str]:
    """Write a folder of packed faces that `acrloss.readers.read_annotations` reads (see `acrloss.formats.packed`).

    A face's patch shows what `acrloss.dataset.LandmarkDataset` needs for this crop and augmentation: large enough for
    every turn, shift and zoom, and at most as fine as the network can use. A crop of less enlargement or size can be
    trained on from the same folder; of a larger one the rim is black, or the picture soft.

    Landmarks and boxes are in pixels of the patch, to six decimals: within 1e-6 of them, and within 1e-3 pixels of the
    photograph (its scale is above 1/1000).

    Args:
        annotations: the faces.
        dest: a new or empty folder. An interrupted pack has no index and is not read.
        lossless: PNG patches in place of JPEG of quality 95 without chroma subsampling.
        progress: wraps an iterable of known length, for a progress bar.

    Returns:
        One line for each face that was left out: its image cannot be decoded, or its landmarks lie so far outside it
        that no reader would take them, or that the image is lost beside them.

    Raises:
        DataError: the folder is not empty or cannot be written, a face has no box (see `CropSpec.boxes`), or every
            face was left out.
    """
    dest = Path(dest)
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise DataError(f"{dest} is not an empty folder; give another one to pack into")
    squares = crop.squares(crop.boxes(annotations))
    margin, finest = patch_reach(augmentation)

    def write(face: int) -> tuple[dict[str, Any] | None, str]:
        reference = annotations.images[face]
        try:
            patch, to_patch = cut_patch(reference, squares[face], margin, crop.size * finest)
        except DataError as error:
            return None, str(error)
        marks = apply_matrix(to_patch, annotations.landmarks[face])
        height, width = patch.shape[:2]
        if (((marks < (-width, -height)) | (marks > (2 * width, 2 * height))).any(axis=1)).any():
            return None, f"{reference}: landmarks too far outside the part of the image that is packed"
        name = f"{face // 1000:03d}/{face:06d}.{'png' if lossless else 'jpg'}"
        write_atomic(dest / name, encode_png(patch, 3) if lossless else encode_jpeg(patch, _QUALITY, full_colour=True))
        return _line(annotations, face, name, marks, to_patch), ""

    lines: list[str] = []
    left_out: list[str] = []
    for values, reason in progress(in_threads(write, range(len(annotations))), "packing", len(annotations)):
        if values is None:
            left_out.append(reason)
        else:
            lines.append(json.dumps(values) + "\n")
    if not lines:
        raise DataError(
            f"{annotations.source}: no face could be packed; {left_out[0] if left_out else 'there is none'}"
        )
    header = {
        "format": FORMAT,
        "version": VERSION,
        "faces": len(lines),
        "scheme": annotations.scheme.to_dict(),
        "official_faces": dict(annotations.official_faces),
        "source": annotations.source,
        "packed_for": {"crop": crop.to_dict(), "augmentation": asdict(augmentation)},
    }
    write_atomic(dest / INDEX, json.dumps(header) + "\n" + "".join(lines))
    return left_out


def cut_patch(reference: str, square: Float, margin: float, pixels: float) -> tuple[NDArray[np.uint8], Float]:
    """The square surroundings of a face, as small as allowed; what lies outside the image is black.

    Args:
        reference: the image.
        square: (3,) centre x, centre y and side of the plain crop.
        margin: side of the patch over the side of the crop.
        pixels: how many pixels of the patch the side of the crop needs; it never gets more than the image has.

    Returns:
        The patch, and the (2, 3) map from pixels of the image to its pixels: one scale for x and y, and a shift.

    Raises:
        DataError: the image cannot be read, or is small beside its face.
    """
    zoom = min(pixels / square[2], 1.0)
    # JPEGs decode at 1/2, 1/4 or 1/8 for a fraction of the cost when the face is that much larger than needed.
    reduce = next(r for r in (8, 4, 2, 1) if zoom * r <= 1)
    image = read_image(reference, reduce)
    height, width = image.shape[:2]
    zoom *= reduce
    x, y = (square[:2] + 0.5) / reduce - 0.5
    # Two pixels of the result at either side are for the bilinear taps at the rim.
    side = int(np.ceil(square[2] / reduce * margin + 4 / zoom))
    if side > _LARGEST * max(width, height):
        raise DataError(f"{reference}: the face is more than {_LARGEST} times as large as its image; leave it out")
    x0, y0 = round(x - (side - 1) / 2), round(y - (side - 1) / 2)
    rows, columns = slice(max(y0, 0), max(y0 + side, 0)), slice(max(x0, 0), max(x0 + side, 0))
    patch = np.zeros((side, side, 3), np.uint8)
    part = image[rows, columns]
    top, left = rows.start - y0, columns.start - x0
    patch[top : top + part.shape[0], left : left + part.shape[1]] = part
    small = max(round(side * zoom), 1)
    if small < side:
        patch = np.asarray(cv2.resize(patch, (small, small), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    scale = small / side
    # From pixels of the image to those of the reduced one, of the patch, and of the patch shrunk.
    shift = [((0.5 / reduce - 0.5) - start + 0.5) * scale - 0.5 for start in (x0, y0)]
    return patch, np.array([[scale / reduce, 0, shift[0]], [0, scale / reduce, shift[1]]])


def _line(annotations: Annotations, face: int, name: str, marks: Float, to_patch: Float) -> dict[str, Any]:
    """A face as its line in the index."""
    missing = np.isnan(marks[:, 0])
    box = annotations.boxes[face]
    corners = apply_matrix(to_patch, box.reshape(2, 2)).round(_DECIMALS).ravel().tolist()
    return {
        "image": name,
        "landmarks": [
            None if gone else point for gone, point in zip(missing, marks.round(_DECIMALS).tolist(), strict=True)
        ],
        "hidden": np.flatnonzero(~annotations.visible[face]).tolist(),
        "box": corners if np.isfinite(box).all() else None,
        "person": annotations.persons[face],
        "split": annotations.splits[face],
        "subsets": sorted(annotations.subsets[face]),
        "original": {
            "image": annotations.images[face],
            "scale": to_patch[0, 0],
            "shift": to_patch[:, 2].tolist(),
        },
    }

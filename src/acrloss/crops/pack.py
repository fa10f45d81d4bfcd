"""Faces cut out of their photographs once, so that training need not decode whole photographs again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, apply_matrix
from acrloss.crops.patch import cut_patch, patch_reach
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.formats.packed import INDEX, MAGIC, VERSION
from acrloss.images.encode import encode_jpeg, encode_png
from acrloss.images.threads import in_threads
from acrloss.progress_hook import Progress, no_progress

_QUALITY = 95
_DECIMALS = 6


def pack(
    annotations: Annotations,
    dest: str | Path,
    crop: CropSpec = CropSpec(),
    augmentation: Augmentation = Augmentation(),
    *,
    lossless: bool = False,
    progress: Progress = no_progress,
) -> list[str]:
    """Write a folder of packed faces that `acrloss.formats.read_annotations` reads (see `acrloss.formats.packed`).

    A face's patch shows what `LandmarkDataset` needs for this crop and augmentation: large enough for every turn, shift
    and zoom, and at most as fine as the network can use. A crop of less enlargement or size can be
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
            patch, to_patch = cut_patch(reference, squares[face], margin, crop.size * finest, padded=True)
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
        "format": MAGIC,
        "version": VERSION,
        "faces": len(lines),
        "scheme": annotations.scheme.to_dict(),
        "official_faces": dict(annotations.official_faces),
        "source": annotations.source,
        "packed_for": {"crop": crop.to_dict(), "augmentation": asdict(augmentation)},
    }
    write_atomic(dest / INDEX, json.dumps(header) + "\n" + "".join(lines))
    return left_out


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

"""Which faces can be trained on."""

import warnings
from dataclasses import replace

import numpy as np

from acrloss.annotations import Annotations
from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError
from acrloss.notes import Note

SMALLEST = 4.0
"""Pixels: of a face in a smaller crop nothing can be seen."""


def usable_faces(annotations: Annotations, crop: CropSpec) -> Annotations:
    """The faces without those too small to see anything of, which are named in `notes` and counted in a UserWarning.

    Raises:
        DataError: coordinates that look like shares of the image's size, a scheme of one landmark without a box to crop
            around, faces that cannot be cropped (see `CropSpec.boxes`), or no usable face.
    """
    source = annotations.source or "the data"
    known = annotations.landmarks[~np.isnan(annotations.landmarks)]
    if known.size and known.min() > -0.5 and known.max() < 1.5:
        raise DataError(
            f"{source}: the coordinates look normalised: all lie between {known.min():.3g} and {known.max():.3g}, and "
            "pixels are expected; multiply x by the image's width and y by its height"
        )
    if crop.box == "landmarks" and annotations.scheme.num_landmarks == 1:
        raise DataError(
            f"{source}: a single landmark has no box that a crop could be made from; "
            "annotate boxes and crop around them with --crop.box annotated"
        )
    sides = crop.squares(crop.boxes(annotations))[:, 2]
    small = sides < SMALLEST
    if not small.any():
        return annotations
    left_out = [
        Note(
            "left out",
            "too small to crop",
            annotations.images[i],
            f"the crop of the face is {sides[i]:.1f} pixels wide; {SMALLEST:g} are the least that can be used",
        )
        for i in np.flatnonzero(small).tolist()
    ]
    if small.all():
        raise DataError(f"{source}: no face is large enough to train on; {left_out[0]}")
    warnings.warn(
        f"acrloss: {len(left_out)} of {len(small)} faces are left out as too small; {left_out[0]}", stacklevel=2
    )
    return replace(annotations.select(~small), notes=(*annotations.notes, *left_out))

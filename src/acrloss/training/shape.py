"""The shape model of the training faces, and the notes on shapes that a run keeps."""

import numpy as np

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, normalized_landmarks
from acrloss.crops.dataset import not_mirrored
from acrloss.errors import DataError
from acrloss.schemes.mirror import FACES_FOR_CHECK
from acrloss.shapes.shape_model import ShapeModel


def training_shape(train: Annotations, crop: CropSpec) -> tuple[ShapeModel | None, Float, list[str]]:
    """The shapes of the training faces.

    Returns:
        The shape model, None where the faces make none; the mean shape (M, 2) in crop units; and notes, a line for each
        way in which the model is not the usual one.

    Raises:
        DataError: a landmark is missing in every face, so that nothing could be learnt of it.
    """
    shapes, scheme = normalized_landmarks(train, crop), train.scheme
    nowhere = np.flatnonzero(np.isnan(shapes).any(axis=-1).all(axis=0)).tolist()
    if nowhere:
        numbers = ", ".join(map(str, nowhere))
        raise DataError(
            f"{train.source}: no training {scheme.called} has landmark {numbers}, so nothing can be learnt of it; "
            "leave it out of the scheme"
        )
    try:
        model = ShapeModel.fit(shapes)
    except ValueError as error:
        return None, np.nanmean(shapes, axis=0), [f"there is no shape model: {error}"]
    notes = []
    if model.num_completed:
        notes.append(
            f"of {scheme.count(model.num_faces)} of the shape model {model.num_completed} lack landmarks, which "
            "were estimated from those they have: too few are complete"
        )
    return model, model.mean.reshape(-1, 2).numpy(), notes


def mirror_notes(annotations: Annotations, augmentation: Augmentation) -> list[str]:
    """Lines on what is amiss with mirroring the faces in training, none where all is well."""
    scheme = annotations.scheme
    if not augmentation.mirror:
        return []
    if not scheme.has_flip_pairs:
        return [not_mirrored(scheme)]
    complete = int((~np.isnan(annotations.landmarks).any(axis=(1, 2))).sum())
    if complete >= FACES_FOR_CHECK:
        return []
    return [
        f"whether the flip pairs of scheme {scheme.name} mirror these {scheme.called}s was not checked: {complete} "
        f"are complete, and {FACES_FOR_CHECK} are needed"
    ]
